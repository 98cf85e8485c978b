import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

// a launcher runs before any types are there
const { serviceFlags } = (await import(new URL('../scripts/programs/own-node.mjs', import.meta.url).href)) as {
  serviceFlags: string[];
};

/** Says which signals reach it and who started it, until SIGTERM does: then it ends with code 7. */
const LISTENER = `
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => console.log(signal));
process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(7); });
setTimeout(() => process.exit(9), 20_000);
console.log('ready ' + process.ppid);
`;

/**
 * The launcher, in a folder of its own, in front of `program`; a process group of its own. `by` starts it from its command line, and is
 * killed itself when the test is over.
 */
async function launch(
  t: TestContext,
  {
    node = 'node',
    by = (line) => line,
    env = {},
    program: source = LISTENER,
  }: {
    node?: 'node' | 'not executable';
    by?: (line: string[]) => string[];
    env?: Record<string, string>;
    program?: string;
  } = {},
): Promise<ChildProcess> {
  const root = await mkdtemp(join(tmpdir(), 'retake-launcher-'));
  for (const folder of ['bin', 'cli', 'scripts/programs', 'node_modules/node/bin'])
    await mkdir(join(root, folder), { recursive: true });
  for (const file of ['bin/retake.mjs', 'scripts/programs/own-node.mjs'])
    await copyFile(fileURLToPath(new URL(`../${file}`, import.meta.url)), join(root, file));
  await writeFile(join(root, 'cli/main.ts'), source);
  const binary = join(root, 'node_modules/node/bin/node');
  await (node === 'node' ? symlink(process.execPath, binary) : writeFile(binary, 'no program', { mode: 0o600 }));
  const [program = '', ...words] = by([process.execPath, join(root, 'bin/retake.mjs')]);
  const { npm_command: _npm, ...outside } = process.env;
  const launcher = spawn(program, words, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...outside, ...env },
  });
  t.after(async () => {
    try {
      if (launcher.pid !== undefined) process.kill(-launcher.pid, 'SIGKILL');
    } catch {
      // the whole group has ended
    }
    await rm(root, { recursive: true, force: true });
  });
  return launcher;
}

/** What `LISTENER` says; `act` is called with each line and with the launcher's pid, which the first line holds. */
async function heard({ stdout }: ChildProcess, act: (line: string, pid: number) => void): Promise<string[]> {
  const lines: string[] = [];
  let pid = 0;
  if (stdout === null) return lines;
  for await (const said of createInterface({ input: stdout })) {
    const line = said.replace('^C', '').trim(); // a terminal shows the key that was pressed
    pid ||= Number(/^ready (\d+)$/.exec(line)?.[1] ?? 0);
    if (line !== '') lines.push(line.replace(/ \d+$/, ''));
    act(line, pid);
  }
  return lines;
}

test('signals to the launcher are handed on, SIGINT as one that can come twice; the exit code is that of the command', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const launcher = await launch(t);
    const ended = once(launcher, 'exit');
    const lines = await heard(launcher, (line, pid) => {
      if (line.startsWith('ready')) process.kill(pid, 'SIGHUP');
      if (line === 'SIGHUP') process.kill(pid, signal);
    });
    assert.deepEqual(lines, ['ready', 'SIGHUP', 'SIGTERM'], signal);
    assert.deepEqual(await ended, [7, null]);
  }
});

test(
  'Ctrl-C at a terminal reaches the command once, by its process group',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const terminal = await launch(t, {
      by: (line) => ['script', '--quiet', '--return', '--command', line.join(' '), '/dev/null'],
    });
    const lines = await heard(terminal, (line, pid) => {
      if (line.startsWith('ready')) terminal.stdin?.write('\u0003');
      if (line === 'SIGINT') process.kill(pid, 'SIGTERM'); // behind whatever the launcher hands on
    });
    assert.deepEqual(lines, ['ready', 'SIGINT', 'SIGTERM']);
  },
);

test("npm's shell ends without telling its command: the command ends all the same, and without npm it stays", async (t) => {
  const shell = (line: string[]): string[] => ['/bin/sh', '-c', `${line.join(' ')}; exit`];
  const byNpm = await launch(t, { by: shell, env: { npm_command: 'exec' } });
  const lines = await heard(byNpm, (line) => void (line.startsWith('ready') && byNpm.kill('SIGTERM')));
  assert.deepEqual(lines, ['ready', 'SIGTERM']);

  const alone = await launch(t, { by: shell });
  let stayed = false;
  await heard(alone, (line, pid) => {
    if (!line.startsWith('ready')) return;
    alone.kill('SIGTERM');
    setTimeout(() => {
      stayed = true;
      process.kill(pid, 'SIGTERM');
    }, 700);
  });
  assert.ok(stayed);
});

test('compiled code is kept in the user’s cache, for the command alone; control: a folder that nobody can make does no harm', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'retake-compiled-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const kept = async (cache: string): Promise<string[]> => {
    const launcher = await launch(t, { env: { XDG_CACHE_HOME: cache, NODE_COMPILE_CACHE: '' } });
    await heard(launcher, (line, pid) => void (line.startsWith('ready') && process.kill(pid, 'SIGTERM')));
    return readdir(join(cache, 'retake/compiled')).catch(() => []);
  };
  assert.equal((await kept(folder)).length, 1, 'one folder a version of Node');
  assert.deepEqual(await kept('/proc/1/nothing'), []);
});

test('a service has the flags of its Node, however it is started; control: another command has none', async (t) => {
  const program = "console.log(process.execArgv.join(' '))";
  const flagsOf = async (...words: string[]): Promise<string> =>
    (await heard(await launch(t, { by: (line) => [...line, ...words], program }), () => undefined)).join();
  assert.equal(await flagsOf('serve'), serviceFlags.join(' '));
  assert.equal(await flagsOf('replay'), '');
  const started = { 'package.json': 1, Dockerfile: 1, 'README.md': 1, 'docs/operating.md': 1 };
  for (const [file, times] of Object.entries(started)) {
    const text = (await readFile(new URL(`../${file}`, import.meta.url), 'utf8')).replaceAll('", "', ' ');
    assert.equal(text.split(`node ${serviceFlags.join(' ')} cli/main.ts serve`).length - 1, times, file);
    assert.doesNotMatch(text, /node cli\/main\.ts serve/, file);
  }
});

test('a Node that cannot be started is one line and exit code 2', async (t) => {
  const launcher = await launch(t, { node: 'not executable' });
  let said = '';
  launcher.stderr?.on('data', (text: Buffer) => (said += text.toString()));
  await once(launcher, 'close');
  assert.match(said, /^retake: cannot start .*EACCES.*; run "npm ci" in .*\n$/);
  assert.equal(launcher.exitCode, 2);
});

test('a reader that goes away (| head) is no error: no stack, and the exit code is that of the work', async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const command = spawn(process.execPath, [main, 'variants'], { stdio: ['ignore', 'pipe', 'pipe'] });
  command.stdout.destroy();
  let said = '';
  command.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const [code]: unknown[] = await once(command, 'close');
  assert.deepEqual([code, said], [0, '']);
});
