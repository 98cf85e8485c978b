import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusteredMean, holm, intervalOf } from './estimates.ts';

const near = (actual: number | undefined, expected: number, within = 1e-9): void => {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= within,
    `${actual} is not ${expected} within ${within}`,
  );
};

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

/** Three clusters and four, with what linear algebra makes of them. */
const UNEQUAL: readonly [
  clusters: readonly (readonly number[])[],
  error: number,
  degrees: number,
  low: number,
  high: number,
][] = [
  [[[10], [4, 6], [1, 2, 3]], 1.966384160500349, 1.5714285714285716, -6.773179523172533, 15.439846189839198],
  [
    [[12.5, -3, 4], [100], [7, 7, 9, 1, 2], [30, -8]],
    10.55365407454067,
    2.1025641025641026,
    -28.668892012901203,
    58.03252837653756,
  ],
];

test('unequal clusters: CR2 by hand', () => {
  // 1, 2 and 3 of 6 values; the mean of all is 26/6 = 13/3. Summed residuals 10 − 13/3 = 17/3, 10 − 26/3 = 4/3, 6 − 13 = −7;
  // squares over 1 − h: (289/9)/(5/6) + (16/9)/(4/6) + 49/(3/6) = 139.2; error √139.2/6; degrees 6²/(1 + 4 + 9) − 1 = 11/7
  const { mean: middle, error, degrees } = clusteredMean([[10], [4, 6], [1, 2, 3]]);
  near(middle, 13 / 3);
  near(error, Math.sqrt(139.2) / 6, 1e-12);
  near(degrees, 11 / 7, 1e-12);
  // twin: without the division by 1 − h the error would be too small
  assert.ok((error ?? 0) > Math.sqrt(289 / 9 + 16 / 9 + 49) / 6 + 0.1);
});

test('unequal clusters: CR2 by its matrices (numpy: e ↦ (I − H)^−½ e in each cluster), the bounds by scipy.stats.t', () => {
  for (const [clusters, error, degrees, low, high] of UNEQUAL) {
    const interval = clusteredMean(clusters);
    near(interval.error, error, 1e-10);
    near(interval.degrees, degrees, 1e-10);
    near(interval.low, low, 1e-6);
    near(interval.high, high, 1e-6);
  }
});

test('one cluster that holds nearly everything leaves few degrees of freedom', () => {
  const many = Array.from({ length: 50 }, (_, index) => index);
  const { degrees = 0 } = clusteredMean([many, [1], [2], [3]]);
  assert.ok(degrees < 0.2, String(degrees));
  near(clusteredMean([[1], [2], [3], [4]]).degrees, 3);
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

test('an estimate without error has an interval of no width, with any degrees', () => {
  assert.deepEqual(intervalOf(5, 0, 0), { mean: 5, low: 5, high: 5, error: 0, degrees: 0 });
});

test('Holm: the worked example of four hypotheses (Holm–Bonferroni method, Wikipedia)', () => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005]).map((p) => Math.round(p * 1000) / 1000);
  assert.deepEqual(adjusted, [0.03, 0.06, 0.06, 0.02]);
});
