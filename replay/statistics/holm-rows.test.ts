/** Holm over the rows of a diff, by hand, and against what each row alone would say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiffRow } from '../diff/diff-rows.ts';
import { differs, withHolm } from './holm-rows.ts';
import { studentT975 } from '../statistics/distributions.ts';

const DEGREES = 4;
/** A row whose t statistic is `t`. */
const row = (t: number, half = 10): DiffRow => {
  const deltaMs = (t * half) / studentT975(DEGREES);
  return { stage: 'tts', aMs: 0, bMs: deltaMs, deltaMs, lowMs: deltaMs - half, highMs: deltaMs + half, n: 5 };
};
// two-sided critical values of t with 4 degrees of freedom, from its table: p 0.05, 0.02, 0.01, 0.002, 0.001
const [T05, T02, T01, T001] = [2.776, 3.747, 4.604, 8.61];

test('adjusted p-values: the i-th of m in rising order times m − i + 1, never below the one before', () => {
  const rows = withHolm([row(T05), row(-T01), row(T02), row(T001)], () => DEGREES);
  assert.deepEqual(
    rows.map(({ pHolm = Number.NaN }) => Math.round(pHolm * 1000) / 1000),
    [0.05, 0.03, 0.04, 0.004],
  );
  assert.deepEqual(rows.map(differs), [false, true, true, true]);
});

test('a difference that one row alone would show is not shown among ten; control: alone it is', () => {
  const nothing = Array.from({ length: 9 }, () => row(0.5));
  const among = withHolm([row(T02), ...nothing], () => DEGREES);
  assert.equal(Math.round((among[0]?.pHolm ?? 0) * 100) / 100, 0.2);
  assert.ok((among[0]?.lowMs ?? 0) > 0, 'its own interval excludes 0');
  assert.deepEqual(
    among.map(differs),
    among.map(() => false),
  );
  assert.deepEqual(withHolm([row(T02)], () => DEGREES).map(differs), [true]);
});

test('rows without an interval are in no family; rows that did not move have p 1, constant shifts p 0', () => {
  const { lowMs: _low, highMs: _high, ...bare } = row(T02);
  const still = { ...bare, deltaMs: 0, lowMs: 0, highMs: 0 };
  const shifted = { ...bare, deltaMs: 7, lowMs: 7, highMs: 7 };
  assert.deepEqual(
    withHolm([bare, still, shifted], () => DEGREES).map(({ pHolm }) => pHolm),
    [undefined, 1, 0],
  );
});
