/** The spans of a trace as a tree, and the spans of a turn by path. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { SpanRecord } from '../../service/telemetry/spans.ts';
import type { TraceSpan } from './otlp.ts';

/** By `tracedTurnKey`. */
export type SpansByTurn = ReadonlyMap<string, TurnSpans>;

/** Names a turn. The trace id alone does not: a trace of another pipeline may hold a whole conversation. */
export function tracedTurnKey({ traceId, turnIndex }: Pick<TurnSummary, 'traceId' | 'turnIndex'>): string {
  return `${traceId}/${turnIndex}`;
}

export type PlainSpan = Pick<TraceSpan, 'spanId' | 'parentSpanId' | 'name' | 'startUs' | 'endUs'>;

export interface TraceNode<Span extends PlainSpan = PlainSpan> {
  span: Span;
  parent?: TraceNode<Span>;
  /** In order of start. Spans that start together stay in order of input. */
  children: readonly TraceNode<Span>[];
  /** Names from the root; siblings of one name are numbered: `turn › tts #2 › http POST`. */
  path: string;
}

/** The spans of a turn by path. A diff aligns two turns by their paths. */
export interface TurnSpans {
  paths: readonly string[];
  /** Two entries a span, in µs: start after the first span's start, and duration. */
  times: Float64Array;
}

const SEPARATOR = ' › ';

/**
 * A root is a span without a parent in the trace. Spans whose parents form a circle hang below no root and are returned
 * apart.
 */
export function treesOf<Span extends PlainSpan>(
  spans: readonly Span[],
): { roots: TraceNode<Span>[]; circular: readonly Span[] } {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const below = new Map<string, Span[]>();
  const tops: Span[] = [];
  for (const span of spans) {
    if (span.parentSpanId === '' || !byId.has(span.parentSpanId)) tops.push(span);
    else {
      const siblings = below.get(span.parentSpanId);
      if (siblings === undefined) below.set(span.parentSpanId, [span]);
      else siblings.push(span);
    }
  }
  let reached = 0;
  const open: { siblings: Span[]; parent?: TraceNode<Span>; into: TraceNode<Span>[] }[] = [];
  const roots: TraceNode<Span>[] = [];
  open.push({ siblings: tops, into: roots });
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { parent, into } = next;
    const ordinals = new Map<string, number>();
    for (const span of inOrderOfStart(next.siblings)) {
      const ordinal = (ordinals.get(span.name) ?? 0) + 1;
      ordinals.set(span.name, ordinal);
      const children: TraceNode<Span>[] = [];
      into.push({ span, parent, children, path: pathOf(parent, span.name, ordinal) });
      reached++;
      const node = into.at(-1);
      const own = below.get(span.spanId);
      if (own === undefined || node === undefined) continue;
      below.delete(span.spanId);
      open.push({ siblings: own, parent: node, into: children });
    }
  }
  const circular = reached === spans.length ? [] : [...below.values()].flat();
  return { roots, circular };
}

function inOrderOfStart<Span extends PlainSpan>(siblings: Span[]): Span[] {
  return siblings.length < 2 ? siblings : siblings.sort((a, b) => a.startUs - b.startUs);
}

function pathOf(parent: TraceNode | undefined, name: string, ordinal: number): string {
  const own = name.includes('›') ? name.replaceAll('›', '>') : name;
  const step = ordinal === 1 ? own : `${own} #${ordinal}`;
  return parent === undefined ? step : parent.path + SEPARATOR + step;
}

/** The node and all that hangs below it, parents before children. */
export function* below<Span extends PlainSpan>(node: TraceNode<Span>): Generator<TraceNode<Span>> {
  const open = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    open.push(...next.children.toReversed());
  }
}

/** The spans from the node downward. `intern` keeps one string for the equal paths of many turns. */
export function turnSpansOf(node: TraceNode, intern: (path: string) => string = (path) => path): TurnSpans {
  const nodes = [...below(node)];
  const times = new Float64Array(nodes.length * 2);
  for (const [index, { span }] of nodes.entries()) {
    times[index * 2] = span.startUs - node.span.startUs;
    times[index * 2 + 1] = span.endUs - span.startUs;
  }
  // without the path above it, a turn inside a conversation's trace aligns with a turn that is a whole trace
  const above = node.parent === undefined ? '' : node.parent.path + SEPARATOR;
  const root = node.span.name;
  const paths = nodes.map(({ path }) => intern(root + path.slice(above.length + stepLength(path, above.length))));
  return { paths, times };
}

function stepLength(path: string, from: number): number {
  const end = path.indexOf(SEPARATOR, from);
  return (end < 0 ? path.length : end) - from;
}

/** The spans of a finished turn that no file holds yet. */
export function spansOfRecords(records: readonly SpanRecord[]): TurnSpans {
  const { roots } = treesOf(records.map((record) => ({ ...record, parentSpanId: record.parentSpanId ?? '' })));
  const [root] = roots;
  return root === undefined ? { paths: [], times: new Float64Array() } : turnSpansOf(root);
}
