/** Claims that unmatched turns forbid: turns that B cuts off, and turns without the primary figure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { DiffRow } from './diff-rows.ts';
import { diffLanes, type Diff } from './diff.ts';

function turn(sessionId: string, turnIndex: number, e2eMs: number, more: Partial<TurnSummary> = {}): TurnSummary {
  const e2eUs = Math.round(e2eMs * 1000);
  return {
    ...BARE_SUMMARY,
    sessionId,
    turnIndex,
    e2eUs,
    firstContentAudibleUs: e2eUs,
    replyEndUs: e2eUs + 2_000_000,
    stallUs: 0,
    ledger: [{ stage: 'stt', phase: 'wait', us: e2eUs }],
    ...more,
  };
}

function compared(...args: Parameters<typeof diffLanes>): Diff & { primary: DiffRow } {
  const diff = diffLanes(...args);
  assert.ok(diff?.primary, 'no turn was measured in both lanes');
  return { ...diff, primary: diff.primary };
}

test('a lane that is faster by cutting users off is not faster; control: with them the figures are the same', () => {
  // 24 turns in six sessions: 60 ms sooner, five of them 2 s sooner since B answers half of what was said
  const a = Array.from({ length: 24 }, (_, index) => turn(`s-${index % 6}`, index, 3000));
  const b = (premature: boolean | undefined, others = 2940): TurnSummary[] =>
    a.map(({ sessionId, turnIndex }, index) =>
      index < 5 ? turn(sessionId, turnIndex, 500, { premature }) : turn(sessionId, turnIndex, others),
    );
  const cut = compared(a, b(true));
  assert.deepEqual([cut.verdict, cut.settle], ['inconclusive', undefined]);
  assert.deepEqual(cut.reasons, [
    'B answers before the user has finished in 5 turns that A does not cut off: without them it is not faster (−60.0 ms [−60.0, −60.0])',
  ]);
  assert.equal(cut.guards.find(({ name }) => name === 'premature ends')?.state, 'open');
  for (const premature of [false, undefined])
    assert.equal(compared(a, b(premature)).verdict, 'faster', 'control: nobody was cut off');
  const already = a.map((each, index) => (index < 5 ? { ...each, premature: true } : each));
  assert.equal(compared(already, b(true)).verdict, 'faster', 'control: A cuts the same users off');
  assert.equal(compared(a, b(true, 2800)).verdict, 'faster', 'control: it is faster without them too');
  // one of ten in each of four sessions: faster without them, and slower had they waited as long as the slowest
  const slow = Array.from({ length: 40 }, (_, index) => turn(`s-${index % 4}`, index, index < 4 ? 9000 : 1000));
  const sooner = (premature: boolean): TurnSummary[] =>
    slow.map((each, index) =>
      turn(each.sessionId, each.turnIndex, (each.e2eUs ?? 0) / 1000 - 60, { premature: premature && index >= 36 }),
    );
  assert.deepEqual(compared(slow, sooner(true)).reasons, [
    'B would be slower if its unmatched turns, the 4 that it alone cuts off, had waited as long as the slowest turn seen',
  ]);
  assert.equal(compared(slow, sooner(false)).verdict, 'faster', 'control');
});

test('a primary metric that some turns lack is judged on the turns that have it; absent is not 0', () => {
  const few = (index: number): boolean => index % 3 === 0;
  const a = Array.from({ length: 120 }, (_, index) => turn(`s-${index % 8}`, index, 1000));
  const shorter = a.map((each, index) => {
    const { replyEndUs: _, ...rest } = each;
    return few(index) ? { ...rest, replyEndUs: 2_950_000 } : rest;
  });
  const diff = compared(a, shorter, { primary: 'reply-end' });
  assert.equal(diff.primary.n, 40);
  assert.equal(diff.marginMs, 90, '3 % of 3000 ms');
  assert.equal(diff.verdict, 'inconclusive', '−50 ms are inside of it, but most turns lack it');
  assert.match(diff.reasons.join(), /^matched share 33 %: 90 % of the turns must have a figure of "reply end" in both/);
  assert.ok(Math.abs(diff.matched.share - 1 / 3) < 1e-9);
  assert.deepEqual(diff.matched.lost, [{ lane: 'b', cause: 'no primary figure', turns: 80 }]);
  assert.equal(compared(a, shorter).verdict, 'same', 'control: first audible is known everywhere');
  assert.equal(diff.p95, undefined, '40 turns are too few');
  const alike = compared(
    shorter,
    shorter.map((each, index) => (few(index) ? { ...each, replyEndUs: 2_900_000 } : each)),
    { primary: 'reply-end' },
  );
  assert.deepEqual(
    [alike.verdict, alike.matched.share, alike.primary.n],
    ['same', 1, 40],
    'turns that lack it in both',
  );
  // eight in a hundred: enough are left, and they could have ended late
  const slow = a.map((each, index) => ({ ...each, replyEndUs: index < 10 ? 9_000_000 : 3_000_000 }));
  const ahead = slow.map(({ replyEndUs, ...rest }, index) =>
    index >= 10 && index < 20 ? rest : { ...rest, replyEndUs: replyEndUs - 200_000 },
  );
  const hidden = compared(slow, ahead, { primary: 'reply-end' });
  assert.equal(hidden.verdict, 'inconclusive');
  assert.match(hidden.reasons.join(), /^B would be slower if its unmatched turns, the 10 that it lacks, had waited/);
  assert.equal(
    compared(slow.slice(20), ahead.slice(20), { primary: 'reply-end' }).verdict,
    'faster',
    'control: none lacks it',
  );
  const back = compared(shorter, a, { primary: 'reply-end' });
  assert.ok(Math.abs(back.marginMs - 88.5) < 1e-9, '3 % of 2950 ms');
});
