/** Spans from a stream, gathered into traces. At most so many spans are held that memory stays flat. */
import { type Located, type TraceSpan, spansIn } from './otlp.ts';

/** Some hundred turns. Exporters send a whole trace within seconds. */
const HELD_SPANS = 20_000;
/** Of one trace, which is held whole. A conversation of an hour has some thousand. */
const TRACE_SPANS = 200_000;
/** So many characters of attributes count as one more span. */
const SPAN_CHARS = 500;

export interface GatheredTrace {
  traceId: string;
  spans: readonly TraceSpan[];
  /** Of its first span, for messages. */
  where: string;
}

export interface GatherProblems {
  /** Spans that came after their trace had been closed. */
  lateSpans: number;
  /** Spans without usable ids and times. */
  unusableSpans: number;
  /** Traces with more than `TRACE_SPANS`. */
  largeTraces: number;
}

export const NO_PROBLEMS: Readonly<GatherProblems> = { lateSpans: 0, unusableSpans: 0, largeTraces: 0 };

/** One line for each kind of problem. */
export function problemLines({ lateSpans, unusableSpans, largeTraces }: GatherProblems): string[] {
  return [
    lateSpans === 0 ? undefined : `${lateSpans} spans came long after the rest of their trace: left out`,
    unusableSpans === 0
      ? undefined
      : `${unusableSpans} spans have an id or a time that is none (OTLP JSON has nanoseconds since 1970): left out`,
    largeTraces === 0
      ? undefined
      : `${largeTraces} traces have more than ${TRACE_SPANS.toLocaleString('en')} spans: left out; export a trace for each conversation or turn`,
  ].filter((each) => each !== undefined);
}

/**
 * Yields each trace once: at the end, or after so many later spans that none of its own will follow. A repeated span, of an
 * exporter that retried, counts once. `attribute` is kept of each span.
 */
export async function* gatherTraces(
  source: AsyncIterable<Located>,
  problems: GatherProblems,
  {
    heldSpans = HELD_SPANS,
    traceSpans = TRACE_SPANS,
    attribute,
  }: { heldSpans?: number; traceSpans?: number; attribute?: string } = {},
): AsyncGenerator<GatheredTrace> {
  const open = new Map<string, { spans: Map<string, TraceSpan>; where: string; weight: number }>();
  const closed = new Set<string>();
  const large = new Set<string>();
  let held = 0;
  for await (const { json, where } of source) {
    for (const span of spansIn(json, problems, attribute)) {
      if (closed.has(span.traceId)) {
        if (!large.has(span.traceId)) problems.lateSpans++;
        continue;
      }
      let trace = open.get(span.traceId);
      if (trace === undefined) open.set(span.traceId, (trace = { spans: new Map(), where, weight: 0 }));
      if (trace.spans.has(span.spanId)) continue;
      const weight = weightOf(span);
      held += weight;
      trace.weight += weight;
      trace.spans.set(span.spanId, span);
      if (trace.weight <= traceSpans) continue;
      problems.largeTraces++;
      large.add(span.traceId);
      closed.add(span.traceId);
      open.delete(span.traceId);
      held -= trace.weight;
    }
    // one trace alone is never cut
    for (const [traceId, trace] of open) {
      if (held <= heldSpans || open.size === 1) break;
      open.delete(traceId);
      closed.add(traceId);
      held -= trace.weight;
      yield { traceId, spans: [...trace.spans.values()], where: trace.where };
    }
  }
  for (const [traceId, { spans, where }] of open) yield { traceId, spans: [...spans.values()], where };
}

function weightOf({ attributes }: TraceSpan): number {
  let chars = 0;
  for (const value of Object.values(attributes)) if (typeof value === 'string') chars += value.length;
  return 1 + Math.floor(chars / SPAN_CHARS);
}
