/** `replay --rank`: every variant simulated, what is left out and why, parts that add up, and replays that settle it, with sessions and price. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import type { Guard } from '../diff/guards.ts';
import { chanceOf } from '../diff/power.ts';
import { buildReport, type Report } from '../report/build.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { contextFor } from '../../testing/command-context.ts';
import { rankCommand } from '../../cli/replay/rank.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { rankSessions } from './rank-sessions.ts';
import { asJson, rankingRows, type Ranking } from './text.ts';
import { proposalFor, worthReplaying, type Proposal, type SettlingWorld, type Simulated } from './proposals.ts';
import { knobsWith } from '../../service/strategy/knobs.ts';
import { runExperiment } from '../run/experiment.ts';
import { breaks, isGain, identityError, inRank, judgeable, rankCandidates, type Ranked } from './rank.ts';
import { asInWire, SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
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
  assert.deepEqual(worthReplaying([cut], 3), []);
  assert.equal(worthReplaying([plain], 3).length, 1, 'control: without the guard it is proposed');
  const results = [{ ...cut, trust: plain.trust }];
  const rows = rankingRows({ ...ranking, results }, 80);
  assert.ok(rows.some((row) => row.startsWith('cuts') && row.endsWith('breaks a guard')));
  assert.ok(rows.includes('  cuts: premature ends (3 more)'));
  assert.ok(rows.includes('nothing gains: no replay is proposed'));
  assert.ok(!rows.includes('of those that gain:'), 'no heading over nothing');
});

test('a guard that is only predicted to break takes nothing out of the rank: it is shown, and the replay tests it', () => {
  const plain = ranking.results.find(isGain);
  assert.ok(plain !== undefined);
  const audio: Guard = { ...CUT_OFF, name: 'audio a character', detail: '+17.3 %', predicted: true };
  const longer = { ...plain, name: 'longer', broken: [audio] };
  assert.deepEqual(worthReplaying([longer], 3), [longer]);
  assert.deepEqual(worthReplaying([{ ...longer, broken: [audio, CUT_OFF] }], 3), [], 'control: seen harm beside it');
  const rows = rankingRows({ ...ranking, results: [{ ...longer, trust: plain.trust }] }, 1000);
  assert.ok(rows.some((row) => row.startsWith('longer') && row.endsWith(plain.trust.short)));
  assert.ok(rows.some((row) => row.includes('predicted to break a guard: audio a character (+17.3 %); risk: ')));
});

test('clause chunking speaks as long as the captured reply: no guard of its simulation breaks, and it is worth a replay', async () => {
  const [variant] = variants.filter(({ name }) => name === 'clause-chunking');
  assert.ok(variant !== undefined);
  const experiment = await runExperiment({
    ...SIM_EXPERIMENT,
    sessions: await uploadSessions({ sessions: 2, turns: 2 }),
    candidates: [{ variant: variant.name, patches: [variant.patch] }],
  });
  const ranked = rankCandidates(experiment, new Map([[variant.name, variant.risk]]));
  assert.deepEqual(
    worthReplaying(ranked, 1).map(({ name, broken }) => [name, broken]),
    [[variant.name, []]],
  );
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
  results: {
    name: string;
    deltaMs: number;
    risk: string;
    trust: string;
    verdict: string;
    model?: { refits: number };
  }[];
  together: {
    sumUs: number;
    shares: number;
    deltaMs: number;
    parts: { name: string; sumUs: number; deltaMs: number }[];
  };
  proposals: {
    name: string;
    verdict: string;
    asks: string[];
    sessions: number;
    pairs: number;
    detectableMs: number;
    ttsCharacters: number;
    command: string;
  }[];
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

test('an error stands beside gains in its own world only, and of that gain: a variant judged by another metric has none', async () => {
  for (const { name, trust } of ranking.results.filter((each) => !each.name.includes('+')))
    assert.match(trust.text, /^error not measured \(in this world/, name);
  const few = variants.filter(({ name }) => ['preconnect', 'clause-chunking', 'tts-trim-silence'].includes(name));
  const ownOf = async (of: typeof few): Promise<Ranking> =>
    rankSessions(sessions.map(asInWire), { variants: of, seed: '1', runs: 1, commit: 'test' });
  const { results } = await ownOf(few);
  assert.match(results.find(({ name }) => name === 'preconnect')?.trust.text ?? '', /^error [\d+−]/);
  const [other] = variants.filter(({ primary }) => primary !== 'first-audible');
  assert.ok(other !== undefined);
  const [ranked] = (await ownOf([other])).results;
  assert.match(ranked?.trust.text ?? '', /^error not measured/, other.name);
});

test('each proposed replay states sessions, the smallest difference that they show, price and command', () => {
  const { proposals, results } = json(ranking);
  assert.ok(proposals.length > 0 && proposals.length <= 3);
  const rows = rankingRows(ranking, 1000);
  for (const { name, sessions: count, pairs, detectableMs, ttsCharacters, command, verdict, asks } of proposals) {
    assert.ok(count >= 4 && pairs === count && detectableMs > 0 && ttsCharacters > 0, 'one turn a session');
    assert.equal(command, `npx retake replay --variant ${name} --world live --sample ${count}`);
    const row = rows.find((each) => each.startsWith(`  ${name}: `)) ?? '';
    assert.ok(
      row.startsWith(`  ${name}: ${[verdict, ...asks.map((ask) => `asks for ${ask}`)].join(', ')}; ${count} sessions`),
    );
    assert.match(
      row,
      /find \d+\.\d % \(\d+ ms\) or more; LLM (about \d+\.\d{4} USD|unpriced), TTS unpriced: \d+ characters/,
    );
    const found = results.find((each) => each.name === name);
    assert.deepEqual([found?.model?.refits, found?.verdict], [20, verdict], 'its interval holds the model');
  }
  assert.ok(
    results.some(({ model }) => model === undefined),
    'control: other intervals do not',
  );
});

test('what would settle it stands before the figures that it would settle', () => {
  const rows = rankingRows(ranking, 1000);
  const at = (start: string): number => rows.findIndex((row) => row.startsWith(start));
  assert.ok(at('replays that would settle it') > 0 && at('replays that would settle it') < at('strategy'));
  assert.ok(rows.some((row) => row.includes('asks for another model')) && !rows.some((row) => /[✓✗]/.test(row)));
});

test('a ranking names kinds that are weakly fitted; control: one of strong fits names none', async () => {
  const scattered = await uploadSessions({ sessions: 2, turns: 3, profile: 'cold-starts', seed: 'x' });
  const of = variants.filter(({ name }) => name === 'clause-chunking');
  const { weakFits } = await rankSessions(scattered, { variants: of, seed: '1', runs: 1, commit: 'test' });
  assert.deepEqual(weakFits, [
    'tts.stream is fitted to 18 exchanges, left-out error 200 %: capture more, or replay it in live',
  ]);
  assert.ok(rankingRows({ ...ranking, weakFits }, 1000).includes(`weak fit: ${weakFits[0]}`));
  assert.deepEqual(ranking.weakFits, []);
});

/** Turns in 8 sessions of three: A's, and B's by the mean difference and a session's own, both in ms. */
function pairOf(meanMs: number, sdMs: number): { a: TurnSummary[]; b: TurnSummary[] } {
  const lane = (of: 'a' | 'b'): TurnSummary[] =>
    Array.from({ length: 24 }, (_, index) => {
      const session = Math.floor(index / 3);
      const ms = 2000 + (of === 'b' ? meanMs + sdMs * Math.sqrt(7 / 8) * (session % 2 === 0 ? 1 : -1) : 0);
      const e2eUs = Math.round(1000 * ms);
      return {
        ...{ ...BARE_SUMMARY, sessionId: `s-${session}`, turnIndex: index % 3, e2eUs, costUsd: 0.001, characters: 100 },
        ...{ lane: of === 'b' ? 'candidate' : 'baseline', ledger: [{ stage: 'tts', phase: 'wait', us: e2eUs }] },
      };
    });
  return { a: lane('a'), b: lane('b') };
}
const reportOf = ({ a, b }: ReturnType<typeof pairOf>): Report => {
  const arm = { lane: 'x', variant: 'x', commit: 'x', strategyHash: 'x' };
  const report = buildReport({ world: 'sim', a: { arm, turns: a }, b: { arm, turns: b } });
  assert.ok(report !== undefined);
  return report;
};
const LANES = [{ lane: 'baseline' }, { lane: 'baseline2' }, { lane: 'candidate' }] as const;
function rankedAs(more: Partial<Ranked>): Ranked {
  const [of] = ranking.results;
  assert.ok(of !== undefined);
  return { ...of, usdPerTurn: 0, charactersPerTurn: 0, ...more };
}
function proposed(
  meanMs: number,
  sdMs: number,
  more: Partial<Simulated> = {},
  { world = 'live', captured }: { world?: SettlingWorld; captured?: TurnSummary[] } = {},
): Proposal | undefined {
  const turns = pairOf(meanMs, sdMs);
  const about: Simulated = {
    ranked: rankedAs({}),
    ...{ primary: 'first-audible', predicted: reportOf(pairOf(meanMs, 1)), spread: reportOf(turns), lanes: LANES },
    ...more,
  };
  return proposalFor(about, captured ?? turns.a, { world, commandOf: (name, count) => `${name} ${count}` });
}

