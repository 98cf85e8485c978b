/** What a bench says and keeps when providers fail: a wrong key, no network, a model that is not there, Ctrl-C. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { InputError } from '../service/base/errors.ts';
import { contextFor } from '../testing/command-context.ts';
import { benchCommand, type BenchOptions } from './run-all.ts';
import type { BenchName } from './turns/bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'retake-failing-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let runs = 0;

interface Ran {
  code: number;
  problems: string[];
  results: { benches: { bench: string; arms: { arm: string; turns: number; failed: number; verdict?: string }[] }[] };
  samples: number;
}

async function bench(
  rules: readonly object[],
  more: {
    names?: BenchName[];
    out?: string;
    options?: Partial<BenchOptions>;
    onProgress?: (text: string, stop: AbortController) => void;
    onOut?: (text: string) => void;
  } = {},
): Promise<Ran> {
  const { out = join(folder, `run-${runs++}`) } = more;
  const scenario = join(folder, `scenario-${runs}.json`);
  writeFileSync(scenario, JSON.stringify({ title: 'providers that fail', rules }));
  const stop = new AbortController();
  const problems: string[] = [];
  let code = 0;
  const context = contextFor({
    signal: stop.signal,
    out: (text) => more.onOut?.(text),
    progress: (text) => more.onProgress?.(text, stop),
    problem: (text) => void problems.push(text),
    exit: (given) => (code = given),
  });
  const options: BenchOptions = {
    world: 'sim',
    seed: '1',
    profile: 'seed',
    sessions: 3,
    turns: 1,
    out,
    ...more.options,
  };
  if (options.world !== 'live') options.scenario ??= scenario;
  await benchCommand(context, more.names ?? ['e2e'], options);
  const samplesFile = join(out, 'samples.jsonl');
  const samples = statSync(samplesFile).isFile()
    ? readFileSync(samplesFile, 'utf8').split('\n').filter(Boolean).length
    : 0;
  const results: Ran['results'] = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
  return { code, problems, results, samples };
}

test('a wrong key: one line for all benches, exit code 2', async () => {
  const rules = [{ route: 'stt.transcriptions', fault: { kind: 'status', status: 401 } }];
  const { code, problems, samples } = await bench(rules, { names: ['e2e', 'tts'] });
  assert.equal(code, 2);
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(
    problems[0] ?? '',
    /bench tts, all arms; bench e2e, all arms: every turn failed: stt auth.*check the provider key/,
  );
  assert.equal(samples, 3 * (7 + 11));
});

test('no network: one line that names the address, exit code 2', async () => {
  const { code, problems } = await bench([{ route: 'stt.transcriptions', fault: { kind: 'refused' } }]);
  assert.equal(code, 2);
  assert.equal(problems.length, 1, problems.join('\n'));
  const line = problems[0] ?? '';
  assert.match(line, /all arms: every turn failed: stt unreachable.*check the endpoint URL and the network/);
  const said = line.split(': ');
  assert.equal(new Set(said).size, said.length, `said twice: ${line}`);
});

test('no network to the models: one line, however many models were asked', async () => {
  const { code, problems } = await bench([{ route: 'llm', fault: { kind: 'refused' } }]);
  assert.equal(code, 2);
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(problems[0] ?? '', /bench e2e, all arms: every turn failed: llm unreachable: OpenRouter: .*the network/);
});

test('a model that is not there: its arm is one line, the others are measured and judged; exit code 2', async () => {
  const rules = [{ route: 'llm', model: 'openai/gpt-4o-mini', fault: { kind: 'status', status: 404 } }];
  const { code, problems, results } = await bench(rules);
  assert.equal(code, 2);
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(problems[0] ?? '', /bench e2e, model-gpt-4o-mini: every turn failed: llm rejected.*check model/);
  const arms = results.benches[0]?.arms ?? [];
  const verdicts = new Map(arms.map(({ arm, verdict }) => [arm, verdict]));
  assert.equal(verdicts.get('model-gpt-4o-mini'), 'inconclusive', 'it failed, as far as is predicted');
  const others = arms.map(({ arm }) => arm).filter((arm) => arm !== 'baseline' && arm !== 'model-gpt-4o-mini');
  assert.ok(others.length > 3 && others.every((arm) => verdicts.get(arm) !== undefined));
  assert.equal(verdicts.get('baseline'), undefined);
});

test('Ctrl-C: measured figures are written, later benches are not begun, exit code 130', async () => {
  const { code, problems, results, samples } = await bench([], {
    names: ['e2e', 'tts'],
    onProgress: (text, stop) => void (text.includes('20 of') && stop.abort(new InputError('interrupted'))),
  });
  assert.equal(code, 130);
  assert.match(problems.join('\n'), /bench tts ended early: interrupted; its finished samples are kept/);
  assert.deepEqual(
    results.benches.map((each) => each.bench),
    ['tts'],
  );
  assert.ok(samples >= 15 && samples < 30, `${samples} samples`);
});

test('a folder with results of another world is refused by name, and left as it was', async () => {
  const out = join(folder, 'of-live');
  mkdirSync(out);
  const live = '{"format": 1, "basis": "measured", "world": "live"}';
  writeFileSync(join(out, 'results.json'), live);
  writeFileSync(join(out, 'samples.jsonl'), 'a sample\n');
  await assert.rejects(
    bench([], { out }),
    /of-live holds results of world live; give those of sim another folder with -o/,
  );
  assert.equal(readFileSync(join(out, 'results.json'), 'utf8'), live);
  assert.equal(readFileSync(join(out, 'samples.jsonl'), 'utf8'), 'a sample\n');
});

test('a folder of samples alone, of a run that was killed, has a world too; without keys they stay', async () => {
  const out = join(folder, 'killed');
  mkdirSync(out);
  const paid = '{"bench":"e2e","arm":"baseline","basis":"measured","world":"live"}\n';
  writeFileSync(join(out, 'samples.jsonl'), paid);
  await assert.rejects(bench([], { out }), /killed holds results of world live/);
  await assert.rejects(bench([], { out, options: { world: 'live', budgetUsd: 1 } }), /FAL_KEY/);
  assert.equal(readFileSync(join(out, 'samples.jsonl'), 'utf8'), paid);
});

test('a mistyped run removes no samples; control: one that runs replaces them', async () => {
  const out = join(folder, 'measured');
  await bench([], { out });
  const before = readFileSync(join(out, 'samples.jsonl'), 'utf8');
  const mistyped: Record<string, Partial<BenchOptions>> = {
    scenario: { scenario: join(folder, 'none.json') },
    profile: { profile: 'sede' },
    against: { against: join(folder, 'none') },
    budget: { world: 'live' },
    turns: { turns: 6 },
  };
  for (const [what, options] of Object.entries(mistyped)) {
    await assert.rejects(bench([], { out, options }), InputError, what);
    assert.equal(readFileSync(join(out, 'samples.jsonl'), 'utf8'), before, what);
  }
  await bench([], { out, options: { seed: '2' } });
  assert.notEqual(readFileSync(join(out, 'samples.jsonl'), 'utf8'), before);
});

test('a damaged results.json hides no world: the samples or the history tell it', async () => {
  for (const file of ['samples.jsonl', 'history.jsonl']) {
    const out = join(folder, `damaged-${file}`);
    mkdirSync(out);
    writeFileSync(join(out, 'results.json'), '');
    writeFileSync(join(out, file), '{"basis":"measured","world":"live"}\n');
    await assert.rejects(bench([], { out }), /holds results of world live/, file);
  }
});

test('turns of an earlier run in the folder are not left for --against to find; its history is', async () => {
  const out = join(folder, 'reused');
  await bench([], { out, names: ['tts'] });
  const refused = bench([], { out, names: ['e2e'], options: { against: out } });
  await assert.rejects(refused, /turns-e2e.jsonl: cannot be read \(ENOENT/);
  assert.ok(existsSync(join(out, 'turns-tts.jsonl')), 'control: a refused run removes nothing');
  await bench([], { out, names: ['e2e'] });
  assert.ok(!existsSync(join(out, 'turns-tts.jsonl')));
  assert.equal(readFileSync(join(out, 'history.jsonl'), 'utf8').split('\n').filter(Boolean).length, 2);
});

test('a folder that cannot be one is one line; results that cannot be written are printed all the same', async () => {
  const file = join(folder, 'a file');
  writeFileSync(file, '');
  await assert.rejects(bench([], { out: file }), (error) => error instanceof InputError);
  for (const [taken, said] of [
    ['samples.jsonl', /bench e2e ended early: .*samples.jsonl cannot be written/],
    ['index.html', /full-index.html cannot be written/],
  ] as const) {
    const out = join(folder, `full-${taken}`);
    const printed: string[] = [];
    const ran = await bench([], {
      out,
      onOut: (text) => void printed.push(text),
      // stands for a full disk: what is to be written cannot be
      onProgress(text) {
        if (!text.includes('20 of')) return;
        rmSync(join(out, taken), { force: true });
        mkdirSync(join(out, taken));
      },
    });
    assert.equal(ran.code, 2, taken);
    assert.match(ran.problems.join('\n'), said);
    assert.match(printed.join('\n'), /bench e2e: Whole turns/);
    assert.equal(printed.join('\n').includes('written:'), taken !== 'index.html');
  }
});

test('one budget is for all benches: the second has the rest of the first; each bench cut short is a line', async () => {
  const run = (names: BenchName[], budgetUsd: number) => bench([], { names, options: { budgetUsd } });
  const both = await run(['e2e', 'parallel'], 0.026);
  assert.equal(both.code, 2);
  assert.equal(both.problems.length, 1);
  assert.match(both.problems[0] ?? '', /bench parallel ended early: 14 planned turns were not run: .*\$0\.026.*kept/);
  const less = await run(['e2e', 'parallel'], 0.02);
  assert.match(less.problems.join('\n'), /bench parallel: the rest of the budget of \$0\.02 does not pay for one turn/);
  const alone = await run(['parallel'], 0.026);
  assert.deepEqual([alone.code, alone.problems], [0, []], 'control: alone it has all of the budget');
});

test('control: nothing fails, nothing is told, exit code 0', async () => {
  const { code, problems } = await bench([]);
  assert.deepEqual([code, problems], [0, []]);
});
