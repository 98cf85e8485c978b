/** Spans from a stream, gathered into traces. Holds a bounded number of spans, so that memory stays flat. */
import { type Located, type TraceSpan, spansIn } from './otlp.ts';

/** Spans that wait for the rest of their traces. Exporters send a trace within seconds: some hundred turns' worth. */
const HELD_SPANS = 20_000;

export interface GatheredTrace {
  traceId: string;
  spans: readonly TraceSpan[];
  /** Where its first span stood. */
  where: string;
}

export interface GatherProblems {
  /** Spans that came after their trace had been closed to bound memory. */
  lateSpans: number;
}

/**
 * Yields each trace once: when so many later spans were seen that the rest of it will not come, or at the end. Spans that
 * repeat (an exporter that retried) count once.
 */
export async function* gatherTraces(
  source: AsyncIterable<Located>,
  problems: GatherProblems,
  heldSpans = HELD_SPANS,
): AsyncGenerator<GatheredTrace> {
  const open = new Map<string, { spans: Map<string, TraceSpan>; where: string }>();
  const closed = new Set<string>();
  let held = 0;
  for await (const { json, where } of source) {
    for (const span of spansIn(json)) {
      if (closed.has(span.traceId)) {
        problems.lateSpans++;
        continue;
      }
      let trace = open.get(span.traceId);
      if (trace === undefined) open.set(span.traceId, (trace = { spans: new Map(), where }));
      if (!trace.spans.has(span.spanId)) held++;
      trace.spans.set(span.spanId, span);
    }
    // the oldest trace goes first; one trace alone is never cut
    for (const [traceId, trace] of open) {
      if (held <= heldSpans || open.size === 1) break;
      open.delete(traceId);
      closed.add(traceId);
      held -= trace.spans.size;
      yield { traceId, spans: [...trace.spans.values()], where: trace.where };
    }
  }
  for (const [traceId, { spans, where }] of open) yield { traceId, spans: [...spans.values()], where };
}