test('so many sessions are decided by the verdict of a replay in 80 of 100 cases, and one fewer in less', () => {
  const found = proposed(-130, 300);
  assert.ok(found !== undefined);
  const chance = (sessions: number): number =>
    chanceOf(['same', 'slower', 'faster'], -130, 60, {
      errorMs: 300 / Math.sqrt(sessions),
      degrees: sessions - 1,
    });
  assert.ok(chance(found.sessions) >= 0.8 && chance(found.sessions - 1) < 0.8, `${found.sessions}`);
  assert.equal(found.pairs, 3 * found.sessions);
  assert.equal(found.usd?.toFixed(6), (found.pairs * LANES.length * 0.001).toFixed(6));
  assert.equal(proposed(-60, 300), undefined, 'at the margin no number of sessions decides');
  assert.equal(proposed(-900, 1)?.sessions, 4, 'no verdict has fewer sessions');
  const both = proposed(-130, 300, { lanes: [...LANES, { lane: 'candidate' }] });
  assert.ok((both?.usd ?? 0) > (found.usd ?? 0), 'a candidate that is shown on two kinds of words costs more');
});

test('an unknown price is not 0, and stand-ins cost nothing', () => {
  const unpriced = proposed(-130, 300, { ranked: rankedAs({ usdPerTurn: undefined }) });
  assert.ok(unpriced !== undefined && unpriced.usd === undefined);
  const free = pairOf(-130, 300).a.map((turn) => ({ ...turn, costUsd: undefined }));
  assert.equal(proposed(-130, 300, {}, { captured: free })?.usd, undefined, 'nor where the captured turns have none');
  assert.equal(proposed(-130, 300, {}, { world: 'wire' })?.usd, 0);
});

test('control: a simulation that does not reproduce its capture shows no result, and nothing to rank is refused', async () => {
  const turn = (e2eUs: number, turnIndex: number): TurnSummary => ({ ...BARE_SUMMARY, turnIndex, e2eUs });
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
