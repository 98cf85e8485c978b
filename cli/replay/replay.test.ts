/** `retake replay`, `report` and `diff` as commands over one data folder: text only when asked for, and what cannot be used. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { captureStoreIn } from '../../replay/sessions/load.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { contextFor } from '../../testing/command-context.ts';
import { diffCommand } from './diff.ts';
import { importSessions } from '../../replay/sessions/import-sessions.ts';
import { chosenSessions, replayCommand, type ReplayCommandOptions } from './replay.ts';
import { FILE_EXTENSIONS, type ReportFormat } from '../../replay/report/formats.ts';
import { reportCommand } from './report.ts';
import { sessionsCommand } from '../sessions/sessions.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'retake-command-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));
const DATA = join(FOLDER, 'data');
/** Words that would show, and would do something if they were not text. */
const SAID = 'secretword <img src=x onerror=alert(1)> @octocat [x](javascript:alert(1)) \u001b[31m \u202e';

mkdirSync(join(FOLDER, 'recordings'));
cpSync('fixtures/audio/en-frontend-1.wav', join(FOLDER, 'recordings/one.wav'));
const session = (sessionId: string, hour: string): object => ({
  ...{ sessionId, startedAt: `2026-11-24T${hour}:00:00Z`, language: 'en', systemPrompt: 'Be kind.', history: [] },
  turns: [{ audio: 'one.wav', startedMs: 1500, transcript: SAID, reply: `Welcome. ${SAID}`, turnEndedMs: 9000 }],
});
const recorded = { sessions: [session('call-1', '08'), session('call-2', '12'), session('call-3', '20')] };
writeFileSync(join(FOLDER, 'recordings/sessions.json'), JSON.stringify(recorded));
await importSessions(join(FOLDER, 'recordings'), captureStoreIn(DATA), createRealClock());

function told(): CommandContext & { text(): string; code: number | undefined } {
  const lines: string[] = [];
  return contextFor({
    out: (text: string) => void lines.push(text),
    code: undefined,
    exit(this: { code: number | undefined }, code: number) {
      this.code = code;
    },
    text: () => lines.join('\n'),
  });
}
const run = async (out: string, more: Partial<ReplayCommandOptions> = {}): Promise<string> => {
  const context = told();
  await replayCommand(context, {
    ...{
      sample: 20,
      choose: 'sample',
      world: 'sim',
      runs: 1,
      draws: 'common',
      seed: '1',
      data: DATA,
      out: join(FOLDER, out),
    },
    variant: ['clause-chunking'],
    ...more,
  });
  return context.text();
};
const TERMINAL = { format: 'terminal' } as const;
const refused = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);
const filesWith = (folder: string, word: string): string[] =>
  readdirSync(join(FOLDER, folder)).filter((name) => readFileSync(join(FOLDER, folder, name), 'utf8').includes(word));

test('without --with-text the run folder holds no words; with the flag reports and journal do', async () => {
  assert.ok(!(await run('plain')).includes('secretword'));
  assert.deepEqual(filesWith('plain', 'secretword'), []);
  assert.ok((await run('texts', { withText: true })).includes('secretword'));
  assert.deepEqual(filesWith('texts', 'secretword').sort(), [
    'journal.jsonl',
    'report.html',
    'report.json',
    'report.md',
  ]);
});

test('hostile words are inert in all four reports of a run, and only shown where they are asked for', async () => {
  const print = async (format: ReportFormat, withText: boolean): Promise<string> => {
    const context = told();
    await reportCommand(context, join(FOLDER, 'texts'), { format, withText });
    return context.text();
  };
  for (const format of ['terminal', 'markdown', 'html', 'json'] as const) {
    assert.ok(!(await print(format, false)).includes('secretword'), format);
    const text = await print(format, true);
    assert.ok(text.includes('secretword'), format);
    assert.ok(!/[\u001b\u202e]/.test(text), `${format}: control characters`);
    if (format === 'markdown') assert.ok(!/<img|@octocat|\]\(javascript/.test(text));
    if (format === 'html') assert.ok(!/<img/.test(text));
  }
  const { texts } = JSON.parse(await print('json', true));
  assert.equal(texts.length, 4 * 3, 'captured, baseline, baseline2 and candidate of three turns');
  await assert.rejects(
    reportCommand(told(), join(FOLDER, 'plain'), { format: 'terminal', withText: true }),
    refused(/holds no text; run "retake replay --with-text"/),
  );
});

