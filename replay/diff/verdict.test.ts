/** The verdict's rules in their order: each with a case that it decides, and a neighbour that it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { diffLanes } from './diff.ts';
import type { Guard } from './guards.ts';
import {
  DEFAULT_BOUNDS,
  judge,
  VERDICTS,
  verdictExitCode,
  verdictOfAll,
  wordOf,
  type Effect,
  type Evidence,
  type Verdict,
  type WorstCase,
} from './verdict.ts';

const guard = (state: Guard['state'], name = 'failed turns'): Guard => ({
  ...{ name, state, unit: 'share', value: 0.2, high: 0.3, margin: 0.02, detail: '16 of 80' },
  limit: state === 'open' ? 'up to 7 more in 100' : undefined,
});
const worst = (deltaMs: number, half: number): WorstCase => ({ ...effect(deltaMs, half), lacking: 3, cutOff: 0 });
const cutOff = (withoutCutOff: Effect | undefined): Partial<WorstCase> => ({ cutOff: 2, withoutCutOff });
const effect = (deltaMs: number, half: number) => ({ deltaMs, lowMs: deltaMs - half, highMs: deltaMs + half });

/** Nothing is amiss: `faster`. Every case changes this. */
const FASTER: Evidence = {
  effect: effect(-100, 20),
  marginMs: 30,
  guards: [guard('holds')],
  matchedShare: 1,
  sessions: 8,
  largestShare: 0.125,
  invalid: [],
  observational: false,
  bounds: DEFAULT_BOUNDS,
};
const UNMEASURED = { why: 'error not measured in this world' };

