/** While Jaeger is down, the Collector's queue is bounded in bytes on disk, and spans that did not fit are counted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { folderOf, startStack, until, type Stack } from './harness.ts';
import { MADE_FROM_US, madeTrace, send, madeSpans } from './made-traces.ts';
import { jaegerSpans } from './spans.ts';

const LIMIT_BYTES = 400_000;
const TRACES = 60;

test('what fits arrives after a restart, what does not is counted, and together they are everything', async (context) => {
  const stack = await startStack(context, folderOf(context), { COLLECTOR_QUEUE_BYTES: String(LIMIT_BYTES) });
  await stack.jaeger.stop();
  let sent = 0;
  for (let ordinal = 0; ordinal < TRACES; ordinal++) {
    const trace = madeTrace(ordinal);
    sent += madeSpans(trace).length;
    await send(stack.collector.urls.otlp, [trace]);
  }
  const decided = 'processor_tail_sampling_global_count_traces_sampled';
  await until(async () => (await figure(stack, decided)) === TRACES, 'decided');
  const lost = await figure(stack, 'exporter_enqueue_failed_spans');
  assert.ok(lost > 0 && lost < sent, `${lost} of ${sent} spans did not fit`);
  const queuedBytes = await figure(stack, 'exporter_queue_size');
  assert.ok(queuedBytes > LIMIT_BYTES / 2 && queuedBytes <= LIMIT_BYTES, `${queuedBytes} bytes`);
  await stack.collector.stop();
  await stack.jaeger.start();
  await stack.collector.start();
  const window = { fromUs: MADE_FROM_US, toUs: MADE_FROM_US + TRACES * 1e6 };
  await until(async () => (await jaegerSpans(stack.jaeger.urls.ui, window)).size >= sent - lost, 'in Jaeger');
  assert.equal((await jaegerSpans(stack.jaeger.urls.ui, window)).size, sent - lost);
});

/** One of the Collector's own figures, summed over its labels; 0 before the first count. */
async function figure({ collector }: Stack, name: string): Promise<number> {
  const text = await (await fetch(collector.urls.telemetry)).text();
  return [...text.matchAll(new RegExp(`^otelcol_${name}\\{[^}]*\\} ([\\d.e+]+)`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}
