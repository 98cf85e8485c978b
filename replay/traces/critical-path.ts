/**
 * The critical path of a trace that records no causes: which span the end was waiting for, instant by instant. Pure.
 *
 * The walk goes back from the end through the children that finished last, as in Jaeger and CRISP (Zhang et al., USENIX ATC
 * 2022), and differs where those lose time:
 * - a sibling that ends exactly where the next one starts is on the path (Jaeger's comparison is strict);
 * - a span without length is never on the path, and never ends the walk;
 * - what of a child lies outside of its parent, before its start or after its end, belongs to the nearest ancestor that
 *   holds it: nothing is clipped away, and no time is charged twice;
 * - time after the last finished child belongs to a child that was still running then (the one that started last), as in a
 *   stream that feeds its successor, and to the parent only when nothing below it ran.
 *
 * So the parts are contiguous and add up to the window, in whole µs, for any spans.
 */
import type { PlainSpan, TraceNode } from './trace-tree.ts';

export interface PathPart<Span extends PlainSpan = PlainSpan> {
  node: TraceNode<Span>;
  fromUs: number;
  toUs: number;
}

/** The part of a span that lies in one of its ancestors. */
interface Piece<Span extends PlainSpan> {
  node: TraceNode<Span>;
  fromUs: number;
  toUs: number;
}

/** Parts from `fromUs` to `toUs`, in order of time. What lies outside of `root` is the root's. */
export function criticalPath<Span extends PlainSpan>(
  root: TraceNode<Span>,
  window: { fromUs: number; toUs: number } = { fromUs: root.span.startUs, toUs: root.span.endUs },
): PathPart<Span>[] {
  const pieces = piecesByHolder(root, window);
  const parts: PathPart<Span>[] = [];
  const take = (node: TraceNode<Span>, fromUs: number, toUs: number): void => {
    const last = parts.at(-1);
    if (last?.node === node && last.fromUs === toUs) last.fromUs = fromUs;
    else parts.push({ node, fromUs, toUs });
  };
  // a stack in place of recursion: traces of thousands of levels exist
  const open: Piece<Span>[] = [{ node: root, ...window }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, fromUs, toUs } = next;
    if (toUs <= fromUs) continue;
    const step = stepBack(pieces.get(node) ?? [], fromUs, toUs);
    if (step.node === undefined) take(node, step.fromUs, toUs);
    // what lies before the step is looked at after all that the step holds
    open.push({ node, fromUs, toUs: step.fromUs });
    if (step.node !== undefined) open.push({ node: step.node, fromUs: step.fromUs, toUs });
  }
  return parts.reverse();
}

/** Who held the instant before `toUs`, and since when: a child, or nobody below. */
function stepBack<Span extends PlainSpan>(
  children: readonly Piece<Span>[],
  fromUs: number,
  toUs: number,
): { node?: TraceNode<Span>; fromUs: number } {
  let finished: Piece<Span> | undefined;
  let running: Piece<Span> | undefined;
  for (const child of children) {
    if (child.toUs <= fromUs || child.fromUs >= toUs) continue;
    // a piece that was cut off at the end of what holds it went on
    if (child.node.span.endUs > toUs) {
      if (running === undefined || child.fromUs > running.fromUs) running = child;
    } else if (
      finished === undefined ||
      child.toUs > finished.toUs ||
      (child.toUs === finished.toUs && child.fromUs < finished.fromUs)
    ) {
      finished = child;
    }
  }
  const idleUs = finished?.toUs ?? fromUs;
  if (finished !== undefined && idleUs === toUs)
    return { node: finished.node, fromUs: Math.max(fromUs, finished.fromUs) };
  return running === undefined ? { fromUs: idleUs } : { node: running.node, fromUs: Math.max(idleUs, running.fromUs) };
}

/** Every span's pieces, by the ancestor that holds them. Spans without length have none. */
function piecesByHolder<Span extends PlainSpan>(
  root: TraceNode<Span>,
  window: { fromUs: number; toUs: number },
): Map<TraceNode<Span>, Piece<Span>[]> {
  const pieces = new Map<TraceNode<Span>, Piece<Span>[]>();
  const open = [...root.children];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    open.push(...node.children);
    let rest = [{ fromUs: node.span.startUs, toUs: node.span.endUs }];
    for (let holder = node.parent; holder !== undefined && rest.length > 0; holder = holder.parent) {
      const span = holder === root ? { startUs: window.fromUs, endUs: window.toUs } : holder.span;
      const left: typeof rest = [];
      for (const { fromUs, toUs } of rest) {
        const inside = { fromUs: Math.max(fromUs, span.startUs), toUs: Math.min(toUs, span.endUs) };
        if (inside.fromUs < inside.toUs) {
          const held = pieces.get(holder);
          if (held === undefined) pieces.set(holder, [{ node, ...inside }]);
          else held.push({ node, ...inside });
        }
        if (fromUs < span.startUs) left.push({ fromUs, toUs: Math.min(toUs, span.startUs) });
        if (toUs > span.endUs) left.push({ fromUs: Math.max(fromUs, span.endUs), toUs });
      }
      rest = left.filter((each) => each.fromUs < each.toUs);
      if (holder === root) break;
    }
  }
  return pieces;
}
