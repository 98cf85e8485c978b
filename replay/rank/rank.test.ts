/** `replay --rank`: every variant simulated, what is left out and why, parts that add up, and live replays with price and power. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InputError } from '../../service/base/errors.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import type { Guard } from '../diff/guards.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { contextFor } from '../../testing/command-context.ts';
import { rankCommand } from '../../cli/replay/rank.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { rankSessions } from './rank-sessions.ts';
import { asJson, rankingRows, type Ranking } from './text.ts';
import { detectableReduction, pairsFor, proposalsFor } from './proposals.ts';
import { knobsWith } from '../../service/strategy/knobs.ts';
import { breaks, isGain, identityError, inRank, judgeable } from './rank.ts';
import { uploadSessions } from '../../testing/sessions.ts';
import type { ReplayCommandOptions } from '../../cli/replay/replay.ts';
import { namedVariants, patchesOf } from '../variants/variants.ts';

const ASKED: ReplayCommandOptions = {
  ...{ sample: 1, choose: 'sample', world: 'sim', runs: 1, draws: 'common', seed: '1', out: 'none' },
};
const variants = namedVariants();
const sessions = await uploadSessions({ sessions: 2, turns: 1 });
const ranking = await rankSessions(sessions, { variants, seed: '1', runs: 1, commit: 'test' });

test("every variant is ranked, or left out with a reason; variants that change only Retake's CPU time say so", () => {
  const { results, untrusted, left, identity } = ranking;
  assert.ok(identity.within && identity.medianPct === 0, 'a simulated capture simulates itself');
  const single = results.filter(({ name }) => !name.includes('+'));
  const named = [...single, ...untrusted, ...left].map(({ name }) => name).sort();
  assert.deepEqual(named, variants.map(({ name }) => name).sort());
  assert.ok(single.length > variants.length / 2);
  const kept = results.filter((each) => !breaks(each)).map(({ primary }) => primary.deltaMs);
  assert.deepEqual(
    kept,
    kept.toSorted((a, b) => a - b),
  );
  const cpu = judgeable(variants, DEFAULT_STRATEGY).left.filter(({ why }) => why.includes('CPU'));
  assert.ok(cpu.length > 0);
  for (const { name, why } of cpu) {
    const knobs = /\(([^)]*)\)/.exec(why)?.[1]?.split(', ') ?? [];
    assert.ok(knobs.length > 0 && knobs.every((knob) => knobsWith('cpu').includes(knob)), `${name}: ${why}`);
    assert.ok(
      rankingRows(ranking, 1000).some((row) => row.startsWith('left out: ') && row.includes(`${name} (${why})`)),
    );
  }
});

test('combinations of the best stand in rank among the rest, and a replay takes their names', () => {
  const combined = ranking.results.filter(({ name }) => name.includes('+'));
  const names = ranking.together?.names ?? [];
  assert.equal(combined.length, 2 ** names.length - 1 - names.length);
  for (const { name, trust, risk } of combined) {
    assert.deepEqual([patchesOf(name).length > 1, trust.short], [true, 'not measured']);
    assert.ok(name.split('+').every((each) => risk.includes(variants.find((one) => one.name === each)?.risk ?? '!')));
  }
  assert.throws(() => patchesOf('clause-chunking+no-such'), /there is no variant "no-such"/);
});

const CUT_OFF: Guard = {
  ...{ name: 'premature ends', state: 'broken', unit: 'share', value: 0.15, high: 0.3, margin: 0.02, detail: '3 more' },
};

test('a variant that gains by breaking a guard stands below, is not combined and not proposed', () => {
  const plain = ranking.results.find(isGain);
  assert.ok(plain !== undefined);
  const cut = { ...plain, name: 'cuts', broken: [CUT_OFF] };
  const cheap = { ...plain, name: 'cheaper', usdPerTurn: (plain.usdPerTurn ?? 0) - 1 };
  assert.deepEqual(
    [cut, plain, cheap].sort(inRank).map(({ name }) => name),
    ['cheaper', plain.name, 'cuts'],
  );
  const captured = [turn(2_000_000, 0), turn(3_000_000, 1)];
  assert.deepEqual(proposalsFor([cut], captured, 3), []);
  assert.equal(proposalsFor([plain], captured, 3).length, 1, 'control: without the guard it is proposed');
  const paid = captured.map((each) => ({ ...each, costUsd: 0.001 }));
  const priceOf = (usdPerTurn?: number): number | undefined =>
    proposalsFor([{ ...plain, usdPerTurn }], paid, 3)[0]?.usd;
  assert.equal(priceOf(undefined), undefined, 'an unknown price is not 0');
  assert.ok((priceOf(0) ?? 0) > 0, 'control');
  const results = [{ ...cut, trust: plain.trust }];
  const rows = rankingRows({ ...ranking, results }, 80);
  assert.ok(rows.some((row) => row.startsWith('cuts') && row.endsWith('breaks a guard')));
  assert.ok(rows.includes('  cuts: premature ends (3 more)'));
  assert.ok(rows.includes('nothing gains: no live replay is proposed'));
  assert.ok(!rows.includes('of those that gain:'), 'no heading over nothing');
});

test('in a terminal of 80 columns no line is longer, but a command that cannot be broken', () => {
  const wide = rankingRows(ranking, 80).filter((row) => row.length > 80);
  assert.deepEqual(
    wide.filter((row) => row.trim().includes(' ')),
    [],
  );
  assert.ok(
    rankingRows(ranking, 1000).some((row) => row.length > 80),
    'control',
  );
});

test('options that a ranking would ignore are refused, and unknown variants', async () => {
  const rank = (more: Partial<ReplayCommandOptions>): Promise<void> =>
    rankCommand(contextFor({}), { ...ASKED, ...more });
  const refused = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);
  await assert.rejects(rank({ draws: 'independent' }), refused(/leave out --draws independent/));
  await assert.rejects(rank({ variant: ['no-such'] }), refused(/there is no variant "no-such"/));
  await assert.rejects(rank({ world: 'live' }), refused(/--rank simulates/));
});

interface Json {
  basis: string;
  results: { name: string; deltaMs: number; risk: string; trust: string }[];
  together: {
    sumUs: number;
    shares: number;
    deltaMs: number;
    parts: { name: string; sumUs: number; deltaMs: number }[];
  };
  proposals: { name: string; pairs: number; detectableMs: number; ttsCharacters: number; command: string }[];
}
const json = (of: Ranking): Json => JSON.parse(JSON.stringify(asJson(of))) as Json;

test('as JSON the best come first, and their parts in the joint effect add up exactly', () => {
  const { basis, together, results } = json(ranking);
  assert.equal(basis, 'predicted');
  assert.ok(together.parts.length >= 2);
  assert.equal(
    together.parts.reduce((sum, { sumUs }) => sum + sumUs, 0),
    together.sumUs,
  );
  assert.ok(together.parts.every(({ name }) => results.some((each) => each.name === name)));
  assert.ok(results.every(({ risk, trust }) => risk !== '' && trust !== ''));
  const rows = rankingRows(ranking, 1000);
  const part = (name: string): number => {
    const row = rows.find((each) => each.startsWith(`  ${name} `)) ?? '';
    return Number(
      row
        .slice(name.length + 2)
        .replace('−', '-')
        .match(/[+-]?\d+\.\d/)?.[0],
    );
  };
  const printed = together.parts.map(({ name }) => Math.round(10 * part(name)));
  assert.equal(
    printed.reduce((sum, each) => sum + each, 0),
    Math.round(10 * part('together')),
    'and so do the printed ones',
  );
});

test('the error beside a gain is of that gain: a variant judged by another metric has none', () => {
  const other = variants.filter(({ primary }) => primary !== 'first-audible').map(({ name }) => name);
  const shown = json(ranking).results.filter(({ name }) => other.includes(name));
  assert.ok(shown.length > 0);
  for (const { name, trust } of shown) assert.match(trust, /^error not measured/, name);
  assert.ok(
    json(ranking).results.some(({ trust }) => /^error [\d+−]/.test(trust)),
    'control: others have one',
  );
});

test('each proposed live replay states pairs, the smallest difference that they show, price and command', () => {
  const { proposals, results } = json(ranking);
  assert.ok(proposals.length > 0 && proposals.length <= 3);
  for (const { name, pairs, detectableMs, ttsCharacters, command } of proposals) {
    const predicted = results.find((each) => each.name === name)?.deltaMs ?? 0;
    assert.ok(pairs >= 2 && ttsCharacters > 0);
    assert.ok(detectableMs > 0 && detectableMs <= -predicted + 1e-6, `${name}: ${detectableMs} of ${-predicted} ms`);
    assert.equal(command, `npx retake replay --variant ${name} --world live`);
    const row = rankingRows(ranking, 1000).find((each) => each.startsWith(`  ${name}: ${pairs} turn pairs`)) ?? '';
    assert.match(row, /find \d+\.\d % \(\d+ ms\) or more, LLM about \d+\.\d{4} USD, TTS unpriced: \d+ characters/);
  }
});

const turn = (e2eUs: number, turnIndex = 0): TurnSummary => ({ ...ranked('s'), turnIndex, e2eUs });
const ranked = (sessionId: string): TurnSummary => ({
  ...BARE_SUMMARY,
  ...{ sessionId, lane: 'captured', variant: 'captured', zero: 'upload' },
});

test('pairs and detectable reduction are each other the other way round: fewer pairs find less', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 500_000, max: 5_000_000 }), { minLength: 2, maxLength: 20 }),
      fc.double({ min: 0.01, max: 0.9, noNaN: true }),
      (times, reduction) => {
        const captured = times.map((us) => turn(us));
        const pairs = pairsFor(captured, reduction) ?? Number.NaN;
        const found = detectableReduction(captured, pairs) ?? Number.NaN;
        assert.ok(found <= reduction + 1e-9);
        if (pairs > 2) assert.ok((detectableReduction(captured, pairs - 1) ?? 0) > reduction - 1e-9);
      },
    ),
  );
  assert.equal(pairsFor([turn(1)], 0.1), undefined);
  assert.equal(detectableReduction([turn(1), turn(2)], 1), undefined);
});

test('control: a simulation that does not reproduce its capture shows no result, and nothing to rank is refused', async () => {
  const captured = [turn(1_000_000, 0), turn(1_000_000, 1)];
  const identity = identityError(captured, [turn(1_000_000, 0), turn(1_040_000, 1)]);
  assert.equal(identity.within, false);
  const rows = rankingRows({ ...ranking, identity }, 1000);
  assert.match(rows.at(-1) ?? '', /beyond the limit/);
  assert.ok(!rows.some((row) => row.includes('together') || row.includes('npx')));
  const cpuOnly = variants.filter(({ name }) => name === 'llm-sse-parser' || name === 'sse-parser');
  assert.ok(cpuOnly.length > 0);
  await assert.rejects(rankSessions(sessions, { variants: cpuOnly, seed: '1', runs: 1, commit: 'test' }), InputError);
  await assert.rejects(rankSessions([], { variants, seed: '1', runs: 1, commit: 'test' }), InputError);
});
