/** The spans of a trace as a tree, and the spans of a turn by path. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { keyedHex } from '../../service/base/random.ts';
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
  /** Its name, numbered among siblings of that name: `tts #2`. */
  step: string;
}

/** The spans of a turn by path. A diff aligns two turns by their paths. */
export interface TurnSpans {
  /** Steps from the turn: `turn › tts #2 › http POST`. */
  paths: readonly string[];
  /** Two entries a span, in µs: start after the first span's start, and duration. */
  times: Float64Array;
}

const SEPARATOR = ' › ';
/** A longer path is cut in its middle, where a hash stands for what is not shown: the paths of deep trees stay short and differ. */
const PATH_CHARS = 500;
const SHOWN_CHARS = 200;
/** Spans further down are left out: what a span does outside of its ancestors is looked up in each of them. */
export const LEVELS_LIMIT = 100;

/**
 * A root is a span without a parent in the trace. Spans whose parents form a circle hang below no root and are counted, and so are those
 * below `levels`.
 */
export function treesOf<Span extends PlainSpan>(
  spans: readonly Span[],
  levels = LEVELS_LIMIT,
): { roots: TraceNode<Span>[]; circular: number; deep: number } {
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
  let [reached, deep] = [0, 0];
  const open: { siblings: Span[]; parent?: TraceNode<Span>; into: TraceNode<Span>[]; level: number }[] = [];
  const roots: TraceNode<Span>[] = [];
  open.push({ siblings: tops, into: roots, level: 1 });
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { parent, into, level } = next;
    const ordinals = new Map<string, number>();
    for (const span of inOrderOfStart(next.siblings)) {
      const ordinal = (ordinals.get(span.name) ?? 0) + 1;
      ordinals.set(span.name, ordinal);
      const children: TraceNode<Span>[] = [];
      const node = { span, parent, children, step: stepOf(span.name, ordinal) };
      if (level <= levels) into.push(node);
      else deep++;
      reached++;
      const own = below.get(span.spanId);
      if (own === undefined) continue;
      below.delete(span.spanId);
      open.push({ siblings: own, parent: node, into: children, level: level + 1 });
    }
  }
  return { roots, circular: spans.length - reached, deep };
}

function inOrderOfStart<Span extends PlainSpan>(siblings: Span[]): Span[] {
  return siblings.length < 2 ? siblings : siblings.sort((a, b) => a.startUs - b.startUs);
}

function stepOf(name: string, ordinal: number): string {
  const own = plainName(name);
  return ordinal === 1 ? own : `${own} #${ordinal}`;
}

const plainName = (name: string): string => (name.includes('›') ? name.replaceAll('›', '>') : name);

function longer(path: string, step: string): string {
  const whole = path + SEPARATOR + step;
  if (whole.length <= PATH_CHARS) return whole;
  return [path.slice(0, SHOWN_CHARS), `… ${keyedHex(12, path)}`, step.slice(-SHOWN_CHARS)].join(SEPARATOR);
}

/** The node and all that hangs below it, parents before children. */
export function* below<Span extends PlainSpan>(node: TraceNode<Span>): Generator<TraceNode<Span>> {
  const open = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    for (const child of next.children.toReversed()) open.push(child);
  }
}

/**
 * The spans from the node downward. `intern` keeps one string for the equal paths of many turns; a span whose path it does not take is left
 * out.
 */
export function turnSpansOf(turn: TraceNode, intern: (path: string) => string | undefined = (path) => path): TurnSpans {
  const paths: string[] = [];
  const times: number[] = [];
  /** Of nodes with children. */
  const pathOf = new Map<TraceNode, string>();
  for (const node of below(turn)) {
    const { span, parent, children, step } = node;
    const above = parent === undefined || node === turn ? undefined : pathOf.get(parent);
    // without the path above it, a turn inside a conversation's trace aligns with a turn that is a whole trace
    const path = above === undefined ? plainName(span.name) : longer(above, step);
    if (children.length > 0) pathOf.set(node, path);
    const kept = intern(path);
    if (kept === undefined) continue;
    paths.push(kept);
    times.push(span.startUs - turn.span.startUs, span.endUs - span.startUs);
  }
  return { paths, times: Float64Array.from(times) };
}

/** The spans of a finished turn that no file holds yet. */
export function spansOfRecords(records: readonly SpanRecord[]): TurnSpans {
  const { roots } = treesOf(records.map((record) => ({ ...record, parentSpanId: record.parentSpanId ?? '' })));
  const [root] = roots;
  return root === undefined ? { paths: [], times: new Float64Array() } : turnSpansOf(root);
}
