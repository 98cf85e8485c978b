/** An open verdict says how many sessions would settle it; others say nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { TurnPair } from './align.ts';
import { settleOf } from './settle.ts';
import { DEFAULT_BOUNDS, type Evidence, type Verdict } from './verdict.ts';

const EVIDENCE: Evidence = {
  effect: { deltaMs: 50, lowMs: -10, highMs: 110 },
  marginMs: 30,
  guards: [],
  matchedShare: 1,
  sessions: 8,
  largestShare: 0.125,
  invalid: [],
  observational: false,
  bounds: DEFAULT_BOUNDS,
};
const INTERVAL = { mean: 50, error: 25, degrees: 7 };
const pairs = (cost: { a?: number; b?: number }): TurnPair[] =>
  Array.from({ length: 16 }, (_, index) => {
    const turn = { ...BARE_SUMMARY, sessionId: `s-${index % 8}`, turnIndex: index };
    return { a: { ...turn, costUsd: cost.a }, b: { ...turn, costUsd: cost.b } };
  });
const settle = (more: Partial<Evidence> = {}, verdict: Verdict = 'inconclusive', of = pairs({ a: 0.01, b: 0.02 })) =>
  settleOf({ verdict, evidence: { ...EVIDENCE, ...more }, interval: INTERVAL, pairs: of });

test('sessions in all, more than there are, and what their replies cost', () => {
  const { sessions = 0, usd = 0 } = settle() ?? {};
  assert.ok(sessions > 8 && sessions < 40, String(sessions));
  // a session has two turns of both lanes
  assert.ok(Math.abs(usd - sessions * 0.06) < 1e-9);
  const many = settleOf({
    ...{ verdict: 'inconclusive', evidence: { ...EVIDENCE, sessions: 90 }, pairs: [] },
    interval: { mean: 50, error: 5, degrees: 89 },
  });
  assert.deepEqual(many?.sessions, 91, 'as many as there are did not do');
});

test('of sessions that differ in size more are needed: eight that count as five leave three in eight', () => {
  const needed = (degrees: number, error: number): number =>
    settleOf({ verdict: 'inconclusive', evidence: EVIDENCE, interval: { mean: 50, error, degrees }, pairs: [] })
      ?.sessions ?? assert.fail();
  // the same spread of equal sessions
  const [equal, unequal] = [needed(7, 25), needed(4, 25 * Math.sqrt(8 / 5))];
  assert.ok(Math.abs(unequal - (equal * 8) / 5) <= 1, `${equal}, ${unequal}`);
});

test('a price is known only where each turn has one', () => {
  assert.equal(settle({}, 'inconclusive', pairs({ a: 0.01 }))?.usd, undefined);
  assert.equal(settle({}, 'inconclusive', pairs({ a: 0, b: 0 }))?.usd, 0, 'control: free is a price');
});

test('too few sessions: at least the bound', () => {
  const two = (sessions: number, error?: number) =>
    settleOf({
      verdict: 'inconclusive',
      evidence: { ...EVIDENCE, sessions },
      interval: error === undefined ? { mean: -500 } : { mean: -500, error, degrees: 1 },
      pairs: pairs({}),
    })?.sessions;
  assert.deepEqual([two(1), two(2, 1), two(3, 1)], [4, 4, 4]);
});

test('what more sessions would not settle has no number', () => {
  const broken = { name: 'x', state: 'broken', unit: 'share', value: 1, margin: 0, detail: '' } as const;
  for (const [what, change] of Object.entries<Partial<Evidence>>({
    'no measured pair': { effect: undefined, sessions: 0 },
    'no shared turn': { observational: true },
    'matched share': { matchedShare: 0.5 },
    'a bound of validity': { invalid: ['drift'] },
    'missing turns that could be slow': {
      worstCase: { deltaMs: 200, lowMs: 100, highMs: 300, lacking: 3, cutOff: 0 },
    },
    'faster by turns that it cuts off': {
      effect: { deltaMs: -200, lowMs: -300, highMs: -100 },
      worstCase: { deltaMs: 200, lowMs: -100, highMs: 500, lacking: 0, cutOff: 3 },
    },
    'predicted harm': { simulated: {}, guards: [broken] },
  }))
    assert.equal(settle(change), undefined, what);
  for (const verdict of ['worse', 'slower', 'same', 'faster', 'predicted lower', 'lower (observational)'] as const)
    assert.equal(settle({}, verdict), undefined, verdict);
  assert.equal(
    settleOf({ verdict: 'inconclusive', evidence: EVIDENCE, interval: { mean: 30, error: 25, degrees: 7 }, pairs: [] }),
    undefined,
    'the margin itself',
  );
  assert.ok(settle() !== undefined, 'control');
});
