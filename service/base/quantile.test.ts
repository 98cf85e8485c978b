import assert from 'node:assert/strict';
import { test } from 'node:test';
import { highest, lowest, median, quantile } from './quantile.ts';

test('quantiles are type 7 of Hyndman & Fan', () => {
  // R: quantile(c(6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49), c(.25, .5, .75, .95), type = 7)
  const values = [49, 6, 47, 7, 43, 15, 42, 36, 41, 39, 40];
  assert.deepEqual(
    [0.25, 0.5, 0.75, 0.95].map((q) => quantile(values, q)),
    [25.5, 40, 42.5, 48],
  );
  // twin: types 6 and 2 of the same paper say 15 and 43 at the quartiles
  assert.notEqual(quantile(values, 0.25), 15);
  assert.notEqual(quantile(values, 0.75), 43);
  assert.deepEqual([quantile(values, 0), quantile(values, 1)], [6, 49]);
});

test('a quantile leaves its input as it was, orders by number, and takes one value for all', () => {
  const values = [100, 9, 20];
  assert.equal(median(values), 20);
  assert.deepEqual(values, [100, 9, 20]);
  assert.equal(median([1, 2, 3, 4]), 2.5);
  assert.equal(quantile([7], 0.95), 7);
});

test('the ends of a million values, which are too many for arguments of a function', () => {
  const values = Array.from({ length: 1_000_000 }, (_, index) => (index * 7919) % 1_000_003);
  assert.deepEqual([lowest(values), highest(values)], [0, 1_000_002]);
  assert.deepEqual([lowest([]), highest([])], [Infinity, -Infinity]);
  assert.throws(() => Math.min(...values), RangeError, 'control');
});
