/**
 * The critical path of a trace that records no causes: which span the end waited for, instant by instant. Pure.
 *
 * The walk goes back from the end through the children that finished last, as in Jaeger and CRISP (Zhang et al., USENIX ATC
 * 2022). This walk differs in four cases, in which theirs loses time:
 * - A sibling that ends exactly where the next one starts is on the path. Jaeger's comparison is strict.
 * - A span without length is never on the path and never ends the walk.
 * - A child may reach beyond its parent, at its start or its end. The time beyond belongs to the nearest ancestor that holds it:
 *   nothing is clipped, and no time is charged twice.
 * - Time after the last finished child belongs to the running child that started last, as in a stream that feeds its
 *   successor. The parent has only time in which no child ran.
 *
 * So the parts are contiguous and add up to the window, in whole µs, for any spans.
 */
import { createHeap } from './heap.ts';
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

/** Parts of the window, in order of time. Time outside of `root` belongs to the root. */
export function criticalPath<Span extends PlainSpan>(
  root: TraceNode<Span>,
  window: { fromUs: number; toUs: number } = { fromUs: root.span.startUs, toUs: root.span.endUs },
): PathPart<Span>[] {
  const holders = new Map([...piecesByHolder(root, window)].map(([node, pieces]) => [node, backwards(pieces)]));
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
    const step = holders.get(node)?.(fromUs, toUs) ?? { fromUs };
    if (step.node === undefined) take(node, step.fromUs, toUs);
    // popped after all that the step holds: the walk goes back in time
    open.push({ node, fromUs, toUs: step.fromUs });
    if (step.node !== undefined) open.push({ node: step.node, fromUs: step.fromUs, toUs });
  }
  return parts.reverse();
}

/** The child that held the instant before `toUs`, if any, and since when. */
type StepBack<Span extends PlainSpan> = (fromUs: number, toUs: number) => { node?: TraceNode<Span>; fromUs: number };

/**
 * Steps back through the pieces of one holder. Each step is for an earlier interval than the step before, or for an earlier end of the
 * same interval. So a piece enters and leaves each list once, and a million children cost little more than their sorting.
 */
function backwards<Span extends PlainSpan>(pieces: readonly Piece<Span>[]): StepBack<Span> {
  const order = new Map(pieces.map((piece, index) => [piece, index]));
  const isEarlier = (a: Piece<Span>, b: Piece<Span>): boolean => (order.get(a) ?? 0) < (order.get(b) ?? 0);
  const byEnd = pieces.toSorted((a, b) => b.toUs - a.toUs || a.fromUs - b.fromUs);
  const bySpanEnd = pieces.toSorted((a, b) => b.node.span.endUs - a.node.span.endUs);
  /** Still running at the end of the interval; the first ones may end before the interval begins. */
  const waiting = createHeap<Piece<Span>>((a, b) => a.toUs > b.toUs);
  const runningOnes = createHeap<Piece<Span>>(
    (a, b) => a.fromUs > b.fromUs || (a.fromUs === b.fromUs && isEarlier(a, b)),
  );
  let [ended, began] = [0, 0];
  return (fromUs, toUs) => {
    // a piece cut off at the end of its holder was still running
    for (let next = bySpanEnd[began]; next !== undefined && next.node.span.endUs > toUs; next = bySpanEnd[began]) {
      waiting.push(next);
      began++;
    }
    for (let next = waiting.first(); next !== undefined && next.toUs > fromUs; next = waiting.first()) {
      runningOnes.push(next);
      waiting.pop();
    }
    for (let next = runningOnes.first(); next !== undefined && next.fromUs >= toUs; next = runningOnes.first())
      runningOnes.pop();
    for (let next = byEnd[ended]; next !== undefined && next.node.span.endUs > toUs; next = byEnd[ended]) ended++;
    const last = byEnd[ended];
    const finished = last !== undefined && last.toUs > fromUs ? last : undefined;
    const running = runningOnes.first();
    const idleUs = finished?.toUs ?? fromUs;
    if (finished !== undefined && idleUs === toUs)
      return { node: finished.node, fromUs: Math.max(fromUs, finished.fromUs) };
    return running === undefined
      ? { fromUs: idleUs }
      : { node: running.node, fromUs: Math.max(idleUs, running.fromUs) };
  };
}

/** The pieces of every span, by the ancestor that holds them. A span without length has none. */
function piecesByHolder<Span extends PlainSpan>(
  root: TraceNode<Span>,
  window: { fromUs: number; toUs: number },
): Map<TraceNode<Span>, Piece<Span>[]> {
  const pieces = new Map<TraceNode<Span>, Piece<Span>[]>();
  const open = [...root.children];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const child of node.children) open.push(child);
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
