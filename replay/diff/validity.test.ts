/** Bounds of validity: the baseline against itself, models and connections that must be alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { knobsWith } from '../../service/strategy/knobs.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { TurnPair } from './align.ts';
import { diffLanes } from './diff.ts';
import {
  brokenFacts,
  cachedFact,
  cachedOtherwise,
  meanReadLag,
  NOT_RECORDED,
  readLagDoubt,
  readLateFact,
} from './facts.ts';
import { repetitionDoubt, repetitionOf } from './repetition.ts';

/** One turn a session, so many ms later in the repetition. */
const again = (deltasMs: readonly number[]): TurnPair[] =>
  deltasMs.map((deltaMs, index) => {
    const turn = { ...BARE_SUMMARY, sessionId: `s-${index}`, e2eUs: 1_000_000 };
    return { a: turn, b: { ...turn, e2eUs: 1_000_000 + deltaMs * 1000 } };
  });
const us = ({ e2eUs }: TurnSummary): number | undefined => e2eUs;

const REPEATED: readonly [deltasMs: readonly number[], marginMs: number, isDoubt: boolean, why: string][] = [
  [[20, 21, 20, 21], 30, true, 'shifted by more than half the margin'],
  [[-20, -21, -20, -21], 30, true, 'the other way'],
  [[15, 15, 15, 15], 30, false, 'half the margin is no more than half'],
  [[20, 21, 20, 21], 42, false, 'shifted by less than half the margin'],
  [[20, 60, -20, 21], 30, false, 'the interval holds 0'],
  // 99 %, not 95 %: half width t₀.₉₉₅(3) · s/2 = 5.84 · 12.25/2 = 35.8, and 19.5
  [[20, 35, 5, 40], 30, false, 'the 99 % interval holds 0, that of 95 % would not'],
];
for (const [deltasMs, marginMs, isDoubt, why] of REPEATED)
  test(`a baseline repeated by ${deltasMs.join(', ')} ms with margin ${marginMs}: ${why}`, () => {
    const doubt = repetitionDoubt(repetitionOf(again(deltasMs), us), marginMs);
    assert.equal(doubt.length, isDoubt ? 1 : 0);
    if (isDoubt) assert.match(doubt[0] ?? '', /^the baseline differs from its own repetition by [+−]\d/);
  });

test('no repetition: none, one turn, and the same captured times', () => {
  assert.equal(repetitionOf([], us), undefined);
  assert.equal(repetitionOf(again([5]), us), undefined);
  assert.equal(repetitionOf(again([0, 0, 0]), us), undefined);
  assert.deepEqual(repetitionDoubt(undefined, 30), []);
  assert.equal(repetitionOf(again([0, 0, 1]), us)?.n, 3, 'control');
});

const pair = (a: Partial<TurnSummary>, b: Partial<TurnSummary>, session = 's-1', turnIndex = 0): TurnPair => ({
  a: { ...BARE_SUMMARY, sessionId: session, turnIndex, ...a },
  b: { ...BARE_SUMMARY, sessionId: session, turnIndex, ...b },
});
const model = (requested: string, served?: string): Partial<TurnSummary> => ({ model: { requested, served } });

const MODELS: readonly [
  what: string,
  a: Partial<TurnSummary>,
  b: Partial<TurnSummary>,
  allowed: string[],
  broken: boolean,
][] = [
  ['the same', model('x', 'x'), model('x', 'x'), [], false],
  ['another one, unasked', model('x', 'x'), model('x', 'y'), [], true],
  ['another one, that the strategy allows', model('x', 'x'), model('x', 'y'), ['x', 'y'], false],
  ['another one than is allowed', model('x', 'x'), model('x', 'z'), ['x', 'y'], true],
  ['another one, asked for', model('x', 'x'), model('y', 'y'), [], false],
  ['not known in A', model('x'), model('x', 'y'), [], false],
  ['not known in B', model('x', 'x'), {}, [], false],
];
for (const [what, a, b, allowed, broken] of MODELS)
  test(`the served model is ${what}: ${broken ? 'a broken fact' : 'no matter'}`, () => {
    const found = brokenFacts([pair(a, b)], allowed);
    assert.deepEqual(found.length, broken ? 1 : 0);
    if (broken) assert.match(found[0] ?? '', /^served model: substituted in 1 turns: [yz] for x$/);
  });

test('connections: only the first turn of a session tells whether B began on a connection of A', () => {
  const [cold, kept] = [{ reusedFirst: false }, { reusedFirst: true }];
  assert.match(
    brokenFacts([pair(cold, kept)])[0] ?? '',
    /^connections: 1 sessions began on a connection of another arm$/,
  );
  for (const fine of [pair(cold, cold), pair(kept, kept), pair(kept, cold), pair({}, kept)])
    assert.deepEqual(brokenFacts([fine]), []);
  const later = [pair(cold, kept, 's-1', 3), pair(cold, cold, 's-1', 2)];
  assert.deepEqual(brokenFacts(later), []);
});

