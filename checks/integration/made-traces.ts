/** Traces made for a test: a hand-made turn of the service, its ids, times and attributes changed. */
import { keyedHex } from '../../service/base/random.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import { failedTurn, wholeTurn } from '../../testing/sample-turn.ts';
import type { Lane } from '../../service/base/events.ts';

export interface MadeSpan {
  name: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status?: { code?: number; message?: string };
  [field: string]: unknown;
}
export interface MadeScope {
  scope: { attributes?: MadeSpan['attributes'] };
  spans: MadeSpan[];
}
export interface MadeTrace {
  resourceSpans: { resource: { attributes: MadeSpan['attributes'] }; scopeSpans: MadeScope[] }[];
}

/** One trace, a second after the one before it; `e2eUs` is what its turn span says. */
export function madeTrace(ordinal: number, kind: { lane?: Lane; e2eUs?: number; failed?: boolean } = {}): MadeTrace {
  const traceId = keyedHex(32, 'made', ordinal, JSON.stringify(kind));
  const identity = {
    traceId,
    lane: kind.lane ?? 'captured',
    variant: kind.lane ?? 'captured',
    sessionId: `made-${ordinal}`,
  };
  const { log, measured } = kind.failed === true ? failedTurn() : wholeTurn(identity);
  const own = { ...log, identity: { ...log.identity, ...identity }, anchorUs: MADE_FROM_US + ordinal * 1_000_000 };
  const trace = JSON.parse(otlpLineOf(own, measured)) as MadeTrace;
  const turn = madeSpans(trace).find(({ parentSpanId }) => parentSpanId === undefined);
  const e2e = turn?.attributes.find(({ key }) => key === 'retake.e2e_us');
  if (e2e !== undefined && kind.e2eUs !== undefined) e2e.value = { intValue: String(kind.e2eUs) };
  return trace;
}

/** Where made traces begin, in epoch µs. */
export const MADE_FROM_US = 1_790_000_000_000_000;

export function madeSpans(trace: MadeTrace): MadeSpan[] {
  return trace.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** Sends traces as one export request; throws when it is not taken. */
export async function send(otlpUrl: string, traces: readonly MadeTrace[]): Promise<void> {
  const response = await fetch(`${otlpUrl}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: traces.flatMap(({ resourceSpans }) => resourceSpans) }),
  });
  if (!response.ok) throw new Error(`${otlpUrl} answered ${response.status}: ${await response.text()}`);
  await response.text();
}
