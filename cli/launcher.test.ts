import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Says which signals reach it, until SIGTERM does. */
const LISTENER = `
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => console.log(signal));
process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(0); });
setInterval(() => undefined, 1000);
console.log('ready');
`;

/** The launcher, in a folder of its own, in front of `LISTENER`; a process group of its own, as under a terminal. */
async function launch(t: TestContext, node: 'node' | 'not executable'): Promise<ChildProcess> {
  const root = await mkdtemp(join(tmpdir(), 'retake-launcher-'));
  for (const folder of ['bin', 'cli', 'scripts/programs', 'node_modules/node/bin'])
    await mkdir(join(root, folder), { recursive: true });
  for (const file of ['bin/retake.mjs', 'scripts/programs/own-node.mjs'])
    await copyFile(fileURLToPath(new URL(`../${file}`, import.meta.url)), join(root, file));
  await writeFile(join(root, 'cli/main.ts'), LISTENER);
  const binary = join(root, 'node_modules/node/bin/node');
  await (node === 'node' ? symlink(process.execPath, binary) : writeFile(binary, 'no program', { mode: 0o600 }));
  const launcher = spawn(process.execPath, [join(root, 'bin/retake.mjs')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(async () => {
    if (launcher.exitCode === null && launcher.pid !== undefined) process.kill(-launcher.pid, 'SIGKILL');
    await rm(root, { recursive: true, force: true });
  });
  return launcher;
}

test('Ctrl-C reaches the command once, by its process group; SIGHUP and SIGTERM to the launcher are handed on', async (t) => {
  const launcher = await launch(t, 'node');
  const { pid, stdout } = launcher;
  assert.ok(pid !== undefined && stdout !== null);
  const heard: string[] = [];
  for await (const line of createInterface({ input: stdout })) {
    heard.push(line);
    if (line === 'ready') process.kill(-pid, 'SIGINT');
    if (line === 'SIGINT' && heard.length === 2) process.kill(pid, 'SIGHUP'); // behind whatever the launcher hands on
    if (line === 'SIGHUP') process.kill(pid, 'SIGTERM');
  }
  assert.deepEqual(heard, ['ready', 'SIGINT', 'SIGHUP', 'SIGTERM']);
  if (launcher.exitCode === null) await once(launcher, 'exit');
  assert.equal(launcher.exitCode, 0);
});

test('a Node that cannot be started is one line and exit code 2', async (t) => {
  const launcher = await launch(t, 'not executable');
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
