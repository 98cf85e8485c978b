/** Windows that share no turn: side by side, over sessions, and never `faster`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { InputError } from '../../service/base/errors.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { diffUnpaired } from './unpaired.ts';
import { verdictExitCode, type Verdict } from './verdict.ts';
import { buildReport, type ReportArm } from '../report/build.ts';
import { validityLine } from '../report/words.ts';

function turn(sessionId: string, e2eMs: number, more: Partial<TurnSummary> = {}): TurnSummary {
  return {
    ...BARE_SUMMARY,
    ...{ sessionId, traceId: sessionId.padEnd(32, '0'), lane: 'captured', variant: 'captured', world: 'live' },
    e2eUs: e2eMs * 1000,
    ledger: [
      { stage: 'stt', phase: 'wait', us: 100_000 },
      { stage: 'llm', phase: 'wait', us: e2eMs * 1000 - 100_000 },
    ],
    ...more,
  };
}
const window = (name: string, ...valuesMs: readonly number[]): TurnSummary[] =>
  valuesMs.map((value, index) => turn(`${name}${index}`, value));

test("Welch's interval, by hand; rows add up", () => {
  // means 1000 and 1200, variances of the means 100²/3 and 20²/3: SE 58.88, df 2.16, t 4.01 (interpolated in the table)
  const diff = diffUnpaired(window('a', 900, 1000, 1100), window('b', 1180, 1200, 1220)) ?? assert.fail();
  assert.deepEqual([diff.endToEnd?.aMs, diff.endToEnd?.bMs, diff.endToEnd?.deltaMs], [1000, 1200, 200]);
  const half = (diff.endToEnd?.highMs ?? 0) - 200;
  assert.ok(half > 58.88 * 3.8 && half < 58.88 * 4.2, String(half));
  const phases = diff.stages.filter(({ phase }) => phase !== undefined);
  assert.ok(Math.abs(phases.reduce((sum, { deltaMs }) => sum + deltaMs, 0) - 200) < 1e-9);
  assert.deepEqual([diff.pairs, diff.observational, diff.sessions], [0, true, 3]);
});

test('higher and lower are said as observations, exit 3; slower, faster and same never', () => {
  const OBSERVED: readonly [a: number, b: readonly number[], verdict: Verdict][] = [
    [1000, [2000, 2001, 2002], 'higher (observational)'],
    [2000, [1000, 1001, 1002], 'lower (observational)'],
    // far inside the margin, and the interval excludes 0
    [1000, [1010, 1011, 1012], 'higher (observational)'],
    [2000, [2000, 2001, 2002], 'inconclusive'],
    [2000, [1000, 2000, 3001], 'inconclusive'],
  ];
  for (const [from, b, verdict] of OBSERVED) {
    const diff = diffUnpaired(window('a', from, from + 1, from + 2), window('b', ...b));
    assert.equal(diff?.verdict, verdict);
    assert.match(diff.reasons.join(), /share no turn: .*observational/);
    assert.equal(verdictExitCode(verdict), 3);
    assert.deepEqual([diff.guards, diff.settle], [[], undefined]);
  }
  const one = diffUnpaired(window('a', 1000), window('b', 2000));
  assert.equal(one?.verdict, 'inconclusive', 'one turn a side has no interval');
});

test('below four sessions a side, the wider of both intervals; repetitions are no further turns', () => {
  // two sessions with equal means, whose turns differ: no width over sessions
  const side = (name: string, ms: number): TurnSummary[] =>
    [ms - 300, ms + 300, ms + 301, ms - 301].map((value, index) => ({
      ...turn(`${name}${index >> 1}`, value),
      turnIndex: index & 1,
    }));
  assert.equal(diffUnpaired(side('a', 1000), side('b', 1400))?.verdict, 'inconclusive');
  const many = (name: string, ms: number): TurnSummary[] => [...side(`${name}x`, ms), ...side(`${name}y`, ms)];
  assert.equal(diffUnpaired(many('a', 1000), many('b', 1400))?.verdict, 'higher (observational)', 'control: four');
  const [once, twice] = [window('a', 900, 1000, 1100), window('b', 1180, 1200, 1220)];
  const row = diffUnpaired(once, twice)?.primary;
  const repeated = diffUnpaired([...once, ...once], twice)?.primary;
  assert.deepEqual([repeated?.lowMs, repeated?.highMs], [row?.lowMs, row?.highMs]);
});

test('a side that failed everywhere was run: nothing is said of it', () => {
  const failed = window('b', 1000, 1001).map((each) => ({
    ...each,
    ...{ e2eUs: undefined, ledger: [], failure: { stage: 'llm', kind: 'timeout', message: 'late' } },
  }));
  const diff = diffUnpaired(window('a', 1000, 1001), failed) ?? assert.fail();
  assert.deepEqual([diff.verdict, diff.primary, diff.matched.lost.length], ['inconclusive', undefined, 1]);
});

test('unmeasured turns are counted, different zeros refused, and nothing measured is no diff', () => {
  const { e2eUs: _, ...lost } = turn('b9', 5);
  const b = [...window('b', 1000, 1001), { ...lost, ledger: [] }];
  assert.deepEqual(diffUnpaired(window('a', 1000, 1001), b)?.matched.lost, [
    { lane: 'b', cause: 'no first audible', turns: 1 },
  ]);
  assert.throws(() => diffUnpaired(window('a', 1000), [turn('b', 1000, { zero: 'upload' })]), InputError);
  assert.equal(diffUnpaired(window('a', 1000), []), undefined);
});

test('a report compares windows only when it was asked for windows, and says so', () => {
  const arm: ReportArm = { lane: 'captured', variant: 'captured', commit: 'x', strategyHash: 'x' };
  const sides = {
    world: 'live' as const,
    a: { arm, turns: window('a', 1000, 1010) },
    b: { arm, turns: window('b', 2000, 2010) },
  };
  assert.equal(buildReport(sides), undefined);
  const report = buildReport({ ...sides, mayBeUnpaired: true }) ?? assert.fail();
  assert.match(validityLine(report), /^no shared turn; 2 sessions or more a side \(observational\)/);
});
