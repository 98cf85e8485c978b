/** Spans from a stream, gathered into traces. At most so many spans are held that memory stays flat. */
import { type Located, type TraceSpan, spansIn } from './otlp.ts';

/** Some hundred turns. Exporters send a whole trace within seconds. */
const HELD_SPANS = 20_000;

export interface GatheredTrace {
  traceId: string;
  spans: readonly TraceSpan[];
  /** Of its first span, for messages. */
  where: string;
}

export interface GatherProblems {
  /** Spans that came after their trace had been closed. */
  lateSpans: number;
}

/**
 * Yields each trace once: at the end, or after so many later spans that none of its own will follow. A repeated span, of an
 * exporter that retried, counts once.
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
    // one trace alone is never cut, whatever its size
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
