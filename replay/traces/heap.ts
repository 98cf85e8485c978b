/** A binary heap: the item that comes before all others, in logarithmic time. */

export interface Heap<Item> {
  push(item: Item): void;
  first(): Item | undefined;
  pop(): Item | undefined;
}

/** `before` says which of two items comes first. */
export function createHeap<Item>(before: (a: Item, b: Item) => boolean): Heap<Item> {
  const items: Item[] = [];
  return {
    first: () => items[0],
    push(item) {
      let at = items.length;
      for (let above = (at - 1) >> 1; at > 0; above = (at - 1) >> 1) {
        const parent = items[above];
        if (parent === undefined || !before(item, parent)) break;
        items[at] = parent;
        at = above;
      }
      items[at] = item;
    },
    pop() {
      const first = items[0];
      const last = items.pop();
      if (last === undefined || items.length === 0) return first;
      let at = 0;
      for (;;) {
        let below = 2 * at + 1;
        const [left, right] = [items[below], items[below + 1]];
        if (left === undefined) break;
        const child = right !== undefined && before(right, left) ? right : left;
        if (child === right) below++;
        if (!before(child, last)) break;
        items[at] = child;
        at = below;
      }
      items[at] = last;
      return first;
    },
  };
}
