import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  clusteredMean,
  hodgesLehmann,
  holm,
  mcNemarWorse,
  mean,
  minimumDetectable,
  roundToSum,
  studentT975,
  tTestP,
} from './stats.ts';
import { median } from '../../service/base/quantile.ts';

/** The same cases every time; `numRuns` and another seed look further. */
const RUNS = { seed: 1, numRuns: 300 };

const near = (actual: number | undefined, expected: number, within = 1e-9): void => {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= within,
    `${actual} is not ${expected} within ${within}`,
  );
};

/** NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.2, column 0.975; as printed there and in most textbooks. */
const T_TABLE: readonly [degrees: number, t975: number][] = [
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [10, 2.228],
  [30, 2.042],
  [120, 1.98],
];
for (const [degrees, expected] of T_TABLE) {
  test(`the 97.5 % quantile of Student's t with ${degrees} degrees of freedom is ${expected}, as tables print it`, () => {
    near(studentT975(degrees), expected, 0.0005);
  });
}

test('the t quantile has closed forms for 1 and 2 degrees, falls with every degree, and ends at the normal one', () => {
  near(studentT975(1), Math.tan(Math.PI * 0.475), 1e-6);
  near(studentT975(2), 0.95 / Math.sqrt(2 * 0.975 * 0.025), 1e-8);
  for (let degrees = 1; degrees < 60; degrees++) assert.ok(studentT975(degrees + 1) < studentT975(degrees));
  near(studentT975(1e6), 1.959964, 1e-5);
  // control: with few degrees the normal quantile would be too narrow, beyond what the table's digits hide
  assert.ok(studentT975(30) - 1.96 > 0.08);
});

test('equal clusters: the plain t-interval of the cluster means', () => {
  // cluster means 2, 4, 9: mean 5, deviations −3, −1, 4, s² = 26/2 = 13, half width t(2)·√(13/3)
  const clusters = [
    [1, 3],
    [4, 4],
    [10, 8],
  ];
  const half = 4.302652729749464 * Math.sqrt(13 / 3);
  const { mean: middle, low, high } = clusteredMean(clusters);
  near(middle, 5);
  near(low, 5 - half, 1e-8);
  near(high, 5 + half, 1e-8);
  // control: as six independent turns the same figures look surer than they are
  const naive = clusteredMean(clusters.flat().map((value) => [value]));
  assert.equal(naive.mean, 5);
  assert.ok((naive.high ?? 0) < 5 + half - 1);
});

test('unequal clusters: weighted by size, by hand', () => {
  // sizes 1, 2, 3 (average 2), means 10, 5, 2; the mean of all six values is 26/6 = 13/3.
  // weighted deviations ½·17/3 = 17/6, 1·2/3 = 4/6, 3/2·(−7/3) = −21/6; squares (289 + 16 + 441)/36 = 746/36
  const clusters = [[10], [4, 6], [1, 2, 3]];
  const half = 4.302652729749464 * Math.sqrt(746 / 36 / 2 / 3);
  const { mean: middle, low, high } = clusteredMean(clusters);
  near(middle, 13 / 3);
  near(low, 13 / 3 - half, 1e-8);
  near(high, 13 / 3 + half, 1e-8);
  // twin: unweighted, the mean of the cluster means would be 17/3
  assert.notEqual(middle, 17 / 3);
});

test('an empty cluster is none; with fewer than two there is a mean and no interval', () => {
  assert.deepEqual(clusteredMean([[1, 3], []]), { mean: 2 });
  assert.deepEqual(clusteredMean([[1, 3], [], [2]]), clusteredMean([[1, 3], [2]]));
  assert.notEqual(clusteredMean([[1, 3], [2]]).low, undefined);
});

test('clusters that do not differ give an interval of no width, and one that does opens it', () => {
  const same = clusteredMean([[0, 0], [0], [0, 0, 0]]);
  assert.deepEqual([same.mean, same.low, same.high].map(Number).map(Math.abs), [0, 0, 0]);
  const one = clusteredMean([[0, 0], [0], [0, 0, 0.001]]);
  assert.ok((one.high ?? 0) > 0);
});

test('Hodges–Lehmann: the median of all pairwise averages, by hand', () => {
  // 1, 2, 6: averages 1, 1.5, 3.5, 2, 4, 6, in order 1, 1.5, 2, 3.5, 4, 6; median 2.75
  near(hodgesLehmann([6, 1, 2]), 2.75);
  // one value astray moves it little, and the mean much
  const values = [-3, -2, -1, 0, 1, 2, 3];
  assert.equal(hodgesLehmann(values), 0);
  assert.ok(hodgesLehmann([...values, 1000]) <= 1);
  assert.ok(mean([...values, 1000]) > 100);
});

