/** A line through what was seen: its slope, and whether there is one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import { middleSlope, shownSlope, type Point } from './slope.ts';

test('the middle slope ignores an outlier that a least-squares line would follow', () => {
  const points = Array.from({ length: 11 }, (_, x): Point => [x, x === 10 ? 5000 : 3 * x]);
  assert.equal(middleSlope(points), 3);
  assert.equal(middleSlope([[1, 5]]), 0);
});

/** `count` exchanges whose time grows by `slope` and spreads by ±`noise`. */
function cloud(count: number, slope: number, noise: number, draw: number): Point[] {
  const random = keyedRandom('cloud', draw);
  return Array.from({ length: count }, (_, index): Point => [
    index % 20,
    slope * (index % 20) + noise * (2 * random() - 1),
  ]);
}

test('growth is shown where the points show it, and is then the middle slope', () => {
  const clear = cloud(40, 3, 5, 0);
  assert.equal(shownSlope(clear), middleSlope(clear));
  assert.equal(shownSlope(Array.from({ length: 8 }, (_, x): Point => [x, 3 * x])), 3, 'of eight without noise too');
  assert.equal(shownSlope([[1, 5]]), undefined);
  assert.equal(shownSlope([[1, 5], [1, 9]]), undefined, 'of one size nothing is known'); // prettier-ignore
});

test('of eight points the least evidence that will do is Kendall’s: 5 of 28 pairs against it have p 0.03, 6 have 0.06', () => {
  /** Growing points; the last of them has fallen behind so many others. */
  const behind = (pairs: number): Point[] => Array.from({ length: 8 }, (_, x): Point => [x, x === 7 ? 6.5 - pairs : x]);
  assert.ok(shownSlope(behind(5)) !== undefined);
  assert.equal(shownSlope(behind(6)), undefined);
});

test('noise without growth shows it in about one case of forty, as an interval of 95 % must', () => {
  const shown = Array.from({ length: 400 }, (_, draw) => shownSlope(cloud(40, 0, 100, draw)) !== undefined);
  const share = shown.filter(Boolean).length / shown.length;
  assert.ok(share > 0.005 && share < 0.05, `${share}`);
});

test('control: falling times show no growth', () => {
  assert.equal(shownSlope(cloud(40, -3, 5, 0)), undefined);
});
