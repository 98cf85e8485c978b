import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { METRICS } from './names.ts';
import { failedTurn, wholeTurn } from '../../testing/sample-turn.ts';
import { createServiceMetrics, type ServiceMetrics } from './service-metrics.ts';

const SPOOL = { appended: 9, sent: 5, pending: 3, dropped: 1, rejectedSpans: 7, failures: 4, diskBytes: 1234 };

function create(): ServiceMetrics {
  return createServiceMetrics({
    spool: () => SPOOL,
    pools: () => [
      { origin: 'https://fal.run', connected: 2, free: 1, running: 1, queued: 0 },
      { origin: 'https://fal.run', connected: 1, free: 1, running: 0, queued: 0 },
    ],
    sessions: () => 12,
    shed: () => ({ session: 2, turn: 1, connection: 0 }),
    loopDelayMs: () => 30,
    readLagMs: 20,
  });
}

/** Sample lines of one metric. */
function linesOf(text: string, name: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'));
}

test('turns become histograms with the targets as buckets, failures and retries counters', async () => {
  const metrics = create();
  for (const { log, measured } of [wholeTurn(), wholeTurn(), failedTurn()]) metrics.projection.closed(log, measured);
  const text = await metrics.text();
  assert.deepEqual(linesOf(text, METRICS.turns.name), [
    'retake_turns_total{world="sim",outcome="ok"} 2',
    'retake_turns_total{world="sim",outcome="failed"} 1',
  ]);
  // the turn's e2e is 605.1 ms: above the bucket of 600 and within that of 1,200
  assert.deepEqual(linesOf(text, METRICS.e2e.name).slice(0, 5), [
    'retake_turn_e2e_seconds_bucket{le="0.3",world="sim",zero="audio"} 0',
    'retake_turn_e2e_seconds_bucket{le="0.5",world="sim",zero="audio"} 0',
    'retake_turn_e2e_seconds_bucket{le="0.6",world="sim",zero="audio"} 0',
    'retake_turn_e2e_seconds_bucket{le="1.2",world="sim",zero="audio"} 2',
    'retake_turn_e2e_seconds_bucket{le="1.4",world="sim",zero="audio"} 2',
  ]);
  assert.ok(linesOf(text, METRICS.e2e.name).includes('retake_turn_e2e_seconds_sum{world="sim",zero="audio"} 1.2102'));
  assert.deepEqual(linesOf(text, METRICS.failures.name), [
    'retake_turn_failures_total{stage="stt",kind="unreachable"} 1',
  ]);
  assert.deepEqual(linesOf(text, METRICS.providerErrors.name), [
    'retake_provider_errors_total{stage="stt",kind="unreachable"} 2',
  ]);
  assert.deepEqual(linesOf(text, METRICS.retries.name), ['retake_provider_retries_total{stage="stt"} 1']);
  assert.equal(linesOf(text, `${METRICS.stage.name}_count`).length, 4, 'all four stages of the turn that had them');
});

test('pools and spool are read at each scrape, not added up', async () => {
  const metrics = create();
  await metrics.text();
  const text = await metrics.text();
  assert.deepEqual(linesOf(text, METRICS.pool.name), [
    'retake_pool_sockets{origin="https://fal.run",state="connected"} 3',
    'retake_pool_sockets{origin="https://fal.run",state="free"} 2',
    'retake_pool_sockets{origin="https://fal.run",state="running"} 1',
    'retake_pool_sockets{origin="https://fal.run",state="queued"} 0',
  ]);
  assert.deepEqual(linesOf(text, 'retake_spool'), [
    'retake_spool_pending_turns 3',
    'retake_spool_disk_bytes 1234',
    'retake_spool_rejected_spans_total 7',
    'retake_spool_failures_total 4',
    'retake_spool_turns_total{outcome="sent"} 5',
    'retake_spool_turns_total{outcome="dropped"} 1',
  ]);
  assert.deepEqual(linesOf(text, METRICS.sessions.name), ['retake_sessions_open 12']);
  assert.deepEqual(linesOf(text, METRICS.shed.name), [
    'retake_shed_total{door="session"} 2',
    'retake_shed_total{door="turn"} 1',
    'retake_shed_total{door="connection"} 0',
  ]);
  assert.deepEqual(linesOf(text, METRICS.loopDelay.name), ['retake_event_loop_delay_seconds 0.03']);
});

test('the lag of reading is a histogram, what is later than the bound is counted, and so is what was blocked', async () => {
  const metrics = create();
  const { log, measured } = wholeTurn();
  const { summary } = measured;
  const [first] = summary.ledger;
  assert.ok(first);
  for (const readLagUs of [1500, 20_000, 250_000]) {
    const ledger: typeof summary.ledger = [
      { ...first, us: first.us - 30_000 },
      { stage: 'our code', phase: 'blocked', us: 30_000 },
    ];
    metrics.projection.closed(log, { ...measured, summary: { ...summary, readLagUs, ledger } });
  }
  metrics.projection.closed(log, measured); // without a lag: absent, and nothing blocked
  const text = await metrics.text();
  const lag = linesOf(text, METRICS.readLag.name);
  assert.ok(lag.includes('retake_turn_read_lag_seconds_bucket{le="0.02",world="sim"} 2'));
  assert.ok(lag.includes('retake_turn_read_lag_seconds_count{world="sim"} 3'));
  assert.deepEqual(linesOf(text, METRICS.readLate.name), ['retake_turns_read_late_total{world="sim"} 1']);
  assert.ok(linesOf(text, METRICS.blocked.name).includes('retake_turn_blocked_seconds_sum{world="sim"} 0.09'));
  assert.ok(linesOf(text, METRICS.blocked.name).includes('retake_turn_blocked_seconds_count{world="sim"} 4'));
});

test('control: an unmeasured latency is absent, not 0', async () => {
  const metrics = create();
  const { log, measured } = failedTurn();
  metrics.projection.closed(log, measured);
  assert.deepEqual(linesOf(await metrics.text(), METRICS.e2e.name), []);
});

test('docs/operating.md watches only metrics that Retake has', () => {
  const docs = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  const known = new Set<string>(Object.values(METRICS).map(({ name }) => name));
  const watched = new Set(docs.match(/\bretake_\w+/g)?.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  assert.deepEqual(
    [...watched].filter((name) => !known.has(name)),
    [],
  );
  assert.ok(watched.size >= 10);
});

test('alerts that compare two series sum both, since their labels differ', () => {
  const docs = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  const rates = (alert: string): number => alert.match(/\brate\(/g)?.length ?? 0;
  const isSummed = (alert: string): boolean =>
    rates(alert) < 2 || alert.match(/\bsum\(rate\(/g)?.length === rates(alert);
  const alerts = [...docs.matchAll(/^\| `([^`]+)`/gm)].map(([, alert = '']) => alert);
  assert.deepEqual(
    alerts.filter((alert) => !isSummed(alert)),
    [],
  );
  assert.ok(alerts.filter((alert) => rates(alert) >= 2).length >= 2);
  assert.ok(!isSummed('rate(a_total[5m]) > 0.01 * rate(b_total[5m])'), 'control');
});
