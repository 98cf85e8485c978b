/** Planned power is that of the verdict's own rule: against simulated experiments, which use that rule one by one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import { clusteredMean } from '../statistics/estimates.ts';
import { chanceOf, detectableMs, sessionsToSettle, type Spread } from './power.ts';
import { wordOf } from './verdict.ts';

const WORDS = ['same', 'slower', 'faster'] as const;
const EXPERIMENTS = 4000;

const spreadOf = (sdMs: number, sessions: number): Spread => ({
  errorMs: sdMs / Math.sqrt(sessions),
  degrees: sessions - 1,
});

/** Box and Muller's normal draws. */
function normals(...key: readonly (string | number)[]): () => number {
  const random = keyedRandom(...key);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Experiments of so many sessions, each with one mean difference: the share that gets each word. */
function simulated(effectMs: number, sdMs: number, sessions: number, marginMs: number): Record<string, number> {
  const normal = normals('power', effectMs, sdMs, sessions, marginMs);
  const found: Record<string, number> = { same: 0, slower: 0, faster: 0 };
  for (let run = 0; run < EXPERIMENTS; run++) {
    const { mean, low, high } = clusteredMean(Array.from({ length: sessions }, () => [effectMs + sdMs * normal()]));
    const word = wordOf({ deltaMs: mean, lowMs: low, highMs: high }, marginMs);
    if (word !== undefined) found[word] = (found[word] ?? 0) + 1 / EXPERIMENTS;
  }
  return found;
}

const CELLS: readonly [effectMs: number, sdMs: number, sessions: number, marginMs: number][] = [
  [0, 50, 8, 30],
  [0, 20, 20, 30],
  [45, 60, 8, 30],
  [60, 100, 20, 30],
  [-40, 30, 4, 30],
  [30, 20, 12, 30],
];
for (const [effectMs, sdMs, sessions, marginMs] of CELLS)
  test(`${effectMs} ms, sd ${sdMs}, ${sessions} sessions, margin ${marginMs}: the planned chances are those of ${EXPERIMENTS} experiments`, () => {
    const found = simulated(effectMs, sdMs, sessions, marginMs);
    const spread = spreadOf(sdMs, sessions);
    for (const word of WORDS) {
      const planned = chanceOf([word], effectMs, marginMs, spread);
      // three standard errors of the simulation, at most 2.4 points
      assert.ok(Math.abs(planned - (found[word] ?? 0)) < 0.024, `${word}: planned ${planned}, found ${found[word]}`);
    }
  });

test('the detectable difference is found in 80 of 100 experiments, and a smaller one less often', () => {
  for (const [sdMs, sessions, marginMs] of [
    [50, 4, 30],
    [120, 20, 60],
    [10, 8, 100],
  ] as const) {
    const spread = spreadOf(sdMs, sessions);
    const effectMs = detectableMs(spread, marginMs);
    assert.ok(Math.abs(chanceOf(['slower'], effectMs, marginMs, spread) - 0.8) < 0.01);
    const { slower = 0 } = simulated(effectMs, sdMs, sessions, marginMs);
    assert.ok(Math.abs(slower - 0.8) < 0.025, `${slower}`);
    assert.ok(chanceOf(['slower'], effectMs * 0.8, marginMs, spread) < 0.75, 'control');
    // what is slower by as much is faster the other way round
    assert.ok(Math.abs(chanceOf(['faster'], -effectMs, marginMs, spread) - 0.8) < 0.01);
  }
});

test('the detectable difference falls with sessions, rises with their spread, and is never below the margin', () => {
  const at = (sdMs: number, sessions: number, marginMs = 30): number =>
    detectableMs(spreadOf(sdMs, sessions), marginMs);
  for (const [more, fewer] of [
    [8, 4],
    [20, 8],
    [40, 20],
  ] as const)
    assert.ok(at(100, more) < at(100, fewer));
  assert.ok(at(100, 8) > at(50, 8));
  assert.ok(at(1, 40) >= 30);
  assert.ok(Math.abs(at(0, 8) - 30) < 1e-6, 'sessions that do not differ leave the margin');
});

test('sessions that settle: more for a wider spread and nearer the margin; none at the margin', () => {
  const at = (effectMs: number, sdMs: number): number =>
    sessionsToSettle(effectMs, sdMs, 30) ?? Number.POSITIVE_INFINITY;
  assert.ok(at(0, 20) <= at(0, 40) && at(0, 40) < at(0, 80));
  assert.ok(at(100, 60) < at(60, 60) && at(60, 60) < at(40, 60) && at(40, 60) < at(33, 60));
  assert.equal(at(50, 60), at(-50, 60));
  assert.equal(sessionsToSettle(30, 60, 30), undefined);
  assert.equal(at(100, 0), 2, 'two equal sessions do');
  // so many sessions decide, and half as many do not
  for (const effectMs of [0, 50, -50]) {
    const sessions = at(effectMs, 60);
    const decided = (count: number): number => chanceOf(WORDS, effectMs, 30, spreadOf(60, count));
    assert.ok(decided(sessions) >= 0.8 && decided(Math.floor(sessions / 2)) < 0.8, String(sessions));
  }
});
