/** The error of a fit: its formula, that noise raises it, and that it costs little. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedSpeech } from '../../testing/observed-speech.ts';
import { FIT_EXCHANGES } from '../../sim/times/fit.ts';
import { fitErrors, weakFitNotes, type FitError } from './fit-error.ts';
import type { Observation } from '../../sim/times/observed.ts';
import { loadProfile } from '../../sim/times/profile.ts';

const profile = loadProfile('zero');
const observed = observedSpeech({ sessions: 12, turns: 3, key: 'error' });

/** Exchanges of one size with these waits. */
const waiting = (waitsUs: readonly number[], what = 'stream'): Observation[] =>
  waitsUs.flatMap((waitUs, turnIndex) =>
    observed.slice(0, 1).map((each) => ({ ...each, turnIndex, what, plan: { ...each.plan, waitUs } })),
  );
function errorOf(all: readonly Observation[]): FitError {
  const [error] = fitErrors(all, profile);
  assert.ok(error !== undefined);
  return error;
}

test('of ten alike and one that takes twice as long, the one is off by ln 2; control: alike ones are off by nothing', () => {
  const alike = Array.from({ length: 9 }, () => 200_000);
  const { n, leftOutPct, levelError, isWeak } = errorOf(waiting([...alike, 400_000]));
  const typical = Math.sqrt(Math.log(2) ** 2 / 10);
  assert.ok(Math.abs(leftOutPct - 100 * (Math.exp(typical) - 1)) < 1e-9);
  assert.ok(Math.abs(levelError - (typical / Math.sqrt(10)) * Math.sqrt(9 / 7)) < 1e-12);
  assert.deepEqual([n, isWeak], [10, false]);
  assert.deepEqual(errorOf(waiting([...alike, 200_000])).leftOutPct, 0);
});

test('noise raises the error, exchanges lower that of the level; a fit with times of 0 still has an error', () => {
  const noisy = (times: number, count: number): FitError =>
    errorOf(waiting(Array.from({ length: count }, (_, index) => 200_000 * times ** ((index % 3) - 1))));
  const [quiet, loud, many] = [noisy(1.2, 10), noisy(2.5, 10), noisy(2.5, 400)];
  assert.ok(quiet.leftOutPct < loud.leftOutPct && quiet.levelError < loud.levelError);
  assert.deepEqual([quiet.isWeak, loud.isWeak, many.isWeak], [false, true, false]);
  assert.ok(many.levelError < loud.levelError / 5);
  assert.ok(Number.isFinite(errorOf(waiting([0, 0, 0, 0, 0, 5e9, 5e9, 5e9, 5e9])).levelError));
});

test('growth with size is no error: it is fitted; too few exchanges have no fit and so no error', () => {
  assert.ok(errorOf(observed).leftOutPct < 20 && !errorOf(observed).isWeak, `${errorOf(observed).leftOutPct}`);
  assert.deepEqual(fitErrors(observed.slice(0, FIT_EXCHANGES - 1), profile), []);
});

test('the error of many exchanges costs little more than reading them', () => {
  let reads = 0;
  const counted = Array.from({ length: 500 }, () => observed)
    .flat()
    .map(({ plan, ...each }) => ({ ...each, get plan() { reads++; return plan; } })); // prettier-ignore
  errorOf(counted);
  assert.ok(reads < 5 * counted.length + 20_000, `${reads} reads of ${counted.length} exchanges`);
});

test('a weak fit is named with what to do; a capture of many models does not fill the report', () => {
  const weak = { ...errorOf(waiting([...Array(5).fill(50_000), ...Array(5).fill(900_000)])), leftOutPct: 113 };
  assert.deepEqual(weakFitNotes([weak], 'live'), [
    'tts.stream is fitted to 10 exchanges, left-out error 113 %: capture more, or replay it in live',
  ]);
  assert.deepEqual(weakFitNotes([{ ...weak, isWeak: false }], 'live'), []);
  const many = weakFitNotes(Array(40).fill(weak), 'wire');
  assert.deepEqual([many.length, many.at(-1)], [6, '35 more kinds are fitted as weakly']);
});
