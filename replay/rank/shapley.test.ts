import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InputError } from '../../service/base/errors.ts';
import { shapley } from './shapley.ts';

test('contributions add up to the joint effect exactly, for any values', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 32, maxLength: 32 }),
      (count, values) => {
        const { contributions, shares, together } = shapley(count, (set) => values[set]!);
        assert.equal(
          contributions.reduce((sum, each) => sum + each, 0),
          together * shares,
        );
      },
    ),
  );
});

test('strategies that do not touch each other contribute as much as alone', () => {
  const gains = [-310, -140, 20];
  const { contributions, shares, interactions, alone } = shapley(3, (set) =>
    gains.reduce((sum, gain, index) => sum + ((set >> index) & 1) * gain, 2800),
  );
  assert.deepEqual(
    contributions.map((each) => each / shares),
    gains,
  );
  assert.deepEqual(alone, gains);
  assert.ok(interactions.every(({ value }) => value === 0));
});

test('two that save the same time share it, and the interaction says how much', () => {
  // −310 and −140 alone, −390 together (the example): 60 of it saved only once
  const values = [2800, 2490, 2660, 2410];
  const { contributions, shares, together, interactions } = shapley(2, (set) => values[set]!);
  assert.equal(together, -390);
  assert.deepEqual(
    contributions.map((each) => each / shares),
    [-280, -110],
  );
  assert.deepEqual(interactions, [{ pair: [0, 1], value: 60 }]);
});

test('control: too many strategies, and values that are not whole, are refused', () => {
  assert.throws(() => shapley(9, () => 0), InputError);
  assert.throws(() => shapley(2, () => 0.5), InputError);
});
