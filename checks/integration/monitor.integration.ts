/** Jaeger's Monitor, as its page asks for it: latency, rate and errors of turns, from the span metrics in the real Prometheus. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { folderOf, startMonitoredStack, until } from './harness.ts';
import { madeTrace, send, madeSpans, type MadeTrace } from './made-traces.ts';

const TURNS = 20;
const FAILED = 5;
/** One response in ten takes so long. */
const SLOW_MS = 4600;

interface Family {
  metrics: {
    labels: { name: string; value: string }[];
    metricPoints: { gaugeValue?: { doubleValue?: number | string }; timestamp: string }[];
  }[];
}

test('the page shows response and failed turns: percentiles up to ten seconds, the rate, and the share that failed', async (context) => {
  const stack = await startMonitoredStack(context, folderOf(context));
  let ordinal = 0;
  const make = (failed: boolean): MadeTrace => {
    const trace = madeTrace(ordinal++, { failed });
    const response = madeSpans(trace).find(({ name }) => name === 'response');
    const startNs = BigInt(String(response?.['startTimeUnixNano'] ?? 0));
    if (response !== undefined && ordinal % 10 === 0)
      response['endTimeUnixNano'] = String(startNs + BigInt(SLOW_MS) * 1_000_000n);
    return trace;
  };
  const ask = async (metric: string, more = ''): Promise<Map<string, number>> => {
    const query = `service=retake&endTs=${Date.now()}&lookback=600000&step=5000&ratePer=60000&spanKind=server${more}`;
    const answer = await fetch(`${stack.jaeger.urls.ui}/api/metrics/${metric}?${query}`);
    assert.equal(answer.status, 200, `${metric}: ${await answer.clone().text()}`);
    const { metrics } = (await answer.json()) as Family;
    return new Map(
      metrics.flatMap(({ labels, metricPoints }) => {
        const operation = labels.find(({ name }) => name === 'operation')?.value ?? 'all';
        const last = metricPoints
          .map(({ gaugeValue }) => Number(gaugeValue?.doubleValue))
          .findLast((value) => value > 0);
        return last === undefined ? [] : [[operation, last]];
      }),
    );
  };
  // a rate is the growth between two readings: the first turns make the series, the next ones let it grow
  const speak = (): Promise<void> =>
    send(
      stack.collector.urls.otlp,
      Array.from({ length: TURNS }, (_, index) => make(index >= TURNS - FAILED)),
    );
  const spoken = setInterval(() => void speak().catch(() => undefined), 1000);
  context.after(() => clearInterval(spoken));
  const grouped = '&groupByOperation=true';
  await until(
    async () => (await ask('errors', grouped)).size > 0,
    'Prometheus has read the span metrics twice',
    90_000,
  );

  const [median, p95] = [
    await ask('latencies', `${grouped}&quantile=0.5`),
    await ask('latencies', `${grouped}&quantile=0.95`),
  ];
  assert.deepEqual([...median.keys()].sort(), ['response', 'turn']);
  assert.ok(
    (median.get('response') ?? 0) > 500 && (median.get('response') ?? 0) <= 800,
    `${median.get('response')} ms`,
  );
  const slow = p95.get('response') ?? 0;
  assert.ok(slow > 4000 && slow <= 5000, `${slow} ms: a slow response has a bucket of its own`);
  assert.ok((await ask('calls', grouped)).has('response'), 'the rate');
  const errors = (await ask('errors')).get('all') ?? 0;
  const share = FAILED / TURNS;
  assert.ok(Math.abs(errors - share) < 0.02, `${errors}: ${FAILED} of ${TURNS} turns failed`);
  assert.equal((await ask('errors', grouped)).get('response') ?? 0, 0, 'control: a response is none of them');
});
