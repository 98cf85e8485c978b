/**
 * What the command line reads: regular files of a bounded size that the operator named, and nothing that a capture names. Each command has
 * a secret in its environment and one in a file beside. docs/security.md lists the doors.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SessionHeader } from '../service/capture/format.ts';
import { contextFor } from '../testing/command-context.ts';
import { makeOddFiles } from '../testing/odd-files.ts';
import { runCommand } from './run-command.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));
const SECRET = 'canary-8c1f2b';
const FOLDER = mkdtempSync(join(tmpdir(), 'retake-named-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));
const at = (name: string): string => join(FOLDER, name);
const odd = makeOddFiles(at('odd'));
for (const name of ['secret-prompt.txt', 'secret-profile.json']) writeFileSync(at(name), `PASSWORD=${SECRET}\n`);
writeFileSync(at('prompt.txt'), 'You interview herons.\n');

interface Ran {
  code: number | null;
  out: string;
  err: string;
}
/** What all commands printed. */
let said = '';
const ENV = { UNTOLD: SECRET, RETAKE_DATA: at('data') };
/** A command that opens a pipe waits for ever. */
const LIMITED = { timeout: 60_000 };

/** Runs a command in this process. */
async function retake(args: readonly string[], env: object = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const tell = (text: string): void => void (err += `${text}\n`);
  const heard = { out: (text: string) => void (out += `${text}\n`), progress: tell, problem: tell };
  const code = await runCommand(args, contextFor({ ...heard, env: { ...ENV, ...env } }));
  said += out + err;
  return { code, out, err };
}

