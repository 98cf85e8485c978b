/** The 95th percentile's interval in a small seeded simulation; `rows-add-up.test.ts` holds the parts of quantiles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { TurnPair } from './align.ts';
import { p95Of } from './percentiles.ts';

const us = ({ e2eUs }: TurnSummary): number | undefined => e2eUs;

/** `sessions` of eight turns; lognormal waits with a share of their session. */
function drawn(sessions: number, seed: number, bFactor = 1): TurnPair[] {
  const random = keyedRandom('p95 of pairs', seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: sessions }, (_, session) => {
    const own = 0.1 * normal();
    return Array.from({ length: 8 }, (_, turnIndex): TurnPair => {
      const about = { ...BARE_SUMMARY, sessionId: `s-${session}`, turnIndex };
      const wait = (): number => 2e6 * Math.exp(own + 0.25 * normal());
      return { a: { ...about, e2eUs: wait() }, b: { ...about, e2eUs: wait() * bFactor } };
    });
  }).flat();
}

test('the interval of the difference of p95 holds a true 0 in 9 of 10 experiments or more, and a true 20 % is seen', () => {
  const RUNS = 50;
  let [held, seen] = [0, 0];
  for (let run = 0; run < RUNS; run++) {
    const { lowMs = 1, highMs = -1 } = p95Of(drawn(16, run), us) ?? {};
    if (lowMs <= 0 && highMs >= 0) held++;
    if ((p95Of(drawn(16, run, 1.6), us)?.lowMs ?? 0) > 0) seen++;
  }
  assert.ok(held / RUNS >= 0.9, `${held} of ${RUNS}`);
  assert.ok(seen / RUNS > 0.8, `control: ${seen} of ${RUNS}`);
});

test('points are the plain quantiles; the same lanes twice differ by nothing; too little is nothing', () => {
  const pairs = drawn(12, 1);
  const { aMs = 0, bMs = 0, deltaMs = 0 } = p95Of(pairs, us) ?? {};
  const sorted = pairs.map(({ a }) => (a.e2eUs ?? 0) / 1000).sort((a, b) => a - b);
  // 96 turns: rank 0.95 · 95 = 90.25
  const expected = (sorted[90] ?? 0) + 0.25 * ((sorted[91] ?? 0) - (sorted[90] ?? 0));
  assert.ok(Math.abs(aMs - expected) < 1e-9);
  assert.equal(deltaMs, bMs - aMs);
  const same = p95Of(
    pairs.map(({ a }) => ({ a, b: a })),
    us,
  );
  assert.deepEqual([same?.deltaMs, same?.lowMs, same?.highMs], [0, 0, 0]);
  assert.equal(p95Of(drawn(8, 1), us), undefined, '64 turns');
  const oneSession = pairs.map(({ a, b }, index) => ({
    a: { ...a, sessionId: 's', turnIndex: index },
    b: { ...b, sessionId: 's', turnIndex: index },
  }));
  assert.equal(p95Of(oneSession, us), undefined, 'one session');
});