const asker = (patch: StrategyPatch = {}, commit = 'c1') => ({ commit, strategy: resolveStrategy([patch], 'test') });
const CACHED: readonly [what: string, b: Parameters<typeof cachedOtherwise>[1], why: string | undefined][] = [
  ['the same', asker(), undefined],
  ['another chunking', asker({ pipeline: { chunking: 'clause' } }), undefined],
  ['another model', asker({ llm: { model: 'openai/gpt-4o-mini' } }), 'B changes llm.model'],
  ['a prompt sent ahead', asker({ pipeline: { prefetch: 'prompt' } }), 'B changes pipeline.prefetch'],
  ['a shorter history', asker({ llm: { historyTurns: 4 } }), 'B changes llm.historyTurns'],
  ['another commit', asker({}, 'c2'), 'the commits differ'],
  ['a commit that nobody recorded', asker({}, NOT_RECORDED), 'a commit is not known'],
  ['a strategy that nobody recorded', { commit: 'c1' }, 'a strategy is not known'],
];
for (const [what, b, why] of CACHED)
  test(`may A and B find as much of a prompt cached? B has ${what}: ${why ?? 'they should'}`, () =>
    assert.equal(cachedOtherwise(asker(), b), why));

test('the knobs that decide what can be cached are those of model, prompt and calls ahead', () => {
  assert.deepEqual(
    knobsWith('caches').filter((path) => !path.startsWith('llm.')),
    ['pipeline.speculation', 'pipeline.prefetch'],
  );
  for (const knob of ['llm.model', 'llm.historyTurns', 'llm.route', 'llm.systemPrompt', 'llm.fallback'])
    assert.ok(knobsWith('caches').includes(knob), knob);
  for (const knob of ['llm.temperature', 'llm.maxTokens', 'llm.sse', 'stt.format'])
    assert.ok(!knobsWith('caches').includes(knob), knob);
});

test('where it is no guard, what was cached is a line; without a word of the provider, or with nothing cached, there is none', () => {
  const share = (a?: number, b?: number): TurnPair => pair({ cachedPromptShare: a }, { cachedPromptShare: b });
  const said = (...pairs: TurnPair[]): string | undefined => cachedFact(pairs, 'B changes llm.model');
  assert.equal(
    said(share(0.1, 0.9), share(0.3, 0.7)),
    'prompt tokens that the provider had cached: A 20 %, B 80 %; not tested: B changes llm.model',
  );
  assert.match(said(share(0.1)) ?? '', /A 10 %, B not told/);
  assert.equal(said(share()), undefined);
  assert.equal(said(share(0, 0)), undefined);
  assert.equal(cachedFact([share(0.1, 0.9)], undefined), undefined, 'there it is a guard');
});

/** 8 sessions of 3 turns: B is 100 ms faster, and each turn was read that late, in µs. */
const lanes = (aLagUs: (index: number) => number | undefined, bLagUs: (index: number) => number | undefined) =>
  (['a', 'b'] as const).map((side) =>
    Array.from({ length: 24 }, (_, index): TurnSummary => {
      const us = 1_000_000 + 1000 * ((index * 7) % 5) - (side === 'b' ? 100_000 + 1000 * ((index * 3) % 4) : 0);
      const readLagUs = (side === 'a' ? aLagUs : bLagUs)(index);
      const turn = { ...BARE_SUMMARY, sessionId: `s-${index % 8}`, turnIndex: index >> 3, e2eUs: us };
      return {
        ...turn,
        ledger: [{ stage: 'llm', phase: 'wait', us }],
        ...(readLagUs === undefined ? {} : { readLagUs }),
      };
    }),
  );

const LAGS: readonly [
  what: string,
  a: (index: number) => number | undefined,
  b: (index: number) => number | undefined,
  verdict: string,
][] = [
  ['unknown', () => undefined, () => undefined, 'faster'],
  ['alike, and long', () => 250_000, () => 259_000, 'faster'],
  ['10 ms apart', () => 0, () => 10_000, 'faster'],
  ['more than 10 ms apart, by two turns', () => 0, (index) => (index < 2 ? 150_000 : 0), 'inconclusive'],
  ['more than 10 ms apart, A later', () => 61_000, () => 3000, 'inconclusive'],
  ['known in one lane only', () => undefined, () => 300_000, 'faster'],
];
for (const [what, aLagUs, bLagUs, verdict] of LAGS)
  test(`speech end was read late, ${what}: ${verdict}, and the difference stays as measured`, () => {
    const [a = [], b = []] = lanes(aLagUs, bLagUs);
    const diff = diffLanes(a, b);
    const [free = [], other = []] = lanes(
      () => undefined,
      () => undefined,
    );
    assert.equal(diff?.verdict, verdict, diff?.reasons.join('; '));
    assert.deepEqual(diff?.primary, diffLanes(free, other)?.primary, 'lag is never added');
    if (verdict !== 'inconclusive') return;
    assert.match(diff?.reasons.join() ?? '', /^read lag: speech end was read [\d.]+ ms late in A and [\d.]+ ms in B/);
    assert.equal(diff?.settle, undefined, 'more sessions of that kind settle nothing');
  });

test('the means of read lag, and the lanes that were read late', () => {
  const pairs = [pair({ readLagUs: 1000 }, { readLagUs: 3000 }), pair({ readLagUs: 2000 }, {}), pair({}, {})];
  assert.deepEqual(meanReadLag(pairs), { aMs: 1, bMs: 3, pairs: 1 });
  assert.equal(meanReadLag([pair({}, {})]), undefined);
  assert.deepEqual(readLagDoubt(undefined), []);
  const turns = [20_000, 20_001, 250_000].map((readLagUs) => ({ ...BARE_SUMMARY, readLagUs }));
  const said = 'A: speech end was read late in 2 of 3 turns (over 20 ms, the most 250.0 ms): their end to end lacks it';
  assert.equal(readLateFact('A', [...turns, BARE_SUMMARY]), said);
  assert.equal(readLateFact('A', turns.slice(0, 1)), undefined);
});