test('a finished run resumes to the same bytes, also over a torn line; words survive an interruption', async () => {
  const folder = join(FOLDER, 'texts');
  const before = readFileSync(join(folder, 'report.json'), 'utf8');
  const journal = join(folder, 'journal.jsonl');
  appendFileSync(journal, '{"line":"done","turn":"call-');
  await run('texts', { withText: true, resume: true });
  assert.equal(readFileSync(join(folder, 'report.json'), 'utf8'), before);
  const lines = readFileSync(journal, 'utf8').split('\n');
  writeFileSync(journal, `${lines.slice(0, 7).join('\n')}\n`);
  await run('texts', { withText: true, resume: true });
  assert.equal(readFileSync(join(folder, 'report.json'), 'utf8'), before);
  await assert.rejects(
    run('texts', { resume: true }),
    refused(/is the journal of another plan; repeat it with: .*--with-text/),
  );
  writeFileSync(journal, lines.slice(1).join('\n'));
  await assert.rejects(
    run('texts', { withText: true, resume: true }),
    refused(/its first line, the plan, is damaged; 9 turns in the journal are done/),
  );
});

test('an unfinished run in wire is not written over; control: a finished one, or one of sim, is', async () => {
  mkdirSync(join(FOLDER, 'begun'));
  const lines = readFileSync(join(FOLDER, 'plain/journal.jsonl'), 'utf8').trim().split('\n');
  const begin = (world: string, kept: readonly string[]): void =>
    writeFileSync(
      join(FOLDER, 'begun/journal.jsonl'),
      kept.map((line) => `${line.replace('"world":"sim"', `"world":"${world}"`)}\n`).join(''),
    );
  begin('wire', lines.slice(0, 7));
  await assert.rejects(
    run('begun'),
    refused(/is the journal of an unfinished run \(\d of 9 turns done\); resume the run with --resume, or choose/),
  );
  begin('wire', lines);
  await run('begun');
  begin('sim', lines.slice(0, 7));
  await run('begun');
});

test('the report says how sessions were chosen; the command that repeats it says so too', async () => {
  assert.match((await run('sampled', { sample: 2 })).replace(/\s+/g, ' '), /sessions sampled: 2, captured in 2 hours/);
  const named = await run('named', { sessions: 'call-2,call-2', choose: 'latency' });
  assert.match(named.replace(/\s+/g, ' '), /sessions by latency: 1, captured 2026-11-24 12h UTC/);
  assert.match(named, /^npx retake replay --sessions call-2 --choose latency /m);
  assert.match(named.replace(/\s+/g, ' '), /the captured lane is not compared/);
});

test('a folder of several candidates asks which one; a single one is taken', async () => {
  await run('two', { variant: ['clause-chunking', 'tts-trim-silence'] });
  const two = join(FOLDER, 'two');
  const diff = async (folder: string, variant?: string): Promise<string> => {
    const context = told();
    await diffCommand(context, folder, folder, { variant, format: 'terminal' });
    return context.text();
  };
  await assert.rejects(
    diff(two),
    refused(/2 candidates: name one with --variant \(clause-chunking, tts-trim-silence\)/),
  );
  await assert.rejects(
    diff(two, 'nope'),
    refused(/has no candidate "nope"; candidates: clause-chunking, tts-trim-silence/),
  );
  const one = await diff(two, 'tts-trim-silence');
  assert.match(one, /^B {2}candidate tts-trim-silence,/m);
  assert.match(one, /3 turns in 3 sessions/, 'not pooled');
  assert.match(await diff(join(FOLDER, 'plain')), /^B {2}candidate clause-chunking,/m);
  const bundle = (await captureStoreIn(DATA).find('call-1')).where;
  await assert.rejects(diff(bundle, 'x'), refused(/it is no run folder with candidates/));
});

