import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { variantPatch } from '../../replay/variants/variants.ts';
import { compareWithEarlier, readEarlier } from './earlier.ts';
import { BASELINE, type Sample, ledgerText } from './arm-result.ts';
import type { Bench } from './bench.ts';
import { runBench, type BenchRun } from './engine.ts';
import { GROUPINGS } from './metrics.ts';
import { benchPage } from './page.ts';
import { BENCHES } from '../run-all.ts';
import { benchSessions } from './sessions.ts';
import { benchTable, targetLines } from './tables.ts';
import { targetRows } from '../../replay/diff/targets.ts';

const folder = mkdtempSync(join(tmpdir(), 'retake-bench-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const BENCH: Bench = {
  name: 'e2e',
  title: 'A bench',
  limits: 'none',
  metrics: ['sttMs', 'ttftMs', 'firstClauseMs', 'firstSentenceMs', 'llmTotalMs', 'e2eMs', 'stallMs'],
  stage: 'llm',
  arms: [{ name: 'clause-chunking', patches: ['clause-chunking'] }],
};

/** Of four sessions. */
const NO_DIFFERENCE = { mean: 0, low: 0, high: 0, error: 0, degrees: 3 };

function runOf(more: Partial<BenchRun> = {}): BenchRun {
  return {
    sessions: () => benchSessions(4, 1),
    samplesFile: join(folder, `samples-${files++}.jsonl`),
    exchangesFile: join(folder, `exchanges-${files}.jsonl`),
    world: 'sim',
    profile: 'seed',
    seed: 'bench test',
    commit: 'test',
    signal: new AbortController().signal,
    progress: () => undefined,
    ...more,
  };
}

const samplesIn = (file: string): Sample[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line): Sample => JSON.parse(line));

test('every arm of every bench is a strategy; a misspelt knob is not', () => {
  for (const { name, arms } of BENCHES) {
    for (const { patches } of arms) {
      resolveStrategy(
        patches.map((patch) => (typeof patch === 'string' ? variantPatch(patch) : patch)),
        name,
      );
    }
  }
  assert.throws(() => resolveStrategy([{ tts: { sped: 2 } }], 'control'), InputError);
});

test('samples, medians and paired differences tell one story; first clause ≤ first sentence ≤ whole reply', async () => {
  const run = runOf();
  const { arms, stopped } = await runBench(BENCH, run);
  assert.equal(stopped, undefined);
  const samples = samplesIn(run.samplesFile);
  assert.equal(samples.length, 2 * 4);
  for (const { values, basis } of samples) {
    assert.equal(basis, 'predicted');
    assert.ok((values.ttftMs ?? 0) <= (values.firstClauseMs ?? 0));
    assert.ok((values.firstClauseMs ?? Infinity) <= (values.firstSentenceMs ?? 0));
    assert.ok((values.firstSentenceMs ?? Infinity) <= (values.llmTotalMs ?? 0));
  }
  const row = (arm: string, metric: string) =>
    arms.find((each) => each.arm === arm)?.rows.find((each) => each.metric === metric);
  assert.equal(row(BASELINE, 'e2eMs')?.difference, undefined);
  // common draws: what a strategy leaves alone does not differ at all, what it changes does
  assert.deepEqual(row('clause-chunking', 'sttMs')?.difference, NO_DIFFERENCE);
  assert.ok((row('clause-chunking', 'e2eMs')?.difference?.mean ?? 0) < 0);
});

test('in every bench, an arm that changes nothing differs by exactly 0 from the baseline', async () => {
  const nothing = { name: 'nothing', patches: [] };
  const replyAtOnce = { name: 'control', patches: ['reply-chunking'] };
  for (const each of BENCHES) {
    const { arms } = await runBench({ ...each, arms: [nothing, replyAtOnce] }, runOf());
    const [, unchanged, control] = arms;
    const differences = (unchanged?.rows ?? []).flatMap(({ difference }) => difference ?? []);
    assert.ok(differences.length > 0, each.name);
    for (const difference of differences) assert.deepEqual(difference, NO_DIFFERENCE, each.name);
    const e2e = control?.rows.find(({ metric }) => metric === 'e2eMs');
    assert.ok((e2e?.difference?.mean ?? 0) > 0, `${each.name}: the control is slower`);
  }
});