test('Hodges–Lehmann equals the median of all averages written out, ties and all', () => {
  const writtenOut = (values: readonly number[]): number =>
    median(values.flatMap((a, index) => values.slice(index).map((b) => (a + b) / 2)));
  const drawn = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -9, max: 9, noNaN: true })), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(drawn, (values) => near(hodgesLehmann(values), writtenOut(values), 1e-12)),
    RUNS,
  );
  near(hodgesLehmann([0, 0, 0, 0, 5]), writtenOut([0, 0, 0, 0, 5]));
  assert.ok(Number.isNaN(hodgesLehmann([])));
});

test('Hodges–Lehmann moves with its values and turns with their sign', () => {
  const whole = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(whole, fc.integer({ min: -500, max: 500 }), (values, by) => {
      near(hodgesLehmann(values.map((value) => value + by)), hodgesLehmann(values) + by);
      near(hodgesLehmann(values.map((value) => -value)), -hodgesLehmann(values));
    }),
    RUNS,
  );
});

test("McNemar's exact test, one-sided, by hand", () => {
  // 6 discordant pairs, 5 of them worse: (C(6,5) + C(6,6)) / 2⁶ = 7/64
  near(mcNemarWorse(5, 1), 7 / 64);
  near(mcNemarWorse(5, 0), 1 / 32);
  near(mcNemarWorse(2, 2), 11 / 16);
  near(mcNemarWorse(10, 2), 79 / 4096);
  // twins: fewer worse ones prove nothing, and neither does no discordant pair
  assert.ok(mcNemarWorse(1, 5) > 0.95);
  assert.equal(mcNemarWorse(0, 0), 1);
  assert.ok(mcNemarWorse(0, 7) <= 1);
  near(mcNemarWorse(0, 7), 1);
});

test('McNemar: the two tails, cut at the same place, are all there is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(60), (worse, better) => {
      // P(X ≥ w) + P(X ≥ n − w + 1) = 1, both sides of the same binomial
      near(mcNemarWorse(worse, better) + mcNemarWorse(better + 1, worse - 1), 1, 1e-9);
    }),
    RUNS,
  );
});

const decimals = fc.integer({ min: 0, max: 3 });
const figures = fc.array(fc.double({ min: -1e5, max: 1e5, noNaN: true }), { maxLength: 30 });

test('rounded values add up to the rounded total, and none is off by a whole unit', () => {
  fc.assert(
    fc.property(figures, decimals, (values, digits) => {
      const scale = 10 ** digits;
      const units = roundToSum(values, digits).map((value) => value * scale);
      const target = Math.round(values.reduce((sum, value) => sum + value * scale, 0));
      near(
        units.reduce((sum, value) => sum + Math.round(value), 0),
        target,
      );
      units.forEach((unit, index) => {
        near(unit, Math.round(unit), 1e-6);
        assert.ok(Math.abs(unit - (values[index] ?? Number.NaN) * scale) < 1 + 1e-6);
      });
    }),
    RUNS,
  );
});

test('whole values stay, for any other values', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 1 }), figures, (whole, others) => {
      assert.deepEqual(roundToSum([...whole, ...others], 0).slice(0, whole.length), whole);
    }),
    RUNS,
  );
});

test('the largest remainders get the missing units; values rounded alone would not add up', () => {
  assert.deepEqual(roundToSum([0.4, 0.4, 0.4, 0.8], 0), [1, 0, 0, 1]);
  assert.deepEqual(roundToSum([1.44, 1.44, 1.44], 1), [1.5, 1.4, 1.4]);
  // control: 0 + 0 + 0 + 1 is 1, and the total is 2
  assert.equal(mean([0.4, 0.4, 0.4, 0.8].map(Math.round)) * 4, 1);
  assert.deepEqual(roundToSum([], 1), []);
});

test('Holm: the worked example of four hypotheses (Holm–Bonferroni method, Wikipedia)', () => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005]).map((p) => Math.round(p * 1000) / 1000);
  assert.deepEqual(adjusted, [0.03, 0.06, 0.06, 0.02]);
});

test('p-values of t: the 5 % and 1 % points of the published table (Student)', () => {
  for (const [t, degrees, p] of [
    [2.776, 4, 0.05],
    [2.086, 20, 0.05],
    [3.169, 10, 0.01],
    [12.706, 1, 0.05],
  ] as const)
    assert.ok(Math.abs(tTestP(t, degrees) - p) < 1e-4, `${t} with ${degrees}: ${tTestP(t, degrees)}`);
});

test('minimum detectable effect: (t.975 + t.8) standard errors, never below the margin, none for one session', () => {
  // 20 sessions: t.975 = 2.0930, t.8 = 0.8610 with 19 degrees (Student's table)
  assert.ok(Math.abs((minimumDetectable(100, 20, 0) ?? 0) - ((2.093 + 0.861) * 100) / Math.sqrt(20)) < 0.01);
  assert.equal(minimumDetectable(0, 20, 30), 30);
  assert.equal(minimumDetectable(100, 1, 30), undefined);
});
