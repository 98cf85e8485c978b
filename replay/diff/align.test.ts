import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { alignTurns, bySession, intervalOver } from './align.ts';

const TURN: TurnSummary = { ...BARE_SUMMARY, e2eUs: 1_000_000 };
const turn = (sessionId: string, turnIndex: number, more: Partial<TurnSummary> = {}): TurnSummary => ({
  ...TURN,
  sessionId,
  turnIndex,
  ...more,
});
const failed = { failure: { stage: 'stt', kind: 'timeout', message: 'late' } };
const silent = (sessionId: string, turnIndex: number): TurnSummary => {
  const { e2eUs: _, ...rest } = turn(sessionId, turnIndex);
  return rest;
};
const names = (pairs: readonly { a: TurnSummary; b: TurnSummary }[]): string[] =>
  pairs.map(({ a, b }) => `${a.sessionId}/${a.turnIndex}=${b.sessionId}/${b.turnIndex}`);

test('turns are paired by session and index, in any order', () => {
  const a = [turn('x', 0), turn('x', 1), turn('y', 0)];
  const { pairs, both, dropped } = alignTurns(a, [turn('y', 0), turn('x', 1), turn('x', 0)]);
  assert.deepEqual(names(pairs), ['x/0=x/0', 'x/1=x/1', 'y/0=y/0']);
  assert.deepEqual(both, pairs);
  assert.deepEqual(dropped, []);
});

test('repetitions of a turn are paired in their order, and one too many is left out', () => {
  const run = (e2eUs: number): TurnSummary => turn('x', 0, { e2eUs });
  const { pairs, dropped } = alignTurns([run(1), run(2)], [run(10), run(20), run(30)]);
  assert.deepEqual(
    pairs.map(({ a, b }) => [a.e2eUs, b.e2eUs]),
    [
      [1, 10],
      [2, 20],
    ],
  );
  assert.deepEqual(dropped, [{ lane: 'a', cause: 'missing', turns: 1 }]);
});

test('turns that are left out are counted by lane and cause', () => {
  const a = [turn('x', 0), turn('x', 1), turn('x', 2, failed), turn('x', 3), silent('x', 4), turn('x', 5)];
  const b = [turn('x', 0), turn('x', 2), turn('x', 3, failed), turn('x', 4), silent('x', 5), turn('y', 0)];
  const { pairs, both, dropped } = alignTurns(a, b);
  assert.deepEqual(names(pairs), ['x/0=x/0']);
  assert.equal(both.length, 5, 'a turn that failed somewhere was still run in both lanes');
  assert.deepEqual(dropped, [
    { lane: 'b', cause: 'missing', turns: 1 },
    { lane: 'a', cause: 'failed', turns: 1 },
    { lane: 'b', cause: 'failed', turns: 1 },
    { lane: 'a', cause: 'no first audible', turns: 1 },
    { lane: 'b', cause: 'no first audible', turns: 1 },
    { lane: 'a', cause: 'missing', turns: 1 },
  ]);
});

test('a turn that failed in both lanes counts in each; one that failed after it was audible counts as failed', () => {
  const { pairs, dropped } = alignTurns(
    [turn('x', 0, failed), turn('x', 1)],
    [turn('x', 0, failed), turn('x', 1, failed)],
  );
  assert.deepEqual(pairs, []);
  assert.deepEqual(dropped, [
    { lane: 'a', cause: 'failed', turns: 1 },
    { lane: 'b', cause: 'failed', turns: 2 },
  ]);
});

test('turns that count from different zeros are never paired: the error names the turn', () => {
  const upload = turn('x', 1, { zero: 'upload' });
  assert.throws(
    () => alignTurns([turn('x', 0), turn('x', 1)], [turn('x', 0), upload]),
    (error) =>
      error instanceof InputError &&
      /^session x, turn 1: zero is "audio" in A and "upload" in B; [^\n]+$/.test(error.message),
  );
  // control: uploads on both sides are a pair
  assert.equal(alignTurns([upload], [upload]).pairs.length, 1);
});

test('pairs by session keep the order of first turns', () => {
  const turns = [turn('y', 0), turn('x', 0), turn('y', 1)];
  assert.deepEqual(bySession(alignTurns(turns, turns).pairs).map(names), [['y/0=y/0', 'y/1=y/1'], ['x/0=x/0']]);
});

test('an interval is over sessions, and over turns only where there is one session', () => {
  const lane = (sessions: readonly string[]): TurnSummary[] =>
    sessions.map((sessionId, index) => turn(sessionId, index, { e2eUs: 1000 * (index + 1) }));
  const widthOver = (sessions: readonly string[]): number => {
    const { pairs } = alignTurns(lane(sessions), lane(sessions));
    const { low, high, mean } = intervalOver(pairs, ({ a }) => a.e2eUs ?? 0);
    assert.equal(mean, 2500);
    return (high ?? Number.NaN) - (low ?? Number.NaN);
  };
  // 1, 2, 3, 4 ms: as four turns s = 1291, t(3) = 3.182; as two sessions of two, means 1.5 and 3.5 ms, t(1) = 12.706
  const ofOne = widthOver(['x', 'x', 'x', 'x']);
  assert.ok(Math.abs(ofOne / 2 - (3.1824463 * 1290.99445) / 2) < 0.01, String(ofOne));
  const ofTwo = widthOver(['x', 'x', 'y', 'y']);
  assert.ok(Math.abs(ofTwo / 2 - 12.7062047 * 1000) < 0.01, String(ofTwo));
});