test('an interrupted bench keeps its finished samples and says that it did not finish', async () => {
  const stop = new AbortController();
  const run = runOf({ signal: stop.signal, progress: () => undefined, sessions: () => benchSessions(12, 1) });
  const arms = [...BENCH.arms, { name: 'tts-speech', patches: ['tts-speech'] }];
  const progress = (): void => stop.abort(new InputError('interrupted'));
  const { stopped, arms: results } = await runBench({ ...BENCH, arms }, { ...run, progress });
  assert.equal(stopped, 'interrupted');
  const kept = samplesIn(run.samplesFile).length;
  assert.ok(kept > 0 && kept < 36, `${kept} samples`);
  assert.equal(
    results.reduce((sum, { turns }) => sum + turns, 0),
    kept,
  );
});

test('the same run again is the same; another world, another profile or a damaged folder is not compared', async () => {
  const result = await runBench(BENCH, runOf());
  const lines = [...result.turns.values()].flat().map((turn) => `${JSON.stringify(turn)}\n`);
  const turnsFile = join(folder, 'turns-e2e.jsonl');
  writeFileSync(turnsFile, lines.join(''));
  writeFileSync(join(folder, 'results.json'), '{"world":"sim","profile":"seed"}');
  const read = (profile = 'seed', world = 'sim') => readEarlier(folder, { world, profile }, ['e2e']);
  const again = compareWithEarlier(read(), [await runBench(BENCH, runOf())]);
  assert.deepEqual(
    again.map(({ arm, verdict, deltaMs }) => [arm, verdict, deltaMs]),
    [
      [BASELINE, 'same', 0],
      ['clause-chunking', 'same', 0],
    ],
  );
  assert.throws(() => read('seed', 'wire'), /of world sim, profile seed, these of world wire/);
  assert.throws(() => read('zero'), /profile seed, these of world sim, profile zero/);
  assert.throws(
    () => readEarlier(join(folder, 'none'), { world: 'sim' }, []),
    /^InputError: --against: .*results\.json: cannot be read \(ENOENT: does not exist\); name a folder that "retake bench" wrote$/,
  );
  const damages: [text: string, said: RegExp][] = [
    ['', /turns-e2e.jsonl holds no turns/],
    [lines.join('').slice(0, -40), /turns-e2e.jsonl, line 8 is damaged/],
    ['{}\n', /line 1 is damaged/],
  ];
  for (const [text, said] of damages) {
    writeFileSync(turnsFile, text);
    assert.throws(
      () => read(),
      (error) => error instanceof InputError && said.test(error.message),
      text,
    );
  }
  writeFileSync(join(folder, 'results.json'), '{"world":"si');
  assert.throws(
    () => read(),
    (error) => error instanceof InputError && /results.json: not JSON .*; name a/.test(error.message),
  );
});