test('a diff of run folders names the commits and strategies that the folders hold; control: without a report, none', async () => {
  const folder = join(FOLDER, 'named-arms');
  cpSync(join(FOLDER, 'plain'), folder, { recursive: true });
  const diff = async (): Promise<string> => {
    const context = told();
    await diffCommand(context, folder, folder, { format: 'terminal' });
    return context.text();
  };
  const { arms } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  const text = await diff();
  assert.ok(text.includes(`commit ${arms.a.commit.slice(0, 12)}, strategy ${arms.a.strategyHash}\n`));
  assert.ok(text.includes(`commit ${arms.b.commit.slice(0, 12)}, strategy ${arms.b.strategyHash}\n`));
  assert.match(text, /pipeline\.chunking: "sentence" → "clause"/);
  writeFileSync(join(folder, 'report.json'), '{}');
  assert.match(await diff(), /^A {2}baseline, commit not recorded, strategy not recorded$/m, 'a damaged report');
  rmSync(join(folder, 'report.json'));
  assert.match(await diff(), /^A {2}baseline, commit not recorded, strategy not recorded$/m);
});

test('a candidate that fails everywhere has a report without a figure, with its cause; the others keep theirs, resumed too', async () => {
  const scenario = join(FOLDER, 'dead.json');
  const fault = { kind: 'status', status: 404, message: 'no such model' };
  const rules = [{ route: 'llm', model: 'openai/gpt-4o-mini', fault }];
  writeFileSync(scenario, JSON.stringify({ title: 'one model is gone', rules }));
  const replay = async (out: string, variant: string[], resume = false): Promise<ReturnType<typeof told>> => {
    const context = told();
    await replayCommand(context, {
      ...{ sample: 20, choose: 'sample', world: 'sim', runs: 1, draws: 'common', seed: '1', data: DATA },
      ...{ variant, scenario, out: join(FOLDER, out), resume },
    });
    return context;
  };
  for (const resume of [false, true]) {
    const { code, text } = await replay('dead', ['model-gpt-4o-mini', 'clause-chunking'], resume);
    assert.equal(code, undefined);
    assert.match(text(), /^\? INCONCLUSIVE {2}no turn measured in both$/m);
    assert.match(text(), /^guard open \(predicted\): failed turns, 3 of 3, 3 more and 0 fewer than A;/m);
    assert.match(text(), /no turn was measured in both lanes; the first failure: llm /);
    assert.match(text(), /^B {2}candidate clause-chunking,/m);
    const { arms, primary } = JSON.parse(readFileSync(join(FOLDER, 'dead/report.json'), 'utf8'));
    assert.deepEqual([arms.b.variant, primary], ['model-gpt-4o-mini', undefined]);
  }
  const alive = (await replay('alive', ['clause-chunking'])).text();
  assert.doesNotMatch(alive, /no turn was measured|no turn measured/, 'control: no candidate is dead');
});

test('a candidate on the captured words is compared with the baseline on them', async () => {
  const folder = join(FOLDER, 'words');
  cpSync(join(FOLDER, 'two'), folder, { recursive: true });
  const trace = join(folder, 'trace.otlp.jsonl');
  const said = (from: string, to: string): [string, string] => [`"stringValue":"${from}"`, `"stringValue":"${to}"`];
  // the second baseline and the second candidate become the lanes on captured words
  const lines = readFileSync(trace, 'utf8')
    .split('\n')
    .map((line) =>
      line.includes(said('baseline2', '')[0])
        ? line.replaceAll(...said('baseline', 'baseline (captured words)')).replaceAll(...said('baseline2', 'baseline'))
        : line.replaceAll(...said('tts-trim-silence', 'clause-chunking (captured words)')),
    );
  writeFileSync(trace, lines.join('\n'));
  const context = told();
  for (const variant of ['clause-chunking', 'clause-chunking (captured words)'])
    await diffCommand(context, folder, folder, { variant, format: 'terminal' });
  assert.match(context.text(), /^A {2}baseline, [^]*^A {2}baseline baseline \(captured words\), /m);
  assert.equal(context.text().match(/3 turns in 3 sessions/g)?.length, 2, 'neither is pooled');
});

