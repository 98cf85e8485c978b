import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mean } from './estimates.ts';
import { percentText, roundToSum, signed } from './rounding.ts';

/** The same cases every time; `numRuns` and another seed look further. */
const RUNS = { seed: 1, numRuns: 300 };

const near = (actual: number | undefined, expected: number, within = 1e-9): void => {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= within,
    `${actual} is not ${expected} within ${within}`,
  );
};

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

test('signs: a true minus, and never −0.0', () => {
  assert.deepEqual(
    [1.46, -1.46, 0, -0, 0.04, -0.04].map((value) => signed(value)),
    ['+1.5', '−1.5', '0.0', '0.0', '0.0', '0.0'],
  );
  assert.equal(signed(-0.04, 2), '−0.04');
});

test('a percentage says 100 only of all, and 0 only of none', () => {
  assert.deepEqual([0, 0.001, 0.1, 0.895, 0.999, 1].map(percentText), ['0 %', '1 %', '10 %', '90 %', '99 %', '100 %']);
});
