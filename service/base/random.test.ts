import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyedRandom, keyedRandoms } from './random.ts';

test('many keys that differ in their last part: each draws as by itself; control: another last part draws otherwise', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.string(), (first, second, last) => {
      assert.equal(keyedRandoms(first, second)(last)(), keyedRandom(first, second, last)());
    }),
  );
  assert.notEqual(keyedRandoms('a')('b')(), keyedRandom('a', 'c')());
});