test('longer turns, other words and short texts are told apart; the baseline heard its own words', async () => {
  const heard: Bench = {
    ...BENCH,
    name: 'stt',
    stage: 'stt',
    metrics: ['sttMs', 'uploadKb', 'transcriptChange'],
    grouping: GROUPINGS.audioLength,
    speech: { recordings: [1, 3], rateHz: 48_000 },
    arms: [
      { name: 'same words', patches: ['stt-16khz'] },
      { name: 'cut short', patches: ['vad-silence-300'] },
    ],
  };
  const run = runOf({ sessions: (speech) => benchSessions(3, 2, speech) });
  const result = await runBench(heard, run);
  const { arms } = result;
  const mean = (arm: string, metric: string): number | undefined => {
    const row = arms.find((each) => each.arm === arm)?.rows.find((each) => each.metric === metric);
    return row?.mean ?? row?.median;
  };
  assert.equal(mean(BASELINE, 'transcriptChange'), undefined);
  assert.equal(mean('same words', 'transcriptChange'), 0);
  assert.ok((mean('cut short', 'transcriptChange') ?? 0) > 30);
  const [base, third] = [mean(BASELINE, 'uploadKb') ?? 0, mean('same words', 'uploadKb') ?? 0];
  assert.ok(Math.abs(base / third - 3) < 0.01, `${base} kB at 48 kHz, ${third} at 16`);
  assert.deepEqual(
    arms[0]?.groups?.map(({ group, n }) => [group, n]),
    [
      ['below 5 s', 3],
      ['5 to 10 s', 2],
      ['10 s and more', 1],
    ],
  );
  assert.match(benchTable(result, 80), /by audio length: below 5 s/);
});

test('the wait is shown in parts that add up as printed, bets with their hits and waste', async () => {
  const speaking: Bench = { ...BENCH, arms: [{ name: 'predict', patches: ['speculation-predict'] }] };
  const result = await runBench(speaking, runOf());
  const [baseline, predict] = result.arms;
  assert.equal(baseline?.bets, undefined);
  assert.match(benchTable(result, 80), /predict: \d+ attempts in 4 turns, \d+ hits, \d+ misses/);
  assert.ok((predict?.bets?.[0]?.attempts ?? 0) > 0);
  const [, parts = '', total = ''] = /^(.*) = ([\d.]+)$/.exec(ledgerText(baseline?.ledger ?? [])) ?? [];
  const tenths = parts.split(' + ').map((part) => Math.round(Number(part.split(' ').at(-1)) * 10));
  assert.ok(tenths.length >= 4, parts);
  assert.equal(
    tenths.reduce((sum, part) => sum + part, 0),
    Math.round(Number(total) * 10),
  );
});

test('tables say unit, n and interval, and fit 80 columns', async () => {
  const result = await runBench(BENCH, runOf());
  const table = benchTable(result, 80);
  assert.match(table, /first clause, ms +\d+\.\d +4/);
  assert.match(table, /TTFT, ms .*0\.0 \[0\.0, 0\.0\]/);
  const targets = targetLines(targetRows(result.turns.get(BASELINE) ?? [], result.turns.get('clause-chunking') ?? []));
  assert.match(targets.join('\n'), /STT +800 +500/);
  const long = { ...result, limits: 'word '.repeat(40), stopped: 'why '.repeat(40) };
  const arms = result.arms.map((arm) => ({
    ...arm,
    note: 'note '.repeat(40),
    failed: 1,
    firstFailure: 'it '.repeat(80),
  }));
  const lines = [...benchTable({ ...long, arms }, 80).split('\n'), ...targets];
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('the page holds every bench and arm, escapes foreign text, and needs nothing from elsewhere', async () => {
  const { turns: _turns, servedFrom: _servedFrom, ...result } = await runBench(BENCH, runOf());
  const page = benchPage({
    format: 1,
    basis: 'predicted',
    world: 'sim',
    profile: '<script>alert(1)</script>',
    seed: '1',
    commit: 'test',
    environment: {
      node: 'v24',
      cpu: '2 × test',
      startedAt: '2026-01-01T00:00:00Z',
      packages: { openai: '7' },
      endpoints: ['fal.run', '127.0.0.1:8443'],
      servedFrom: ['llm IST'],
    },
    sessions: 3,
    turnsPerSession: 1,
    benches: [result],
    targets: [],
  });
  assert.match(page, /clause-chunking/);
  assert.match(page, /openai 7.*called fal.run, 127.0.0.1:8443.*answered from llm IST/s);
  assert.match(page, /default-src 'none'/);
  assert.doesNotMatch(page, /<script>alert|https?:\/\/(?!www\.w3\.org)/);
});