test('each candidate’s report is printed by its name; the first without one', async () => {
  const print = async (variant?: string): Promise<string> => {
    const context = told();
    await reportCommand(context, join(FOLDER, 'two'), { format: 'terminal', variant });
    return context.text();
  };
  assert.match(await print(), /^B {2}candidate clause-chunking,/m);
  assert.match(await print('clause-chunking'), /^B {2}candidate clause-chunking,/m);
  assert.match(await print('tts-trim-silence'), /^B {2}candidate tts-trim-silence,/m);
  await assert.rejects(
    print('nope'),
    refused(/has no candidate "nope"; candidates: clause-chunking, tts-trim-silence$/),
  );
});

test('a run leaves no report of the candidates that an earlier run had in its folder', async () => {
  const reports = (): string[] => readdirSync(join(FOLDER, 'again')).filter((name) => name.startsWith('report-'));
  await run('again', { variant: ['clause-chunking', 'tts-trim-silence'] });
  const first = FILE_EXTENSIONS.map((extension) => `report-tts-trim-silence.${extension}`).sort();
  assert.deepEqual(reports().sort(), first, 'control: each has its own');
  await run('again');
  assert.deepEqual(reports(), []);
});

/** What is wrong with the options is said before any session is looked for. */
const NO_DATA = { data: join(FOLDER, 'no-data') };
mkdirSync(NO_DATA.data);
const UNUSABLE: readonly [what: string, more: Partial<ReplayCommandOptions>, message: RegExp][] = [
  ['a variant that there is not', { variant: ['nope'] }, /there is no variant "nope"; variants: /],
  [
    'a mistyped variant',
    { variant: ['preconect'] },
    /no variant "preconect" \(did you mean "preconnect"\?\); variants: /,
  ],
  [
    'a knob that there is not, without any capture',
    { ...NO_DATA, set: ['llm.maxToken=9'] },
    /^--set llm.maxToken=9: there is no knob "llm.maxToken" \(did you mean "maxTokens"\?\); knobs there: model, /,
  ],
  [
    'a value that no knob takes',
    { ...NO_DATA, set: ['llm.maxTokens=few'] },
    /^--set .*knob "llm.maxTokens" must be integer, not "few"/,
  ],
  [
    "a baseline's knob",
    { ...NO_DATA, baselineSet: ['stt.vat=1'] },
    /^--baseline-set stt.vat=1: there is no knob "stt.vat"/,
  ],
  [
    'a profile that there is not',
    { ...NO_DATA, profile: 'fast' },
    /^profile fast: cannot be read \(ENOENT: does not exist\); known/,
  ],
  [
    'a scenario that there is not',
    { ...NO_DATA, scenario: 'x.json' },
    /^scenario x.json: cannot be read \(ENOENT: does not exist\)$/,
  ],
  [
    'control: right options without any capture',
    { ...NO_DATA, set: ['llm.maxTokens=9'] },
    /there is no captured session yet/,
  ],
  ['one variant twice', { variant: ['http2', 'http2'] }, /two lanes cannot both be called "http2"/],
  ['nothing to try', { variant: [] }, /nothing to try/],
  ['no captures', { data: join(FOLDER, 'recordings') }, /there is no captured session yet/],
  ['a session that there is not', { sessions: 'call-9' }, /there is no captured session call-9/],
  ['no session at all', { sessions: ' , ' }, /--sessions names no session/],
  [
    'failed turns where there are none',
    { choose: 'error' },
    /--choose error: no captured session has a turn that failed/,
  ],
  ['slowest turns where none was measured', { choose: 'latency' }, /whose end to end was measured/],
  [
    'a run folder that is a file',
    { out: join(FOLDER, 'recordings/one.wav') },
    /one\.wav cannot be written; name another place/,
  ],
];
for (const [what, more, message] of UNUSABLE)
  test(`${what}: one line that says what to do`, async () => {
    await assert.rejects(run('unusable', more), refused(message));
  });

