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
  ledger: [{ stage: 'stt', phase: 'wait', us: more.e2eUs ?? 1_000_000 }],
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
  const { pairs, both, lost, matchedShare } = alignTurns(a, [turn('y', 0), turn('x', 1), turn('x', 0)]);
  assert.deepEqual(names(pairs), ['x/0=x/0', 'x/1=x/1', 'y/0=y/0']);
  assert.deepEqual(both, pairs);
  assert.deepEqual([lost, matchedShare], [[], 1]);
});

test('repetitions of a turn are paired in their order, and one too many is left out', () => {
  const run = (e2eUs: number): TurnSummary => turn('x', 0, { e2eUs });
  const { pairs, lost } = alignTurns([run(1), run(2)], [run(10), run(20), run(30)]);
  assert.deepEqual(
    pairs.map(({ a, b }) => [a.e2eUs, b.e2eUs]),
    [
      [1, 10],
      [2, 20],
    ],
  );
  assert.deepEqual(lost, [{ lane: 'a', cause: 'missing', turns: 1, otherMeanMs: 0.03 }]);
});

test('turns that are left out are counted by lane and cause', () => {
  const a = [turn('x', 0), turn('x', 1), turn('x', 2, failed), turn('x', 3), silent('x', 4), turn('x', 5)];
  const b = [turn('x', 0), turn('x', 2), turn('x', 3, failed), turn('x', 4), silent('x', 5), turn('y', 0)];
  const { pairs, both, onlyA, lost, matchedShare } = alignTurns(a, b);
  assert.deepEqual(names(pairs), ['x/0=x/0']);
  assert.deepEqual(names(both), ['x/0=x/0', 'x/2=x/2', 'x/3=x/3'], 'a failure is a result');
  assert.deepEqual(
    onlyA.map(({ turnIndex }) => turnIndex),
    [1, 5],
    'B lacks them, or measured nothing',
  );
  assert.equal(matchedShare, 0.5);
  assert.deepEqual(lost, [
    { lane: 'a', cause: 'no first audible', turns: 1 },
    { lane: 'b', cause: 'no first audible', turns: 1 },
    { lane: 'b', cause: 'missing', turns: 1, otherMeanMs: 1000 },
    { lane: 'a', cause: 'failed', turns: 1 },
    { lane: 'b', cause: 'failed', turns: 1 },
    { lane: 'a', cause: 'missing', turns: 1, otherMeanMs: 1000 },
  ]);
});

test('a turn that failed in both lanes counts in each; one that failed after it was audible counts as failed', () => {
  const { pairs, both, lost } = alignTurns(
    [turn('x', 0, failed), turn('x', 1)],
    [turn('x', 0, failed), turn('x', 1, failed)],
  );
  assert.deepEqual([pairs.length, both.length], [0, 2]);
  assert.deepEqual(lost, [
    { lane: 'a', cause: 'failed', turns: 1 },
    { lane: 'b', cause: 'failed', turns: 2 },
  ]);
});

test('the matched share is the smaller of both lanes: turns that one has alone count on either side', () => {
  const some = (count: number, from = 0): TurnSummary[] =>
    Array.from({ length: count }, (_, index) => turn('x', from + index));
  const SHARES: readonly [a: TurnSummary[], b: TurnSummary[], share: number][] = [
    [some(10), some(10), 1],
    [some(10), some(9), 0.9],
    [some(9), some(10), 0.9],
    [some(10), some(10, 5), 0.5],
    [some(10), some(10, 10), 0],
    [some(10), [...some(9), silent('x', 9)], 0.9],
    [some(10), [...some(9), turn('x', 9, failed)], 1],
    [[], some(3), 0],
    [some(3), [], 0],
  ];
  for (const [a, b, share] of SHARES) {
    assert.equal(alignTurns(a, b).matchedShare, share);
    assert.equal(alignTurns(b, a).matchedShare, share);
  }
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

/** 1, 2, 3, 4 ms in sessions of these names: the interval's half width. */
const halfOver = (sessions: readonly string[]): number => {
  const lane = sessions.map((sessionId, index) => turn(sessionId, index, { e2eUs: 1000 * (index + 1) }));
  const { low, high, mean } = intervalOver(alignTurns(lane, lane).pairs, ({ a }) => a.e2eUs ?? 0);
  assert.equal(mean, 2500);
  return ((high ?? Number.NaN) - (low ?? Number.NaN)) / 2;
};

test('an interval is over sessions from four on; below, the wider of that over sessions and that over turns', () => {
  const HALVES: readonly [sessions: string, half: number][] = [
    // one session: as four turns, s = 1290.99, t(3) = 3.1824
    ['xxxx', (3.1824463 * 1290.99445) / 2],
    // two of two, means 1.5 and 3.5 ms, t(1) = 12.706: wider than over turns
    ['xxyy', 12.7062047 * 1000],
    // two of two, means 2.5 and 2.5: no width over sessions, so that over turns
    ['xyyx', (3.1824463 * 1290.99445) / 2],
    // four: over sessions, which are the turns
    ['wxyz', (3.1824463 * 1290.99445) / 2],
  ];
  for (const [sessions, half] of HALVES)
    assert.ok(Math.abs(halfOver([...sessions]) - half) < 0.01, `${sessions}: ${halfOver([...sessions])}`);
});

test('four sessions with equal means have no width, though their turns differ', () => {
  const lane = ['w', 'x', 'y', 'z'].flatMap((session) => [
    turn(session, 0, { e2eUs: 1000 }),
    turn(session, 1, { e2eUs: 3000 }),
  ]);
  const { low, high } = intervalOver(alignTurns(lane, lane).pairs, ({ a }) => a.e2eUs ?? 0);
  assert.deepEqual([low, high], [2000, 2000]);
});