type Case = readonly [what: string, change: Partial<Evidence>, verdict: Verdict, reason: RegExp];
const RULES: Readonly<Record<string, readonly Case[]>> = {
  '1: no shared turn': [
    ['lower', { observational: true }, 'lower (observational)', /share no turn/],
    ['higher', { observational: true, effect: effect(100, 20) }, 'higher (observational)', /share no turn/],
    ['inside the margin, and not 0', { observational: true, effect: effect(5, 4) }, 'higher (observational)', /share/],
    ['the interval holds 0', { observational: true, effect: effect(5, 6) }, 'inconclusive', /includes 0/],
    ['its bound is 0', { observational: true, effect: effect(5, 5) }, 'inconclusive', /includes 0/],
    ['no interval', { observational: true, effect: { deltaMs: 5 } }, 'inconclusive', /too few turns/],
    ['guards are figures only', { observational: true, guards: [guard('broken')] }, 'lower (observational)', /share/],
    ['few sessions', { observational: true, sessions: 2, matchedShare: 0 }, 'lower (observational)', /share/],
  ],
  '2: a broken guard': [
    ['though it is faster', { guards: [guard('broken')] }, 'worse', /^failed turns: 16 of 80$/],
    ['though it is the same', { effect: effect(0, 5), guards: [guard('broken')] }, 'worse', /failed turns/],
    ['though it is slower too', { effect: effect(100, 5), guards: [guard('broken')] }, 'worse', /failed turns/],
    ['without any Δ', { effect: undefined, sessions: 0, guards: [guard('broken')] }, 'worse', /failed turns/],
    ['though few turns match', { matchedShare: 0.1, guards: [guard('broken')] }, 'worse', /failed turns/],
    ['though sessions are few', { sessions: 1, guards: [guard('broken')] }, 'worse', /failed turns/],
    ['though a bound is broken', { invalid: ['drift'], guards: [guard('broken')] }, 'worse', /failed turns/],
    ['late words in a faster lane', { guards: [guard('broken', 'first content audible')] }, 'worse', /first content/],
    [
      'predicted harm',
      { simulated: {}, guards: [guard('broken')] },
      'inconclusive',
      /predicted to break a guard: failed/,
    ],
    [
      'predicted harm, error unmeasured',
      { simulated: UNMEASURED, guards: [guard('broken')] },
      'inconclusive',
      /predicted to break/,
    ],
    [
      'an open guard',
      { guards: [guard('open')] },
      'faster',
      /open guards, not ruled out: failed turns \(up to 7 more in 100\)/,
    ],
  ],
  '3: what keeps figures from being a result': [
    ['matched share', { matchedShare: 0.899 }, 'inconclusive', /^matched share 90 %: 90 % of the turns must/],
    [
      'matched share of the primary figure',
      { matchedShare: 0.2, lacking: 'reply end' },
      'inconclusive',
      /^matched share 20 %: 90 % of the turns must have a figure of "reply end" in both A and B/,
    ],
    ['matched share at the bound', { matchedShare: 0.9 }, 'faster', /no guard is broken/],
    [
      'matched share, lifted',
      { matchedShare: 0.5, bounds: { ...DEFAULT_BOUNDS, matchedShare: 0.5 } },
      'faster',
      /no guard/,
    ],
    ['sessions', { sessions: 3 }, 'inconclusive', /^3 sessions, 4 needed \(--min-sessions\)$/],
    ['sessions at the bound', { sessions: 4 }, 'faster', /no guard/],
    ['sessions, lifted', { sessions: 2, bounds: { ...DEFAULT_BOUNDS, minSessions: 2 } }, 'faster', /no guard/],
    ['one session of most turns', { largestShare: 0.51 }, 'inconclusive', /^one session holds 51 % of the turns/],
    ['one session of half the turns', { largestShare: 0.5 }, 'faster', /no guard/],
    ['validity', { invalid: ['the baseline differs'] }, 'inconclusive', /^the baseline differs$/],
    ['before prediction', { sessions: 3, simulated: UNMEASURED }, 'inconclusive', /^3 sessions/],
    ['before slower', { sessions: 3, effect: effect(100, 5) }, 'inconclusive', /^3 sessions/],
    ['before same', { sessions: 3, effect: effect(0, 5) }, 'inconclusive', /^3 sessions/],
  ],
  '4: predicted': [
    [
      'lower',
      { simulated: UNMEASURED },
      'predicted lower',
      /predicted, not measured: error not measured in this world/,
    ],
    ['higher', { simulated: UNMEASURED, effect: effect(100, 20) }, 'predicted higher', /predicted, not measured/],
    ['same', { simulated: UNMEASURED, effect: effect(0, 20) }, 'predicted same', /predicted, not measured/],
    ['neither', { simulated: UNMEASURED, effect: effect(40, 50) }, 'inconclusive', /includes 0/],
    ['with a measured error', { simulated: {} }, 'faster', /no guard/],
  ],
  '5: same': [
    ['inside the margin', { effect: effect(10, 19.9) }, 'same', /^the interval lies inside the margin$/],
    ['inside the margin, without 0', { effect: effect(10, 5) }, 'same', /inside/],
    ['its upper bound is the margin', { effect: effect(10, 20) }, 'inconclusive', /includes 0/],
    ['its lower bound is the margin', { effect: effect(-10, 20) }, 'inconclusive', /includes 0/],
    ['open guards are named', { effect: effect(0, 5), guards: [guard('open')] }, 'same', /not ruled out: failed turns/],
  ],
  '6: slower': [
    ['the estimate is beyond the margin', { effect: effect(30.1, 30) }, 'slower', /estimate is beyond/],
    [
      'the estimate is the margin',
      { effect: effect(30, 29) },
      'inconclusive',
      /touches the margin: the estimate is inside/,
    ],
    ['the interval begins at 0', { effect: effect(40, 40) }, 'inconclusive', /includes 0/],
  ],
  '7: faster': [
    ['the estimate is beyond the margin', { effect: effect(-30.1, 30) }, 'faster', /estimate is beyond/],
    ['the estimate is the margin', { effect: effect(-30, 29) }, 'inconclusive', /touches the margin/],
    ['the interval ends at 0', { effect: effect(-40, 40) }, 'inconclusive', /includes 0/],
    [
      'missing turns may hide a slower lane',
      { worstCase: worst(100, 20) },
      'inconclusive',
      /^B would be slower if its unmatched turns, the 3 that it lacks, had waited/,
    ],
    ['missing turns may hide nothing much', { worstCase: worst(20, 5) }, 'faster', /no guard/],
    ['same, and missing turns', { effect: effect(0, 5), worstCase: worst(100, 20) }, 'inconclusive', /B would be/],
    ['slower stays', { effect: effect(100, 5), worstCase: worst(200, 20) }, 'slower', /beyond/],
    [
      'cut-off turns made it faster',
      { worstCase: { ...worst(50, 60), ...cutOff(effect(-20, 5)) } },
      'inconclusive',
      /^B answers before the user has finished in 2 turns that A does not cut off: without them it is not faster \(−20\.0 ms \[−25\.0, −15\.0\]\)$/,
    ],
    [
      'cut-off turns made it the same',
      { effect: effect(0, 5), worstCase: { ...worst(10, 60), ...cutOff(effect(100, 5)) } },
      'inconclusive',
      /without them it is not same/,
    ],
    ['cut-off turns alone', { worstCase: { ...worst(10, 60), ...cutOff(undefined) } }, 'inconclusive', /without them/],
    [
      'cut-off turns changed nothing',
      { worstCase: { ...worst(10, 60), ...cutOff(effect(-90, 20)) } },
      'faster',
      /no guard/,
    ],
    [
      'cut-off turns at the slowest time',
      { worstCase: { ...worst(100, 20), ...cutOff(effect(-90, 20)), lacking: 0 } },
      'inconclusive',
      /^B would be slower if its unmatched turns, the 2 that it alone cuts off, had/,
    ],
    [
      'slower stays, with cut-off turns',
      { effect: effect(100, 5), worstCase: { ...worst(200, 20), ...cutOff(effect(0, 5)) } },
      'slower',
      /beyond/,
    ],
  ],
  '8: open': [
    ['no Δ', { effect: undefined }, 'inconclusive', /^no turn was measured in both/],
    [
      'no Δ, though turns were measured',
      { effect: undefined, sessions: 0, matchedShare: 0, lacking: 'reply end' },
      'inconclusive',
      /^no turn has a figure of "reply end" in both A and B$/,
    ],
    ['no Δ, so no sessions', { effect: undefined, sessions: 0 }, 'inconclusive', /^no turn was measured in both/],
    ['no interval', { effect: { deltaMs: -500 } }, 'inconclusive', /^one turn has no interval/],
    ['wide', { effect: effect(0, 31) }, 'inconclusive', /includes 0 and reaches beyond the margin/],
    ['a margin of 0 leaves same to equal lanes', { marginMs: 0, effect: effect(0, 0) }, 'inconclusive', /includes 0/],
  ],
};
for (const [rule, cases] of Object.entries(RULES))
  for (const [what, change, verdict, reason] of cases)
    test(`rule ${rule}: ${what} is ${verdict}`, () => {
      const judged = judge({ ...FASTER, ...change });
      assert.equal(judged.verdict, verdict, judged.reasons.join('; '));
      assert.match(judged.reasons.join('; '), reason);
    });