test('sessions that cannot be read are lines that stay, each; none is written over as progress is', async () => {
  const data = join(FOLDER, 'unreadable');
  cpSync(DATA, data, { recursive: true });
  for (const id of ['call-1', 'call-2'])
    writeFileSync(join((await captureStoreIn(data).find(id)).where, 'session.json'), '{');
  const problems: string[] = [];
  const context = { ...told(), problem: (text: string) => void problems.push(text) };
  const sessions = await chosenSessions(context, { sample: 5, seed: '1', data });
  assert.deepEqual(
    sessions.map(({ sessionId }) => sessionId),
    ['call-3'],
  );
  await sessionsCommand.list(context, { data });
  assert.equal(problems.filter((text) => /^session call-[12] cannot be read/.test(text)).length, 4);
});

test('run folders that are none, or torn, are named', async () => {
  const empty = join(FOLDER, 'empty');
  mkdirSync(empty);
  await assert.rejects(
    reportCommand(told(), empty, { format: 'terminal' }),
    refused(/report\.json: cannot be read \(ENOENT: does not exist\); name a run folder/),
  );
  await assert.rejects(
    diffCommand(told(), empty, empty, TERMINAL),
    refused(/neither a run folder .* nor a capture bundle/),
  );
  const torn = join(FOLDER, 'torn');
  cpSync(join(FOLDER, 'plain'), torn, { recursive: true });
  const trace = join(torn, 'trace.otlp.jsonl');
  writeFileSync(trace, readFileSync(trace, 'utf8').slice(0, -100));
  await assert.rejects(
    diffCommand(told(), torn, torn, TERMINAL),
    refused(/trace\.otlp\.jsonl:9: not a line of OTLP JSON/),
  );
  writeFileSync(trace, '');
  await assert.rejects(diffCommand(told(), torn, torn, TERMINAL), refused(/there is no span of a turn/));
});

test('a damaged turn span is named with count and reason, and its side, in every format', async () => {
  const damaged = join(FOLDER, 'damaged');
  cpSync(join(FOLDER, 'plain'), damaged, { recursive: true });
  const trace = join(damaged, 'trace.otlp.jsonl');
  const whole = readFileSync(trace, 'utf8');
  const index = /("key":"retake\.turn\.index","value":\{"intValue":"?)\d+/g;
  const lines = whole.split('\n');
  const at = lines.findIndex((line) => line.includes('"baseline"'));
  lines[at] = (lines[at] ?? '').replace(index, '$1-7');
  assert.notEqual(lines.join('\n'), whole);
  writeFileSync(trace, lines.join('\n'));
  for (const format of ['terminal', 'markdown', 'html', 'json'] as const) {
    const context = told();
    await diffCommand(context, damaged, join(FOLDER, 'plain'), { format });
    const text = context.text().replaceAll('\\', '').replace(/\s+/g, ' ');
    assert.match(text, /A: [^·]*turn spans are damaged: left out; the first: [^·]*not a whole number/, format);
    assert.ok(!/B: [^·]*turn spans are damaged/.test(text), format);
  }
});

test('two captures are compared under the commits that they recorded', async () => {
  const [known, unknown] = ['known', 'unknown'].map((name) => join(FOLDER, `commit-${name}`));
  for (const [folder = '', commit] of [
    [known, 'abc1234'],
    [unknown, 'unknown'],
  ]) {
    cpSync('fixtures/sessions/format-1/8a06638042f98f48e9ce', folder, { recursive: true });
    const file = join(folder, 'session.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), commit }));
  }
  const context = told();
  await diffCommand(context, known ?? '', unknown ?? '', { format: 'json' });
  const { arms } = JSON.parse(context.text()) as { arms: Record<'a' | 'b', { commit: string }> };
  assert.deepEqual([arms.a.commit, arms.b.commit], ['abc1234', 'not recorded']);
});
