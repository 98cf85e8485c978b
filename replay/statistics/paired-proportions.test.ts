/** Yes/no harm of pairs: Tango's score against its own numerical maximum likelihood, the design effect by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairedProportions, tangoScore, type Outcome } from './paired-proportions.ts';

const near = (actual: number, expected: number, within = 1e-9): void => {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} within ${within}`);
};

/**
 * Computed by other means: with shares q + margin and q of pairs that only B and only A harm, scipy.optimize.minimize_scalar finds the q of
 * the greatest multinomial likelihood; the score is (worse − better − n · margin) / √(n · (2q + margin · (1 − margin))).
 */
const SCORES: readonly [worse: number, better: number, n: number, score: number][] = [
  [40, 0, 80, 6.135719871417037],
  [1, 0, 80, -0.479157423749955],
  [7, 2, 120, 0.9053283210956931],
  [3, 3, 60, -0.48252585037553786],
  [12, 1, 200, 2.1750244850507587],
];
for (const [worse, better, n, score] of SCORES)
  test(`Tango's score of ${worse} worse and ${better} better of ${n} against two points is ${score.toFixed(4)}`, () => {
    near(tangoScore(worse, better, n, 0.02), score, 1e-6);
  });

test('a score grows with what is worse and falls with the margin; at the margin it is 0', () => {
  for (let worse = 1; worse < 20; worse++)
    assert.ok(tangoScore(worse, 2, 80, 0.02) > tangoScore(worse - 1, 2, 80, 0.02));
  assert.ok(tangoScore(8, 2, 80, 0) > tangoScore(8, 2, 80, 0.02));
  assert.equal(tangoScore(4, 2, 100, 0.02), 0);
  assert.equal(tangoScore(0, 0, 100, 0), 0);
});

/** `counts` of `size` turns of each session are harmed in B alone. */
const harmed = (counts: readonly number[], size: number): Outcome[][] =>
  counts.map((count) =>
    Array.from({ length: size }, (_, index): Outcome => ({ worse: index < count ? 1 : 0, better: 0 })),
  );

test('harm that gathers in sessions is less evidence than as much harm spread over them', () => {
  const spread = pairedProportions(harmed([2, 2, 2, 2, 2, 2, 2, 2], 4), 0.02);
  const gathered = pairedProportions(harmed([4, 4, 4, 4, 0, 0, 0, 0], 4), 0.02);
  assert.deepEqual([spread.value, gathered.value], [0.5, 0.5]);
  assert.equal(spread.designEffect, 1);
  // sessions that fail whole or not at all: each is one observation
  near(gathered.designEffect, 4, 1e-12);
  assert.ok(gathered.p > spread.p && gathered.high > spread.high);
  near(gathered.p, pairedProportions(harmed([1, 1, 1, 1, 0, 0, 0, 0], 1), 0.02).p, 1e-12);
});

test('the design effect by hand', () => {
  // sessions 2/3 and 0/3: between (3·(1/3)²·2)/1 = 2/3, within (2/3)/4 = 1/6; ρ = (2/3 − 1/6)/(2/3 + 2/6) = ½; 1 + 2·½ = 2
  near(pairedProportions(harmed([2, 0], 3), 0.02).designEffect, 2, 1e-12);
});

test('without pairs, without harm, with one session', () => {
  assert.deepEqual(pairedProportions([], 0.02), { value: 0, high: 1, designEffect: 1, p: 0.5 });
  const none = pairedProportions(harmed([0, 0], 40), 0.02);
  near(none.high, 0.0367541977799823);
  assert.ok(none.p > 0.8);
  assert.equal(pairedProportions(harmed([20], 40), 0.02).designEffect, 1);
});
