/** Tail sampling keeps every error, slow turn and replay, the stated share of the others, and whole traces only. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Lane } from '../../service/base/events.ts';
import { folderOf, startStack, until } from './harness.ts';
import { MADE_FROM_US, madeTrace, send, madeSpans, type MadeTrace } from './made-traces.ts';
import { exportedSpans, jaegerSpans, traceIdsOf } from './spans.ts';

const SHARE_PCT = 25;
const OTHERS = 2000;
const EACH = 40;
const TOGETHER = 20;
const REPLAYS: readonly Lane[] = ['baseline', 'baseline2', 'candidate'];

test('errors, slow turns and replays stay, and the stated share of 2,000 others', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder, { COLLECTOR_SAMPLED_PERCENT: String(SHARE_PCT) });
  let ordinal = 0;
  const make = (count: number, kind: Parameters<typeof madeTrace>[1]): MadeTrace[] =>
    Array.from({ length: count }, () => madeTrace(ordinal++, kind));
  const kept = [
    ...make(EACH, { failed: true }),
    ...make(EACH, { e2eUs: 1_400_001 }),
    ...REPLAYS.flatMap((lane) => make(EACH, { lane, e2eUs: 900_000 })),
  ];
  // the target itself is met; and talking for long does not make a response slow: their turn spans last seconds
  const others = make(OTHERS, { e2eUs: 1_400_000 });
  const all = [...kept, ...others].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const size = new Map(all.map((trace) => [idOf(trace), madeSpans(trace).length]));
  for (let at = 0; at < all.length; at += TOGETHER) {
    const some = all.slice(at, at + TOGETHER);
    // leaves first, then the rest with the root: parts of a trace come in two requests
    await send(
      stack.collector.urls.otlp,
      some.map((trace) => partOf(trace, false)),
    );
    await send(
      stack.collector.urls.otlp,
      some.map((trace) => partOf(trace, true)),
    );
  }
  const window = { fromUs: MADE_FROM_US, toUs: MADE_FROM_US + ordinal * 1e6 };
  let count = -1;
  await until(
    async () => {
      const before = count;
      count = traceIdsOf((await jaegerSpans(stack.jaeger.urls.ui, window)).keys()).size;
      return count === before && count > kept.length;
    },
    'Jaeger has settled',
    90_000,
  );
  const read = await jaegerSpans(stack.jaeger.urls.ui, window);
  const spans = Map.groupBy(read.values(), ({ traceId }) => traceId);
  assert.deepEqual(
    kept.map(idOf).filter((id) => !spans.has(id)),
    [],
    'every error, slow turn and replay',
  );
  const share = (100 * others.filter((trace) => spans.has(idOf(trace))).length) / OTHERS;
  context.diagnostic(`${share.toFixed(1)} % of ${OTHERS} others kept, ${SHARE_PCT} % stated`);
  assert.ok(Math.abs(share - SHARE_PCT) <= 3, `${share} %`);
  assert.deepEqual(
    [...spans].filter(([id, own]) => own.length !== size.get(id)),
    [],
    'whole traces only',
  );
  const exported = await exportedSpans(stack.collector.urls.file);
  assert.equal(traceIdsOf(exported.keys()).size, all.length, 'the file export is fed before sampling');
  const metrics = await metricsOf(stack.collector.urls.metrics, all.length - EACH);
  assert.equal(metrics.count, all.length - EACH, 'so are the span metrics: a response a turn, but where it failed');
  for (const target of ['300', '500', '600', '1200', '1400', '+Inf'])
    assert.ok(metrics.buckets.includes(target), `a bucket ends at ${target} ms`);
  assert.deepEqual(metrics.names, ['llm.ttft', 'response', 'stt', 'tts.ttfb', 'turn'], 'and a turn where it failed');
});

function idOf(trace: MadeTrace): string {
  return String(madeSpans(trace)[0]?.['traceId']);
}

function partOf(trace: MadeTrace, withRoot: boolean): MadeTrace {
  return {
    resourceSpans: trace.resourceSpans.map((resource) => ({
      ...resource,
      scopeSpans: resource.scopeSpans.map((scope) => ({
        ...scope,
        spans: scope.spans.filter(({ name }) => /^(turn|response|stt|llm|tts)$/.test(name) === withRoot),
      })),
    })),
  };
}

/** The Collector's span metrics once they have counted `responses`. */
async function metricsOf(
  url: string,
  responses: number,
): Promise<{ count: number; buckets: string[]; names: string[] }> {
  const read = async (): Promise<{ count: number; buckets: string[]; names: string[] }> => {
    const lines = (await (await fetch(url)).text()).split('\n').filter((line) => line.startsWith('retake_duration'));
    const label = (line: string, name: string): string => new RegExp(`${name}="([^"]*)"`).exec(line)?.[1] ?? '';
    const ofResponses = lines.filter((line) => label(line, 'span_name') === 'response');
    return {
      count: ofResponses
        .filter((line) => line.startsWith('retake_duration_milliseconds_count'))
        .reduce((sum, line) => sum + Number(/} ([\d.e+]+)/.exec(line)?.[1]), 0),
      buckets: [...new Set(ofResponses.map((line) => label(line, 'le')))]
        .filter((le) => le !== '')
        .map((le) => le.replace('.0', '')),
      names: [...new Set(lines.map((line) => label(line, 'span_name')))].sort(),
    };
  };
  await until(async () => (await read()).count >= responses, 'the span metrics are flushed', 30_000);
  return read();
}