test('an interval that is no interval decides nothing', () => {
  for (const [lowMs, highMs] of [
    [Number.NaN, Number.NaN],
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    [undefined, undefined],
  ])
    for (const deltaMs of [-100, 0, 100, Number.NaN])
      assert.equal(judge({ ...FASTER, effect: { deltaMs, lowMs, highMs } }).verdict, 'inconclusive');
});

test('exit codes, and the worst of several in one order', () => {
  const CODES: Readonly<Record<Verdict, number>> = {
    worse: 1,
    slower: 1,
    inconclusive: 3,
    'predicted higher': 3,
    'predicted lower': 3,
    'predicted same': 3,
    'higher (observational)': 3,
    'lower (observational)': 3,
    same: 0,
    faster: 0,
  };
  for (const verdict of VERDICTS) assert.equal(verdictExitCode(verdict), CODES[verdict]);
  assert.deepEqual(VERDICTS, Object.keys(CODES), 'worst first');
  for (const [index, verdict] of VERDICTS.entries())
    for (const better of VERDICTS.slice(index)) {
      assert.equal(verdictOfAll([better, verdict]), verdict);
      assert.equal(verdictOfAll([verdict, better]), verdict);
    }
  assert.equal(verdictOfAll([]), 'inconclusive', 'nothing is no success');
});