/** Runs a command in a process of its own, in `cwd`. Gives its peak of memory too. */
async function retakeAlone(args: readonly string[], cwd = FOLDER): Promise<Ran & { peakBytes: number }> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: ENV,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMITED.timeout,
    killSignal: 'SIGKILL',
  });
  const ran = { out: '', err: '', peakBytes: 0 };
  child.stdout.on('data', (chunk: Buffer) => (ran.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (ran.err += chunk.toString()));
  const watch = setInterval(() => {
    try {
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid ?? 0}/status`, 'utf8'))?.[1];
      ran.peakBytes = Math.max(ran.peakBytes, Number(peak ?? 0) * 1024);
    } catch {
      // it is over
    }
  }, 50);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(watch);
  said += ran.out + ran.err;
  return { ...ran, code };
}

/** A captured session of `fixtures/sessions` in a data folder of its own, its header changed. */
function dataWith(
  name: string,
  fixture: 'full' | 'timing',
  change: (header: SessionHeader) => object,
): { data: string; id: string } {
  const id = fixture === 'full' ? '8a06638042f98f48e9ce' : '52d7037fd5e995c80448';
  const bundle = join(at(name), 'captures/2026/11/25', id);
  cpSync(join(FIXTURES, 'sessions/format-1', id), bundle, { recursive: true });
  const header = JSON.parse(readFileSync(join(bundle, 'session.json'), 'utf8')) as SessionHeader;
  writeFileSync(join(bundle, 'session.json'), JSON.stringify({ ...header, ...change(header) }));
  return { data: at(name), id };
}
const withPrompt = ({ strategy }: SessionHeader, systemPrompt: object): object => ({
  strategy: { ...strategy, llm: { ...Object(strategy['llm']), systemPrompt } },
});

const plain = dataWith('data', 'full', () => ({}));
const replay = (data: string, ...more: readonly string[]): string[] => ['replay', '--data', data, ...more];

test(
  'a prompt file that is none: exit 2, one line, at once and in little memory; control: a text is one',
  LIMITED,
  async () => {
    const cases: readonly [file: string, why: RegExp][] = [
      [odd.pipe, /cannot be read \(is a pipe; only regular files are read\)$/],
      [odd.zero, /cannot be read \(is a device; only regular files are read\)$/],
      [odd.link, /cannot be read \(is a device; only regular files are read\)$/],
      [odd.folder, /cannot be read \(EISDIR: is a folder\)$/],
      [odd.sparse, /cannot be read \(has 5,368,709,120 bytes; a prompt file has at most 256,000\)$/],
      [odd.environment, /\/proc\/self\/environ is empty; write the prompt into it$/],
      [odd.missing, /cannot be read \(ENOENT: does not exist\)$/],
    ];
    const refused = ({ code, err }: Ran, why: RegExp): void => {
      assert.match(err, /^retake: --set llm\.systemPrompt\.file=[^\n]*: knob "llm\.systemPrompt\.file": [^\n]*\n$/);
      assert.match(err.trimEnd(), why);
      assert.equal(code, 2);
    };
    const withFile = (file: string): string[] => replay(plain.data, '--set', `llm.systemPrompt.file=${file}`);
    for (const [file, why] of cases) refused(await retake(withFile(file)), why);
    const alone = await retakeAlone(withFile(odd.zero));
    refused(alone, /is a device; only regular files are read\)$/);
    assert.ok(alone.peakBytes < 400e6, `${alone.peakBytes}`);
    const out = at('out/prompt');
    const { code, err } = await retake(
      replay(plain.data, '--set', `llm.systemPrompt.file=${at('prompt.txt')}`, '-o', out),
    );
    assert.equal(code, 0, err);
    const report = readFileSync(join(out, 'report.json'), 'utf8');
    const { knobs } = JSON.parse(report) as { knobs: { knob: string; a: unknown; b: object }[] };
    assert.deepEqual(
      knobs.map(({ knob, a, b }) => [knob, a, Object.keys(b)]),
      [['llm.systemPrompt', 'captured', ['sha256']]],
    );
    assert.ok(!report.includes('herons'), 'a report names a prompt by its digest');
  },
);

test('a pipe in the place of any other file that is named: exit 2, at once', LIMITED, async () => {
  const folderWithPipe = (name: string): string => {
    const folder = at(`piped-${name}`);
    mkdirSync(folder);
    execFileSync('mkfifo', [join(folder, name)]);
    return folder;
  };
  const run = folderWithPipe('trace.otlp.jsonl');
  const doors: readonly [args: string[], env?: object][] = [
    [['serve'], { RETAKE_PORT: '0', RETAKE_STRATEGY: odd.pipe }],
    [['serve'], { RETAKE_PORT: '0', RETAKE_REGIONS: odd.pipe }],
    [['serve', '--scenario', odd.pipe], { RETAKE_PORT: '0' }],
    [['serve', '--profile', odd.pipe], { RETAKE_PORT: '0' }],
    [replay(plain.data, '--variant', 'http2', '--scenario', odd.pipe)],
    [replay(plain.data, '--variant', 'http2', '--profile', odd.pipe)],
    [replay(plain.data, '--variant', 'http2', '--resume', '-o', folderWithPipe('journal.jsonl'))],
    [['sessions', 'import', folderWithPipe('sessions.json')]],
    [['diff', odd.pipe, odd.pipe]],
    [['diff', run, run]],
    [['report', folderWithPipe('report.json')]],
    [['send', odd.pipe, '--upload']],
    [['profile', '--bench', folderWithPipe('exchanges.jsonl')]],
    [['bench', 'llm', '--against', folderWithPipe('results.json'), '-o', at('out/bench')]],
    [['bench', 'llm', '-o', folderWithPipe('samples.jsonl')]],
  ];
  for (const [args, env] of doors) {
    const { code, err } = await retake(args, env);
    const what = `${args.join(' ')} ${JSON.stringify(env)}: ${err}`;
    assert.match(err, /is a pipe; only regular files are read\)/, what);
    assert.deepEqual(err.match(/^retake: .*$/gm)?.length, 1, what);
    assert.doesNotMatch(err, /^ +at /m, what);
    assert.equal(code, 2, what);
  }
  const withEnv = await retakeAlone(['variants'], folderWithPipe('.env'));
  assert.equal(withEnv.code, 0, '.env is no duty');
});

test('a capture that names a prompt file and a profile by their paths opens neither', async () => {
  const { data, id } = dataWith('foreign', 'full', (header) => ({
    ...withPrompt(header, { file: at('secret-prompt.txt'), sha256: '3'.repeat(64) }),
    profile: at('secret-profile.json'),
  }));
  const variant = ['--variant', 'clause-chunking'];
  const named = await retake(replay(data, ...variant));
  assert.match(
    named.err,
    /^retake: session \w+ was captured with profile ".*", which is none of seed, zero, .*: name its file with --profile\n$/,
  );
  assert.equal(named.code, 2);
  const ranked = await retake(replay(data, '--rank', ...variant));
  assert.equal(ranked.code, 2, ranked.err);
  const sim = await retake(replay(data, ...variant, '--profile', 'seed', '-o', at('out/foreign')));
  assert.equal(sim.code, 0, sim.err);
  for (const world of ['wire', 'live']) {
    const env = world === 'live' ? { FAL_KEY: 'x', OPENROUTER_API_KEY: 'x' } : {};
    const { code, err } = await retake(replay(data, ...variant, '--profile', 'seed', '--world', world), env);
    assert.match(
      err,
      /^retake: baseline baseline: session \w+: knob "llm.systemPrompt" names a text by its sha256 3{12}…, and the text is not here; /,
    );
    assert.match(err, /RETAKE_CAPTURE=full.*--world sim.*--baseline-set llm\.systemPrompt\.file=FILE/);
    assert.equal(code, 2);
  }
  const file = `llm.systemPrompt.file=${at('prompt.txt')}`;
  const again = ['--set', file, '--baseline-set', file, '--profile', 'seed', '--world', 'wire', '--dry-run'];
  const planned = await retake(replay(data, ...variant, ...again));
  assert.equal(planned.code, 0, planned.err);
  const bundle = join(data, 'captures/2026/11/25', id);
  for (const args of [
    ['sessions', 'list', '--data', data, '--json'],
    ['sessions', 'show', id, '--data', data, '--json'],
    ['diff', bundle, bundle],
  ]) {
    const { code, err } = await retake(args);
    assert.ok(code === 0 || code === 3, `${args.join(' ')}: ${err}`);
  }
});

test('a capture at level timing replays in virtual time by the length of its prompt, and elsewhere exits 2', async () => {
  const { data } = dataWith('timing', 'timing', (header) => withPrompt(header, { sha256: '3'.repeat(64), chars: 900 }));
  const variant = ['--variant', 'clause-chunking'];
  const sim = await retake(replay(data, ...variant, '-o', at('out/timing')));
  assert.equal(sim.code, 0, sim.err);
  const wire = await retake(replay(data, ...variant, '--world', 'wire'));
  assert.match(wire.err, /captured at level timing.*RETAKE_CAPTURE=full/);
  assert.equal(wire.code, 2);
});

test('after all that, neither secret is in anything that was printed or written, nor the path of the prompt', () => {
  const files = globSync('out/**/*', { cwd: FOLDER }).filter((name) => statSync(at(name)).isFile());
  const texts = files.map((name): [string, string] => [name, readFileSync(at(name), 'latin1')]);
  assert.ok(texts.length > 9 && said.length > 5000);
  for (const [where, text] of [...texts, ['printed', said] as const])
    for (const leak of [SECRET, 'secret-prompt.txt']) assert.ok(!text.includes(leak), `${leak}: ${where}`);
});