test('the word is symmetrical, and never both', () => {
  const ms = fc.double({ min: -300, max: 300, noNaN: true });
  const width = fc.double({ min: 0, max: 200, noNaN: true });
  const mirror = { faster: 'slower', slower: 'faster', same: 'same' } as const;
  fc.assert(
    fc.property(ms, width, fc.double({ min: 0.1, max: 100, noNaN: true }), (deltaMs, half, marginMs) => {
      const word = wordOf(effect(deltaMs, half), marginMs);
      const mirrored = wordOf(effect(-deltaMs, half), marginMs);
      assert.equal(mirrored, word === undefined ? undefined : mirror[word]);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

/** Lanes of sessions with failures, gaps and figures of any size. */
const drawn = fc.array(
  fc.record({
    session: fc.nat(6),
    turn: fc.nat(5),
    aMs: fc.integer({ min: -1, max: 4000 }),
    bMs: fc.integer({ min: -1, max: 4000 }),
    lost: fc.constantFrom('', '', '', '', 'a', 'b', 'fails', 'premature'),
  }),
  { minLength: 4, maxLength: 60 },
);

test('a verdict never depends on the order of turns or of sessions', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(drawn, fc.infiniteStream(fc.nat()), (rows, order) => {
      // one run of each turn: of repetitions the first meets the first
      const turns = [...new Map(rows.map((row) => [`${row.session}/${row.turn}`, row])).values()];
      const lanes = turns.map((row) => ({
        a: row.lost === 'a' ? [] : [measured(row.session, row.turn, row.aMs)],
        b: row.lost === 'b' ? [] : [measured(row.session, row.turn, row.aMs + row.bMs / 10, row.lost)],
      }));
      const verdictOf = (sorted: typeof lanes) =>
        diffLanes(
          sorted.flatMap(({ a }) => a),
          sorted.flatMap(({ b }) => b),
        );
      const shuffled = lanes
        .map((each) => ({ each, at: order.next().value ?? 0 }))
        .sort((left, right) => left.at - right.at)
        .map(({ each }) => each);
      const [one, other] = [verdictOf(lanes), verdictOf(shuffled)];
      assert.equal(one?.verdict, other?.verdict);
      assert.deepEqual(
        one?.guards.map(({ name, state }) => [name, state]),
        other?.guards.map(({ name, state }) => [name, state]),
      );
      assert.ok(Math.abs((one?.primary?.highMs ?? 0) - (other?.primary?.highMs ?? 0)) < 1e-6);
      seen.set(one?.verdict ?? 'none', (seen.get(one?.verdict ?? 'none') ?? 0) + 1);
    }),
    { seed: 1, numRuns: 400 },
  );
  assert.ok(seen.size > 2, `control: ${JSON.stringify([...seen])}`);
});

function measured(session: number, turnIndex: number, ms: number, lost = ''): TurnSummary {
  const e2eUs = Math.round(ms * 1000);
  return {
    sessionId: `s-${session}`,
    turnIndex,
    ...{ traceId: '0'.repeat(32), lane: 'captured', variant: 'x', world: 'live', zero: 'audio' },
    e2eUs,
    firstContentAudibleUs: e2eUs,
    ledger: [{ stage: 'stt', phase: 'wait', us: e2eUs }],
    serviceUs: {},
    premature: lost === 'premature',
    failure: lost === 'fails' ? { stage: 'llm', kind: 'timeout', message: '' } : undefined,
  };
}
