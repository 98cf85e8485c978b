import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chosenBy, listOf, type Named, type Program } from './named.ts';

const program = (name: string, more: Partial<Program> = {}): Program => ({
  ...{ name, sentence: `Shows ${name}.`, minutes: 0.5, basis: 'measured' as const, run: ['-e', ''] as const },
  ...more,
});
const [fast, slow, long] = [program('fast'), program('slow', { basis: 'estimated' }), program('long')];
const NAMED: Named = {
  command: 'x',
  kind: 'check',
  programs: [fast, slow, long],
  groups: { all: [fast, slow, long], ci: [fast, slow] },
};
const names = (...words: string[]): [string[], string[]] => {
  const { chosen, args } = chosenBy(words, NAMED);
  return [chosen.map(({ name }) => name), args];
};

test('names and groups choose programs, each once; arguments after one name go to that program', () => {
  assert.deepEqual(names('slow', 'fast'), [['slow', 'fast'], []]);
  assert.deepEqual(names('ci', 'long', 'fast'), [['fast', 'slow', 'long'], []]);
  assert.deepEqual(names('slow', '--turns', '5', 'fast'), [['slow'], ['--turns', '5', 'fast']]);
  assert.deepEqual(names('slow', '--', 'fast'), [['slow'], ['fast']]);
  assert.deepEqual(names('slow', 'folder'), [['slow'], ['folder']]);
});

test('an unknown name is one line that lists the names; arguments for two programs are refused', () => {
  const all = 'say one of fast, slow, long, all, ci';
  assert.throws(() => names('fats'), { message: `no check is called fats; ${all}` });
  assert.throws(() => names('ci', 'fats'), { message: `no check is called fats; ${all}` });
  assert.throws(() => names('constructor'), { message: `no check is called constructor; ${all}` });
  assert.throws(() => names('ci', '--turns', '5'), { message: 'arguments go to one check; name one' });
});

test('the list has every name with its minutes, and says which are estimated', () => {
  const list = listOf(NAMED);
  assert.match(list, /^ {2}fast +0\.5 min {2}Shows fast\.$/m);
  assert.match(list, /^ {2}slow +~0\.5 min {2}Shows slow\.$/m);
  assert.match(list, /^ {2}ci +1 min {2}fast, slow$/m);
});

/** `runNamed` in a process of its own, over programs that are each a line of code. */
function started(t: TestContext, words: readonly string[], programs: Readonly<Record<string, string>>): ChildProcess {
  const folder = mkdtempSync(join(tmpdir(), 'retake-named-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const rows = Object.entries(programs).map(([name, code]) => {
    writeFileSync(join(folder, `${name}.mjs`), code);
    return program(name, {
      run: [join(folder, `${name}.mjs`)],
      repeatBecause: name.startsWith('moody') ? 'it has moods' : undefined,
    });
  });
  const named: Named = { command: 'x', kind: 'check', programs: rows, groups: { all: rows } };
  writeFileSync(
    join(folder, 'main.mjs'),
    `import { runNamed } from ${JSON.stringify(new URL('named.ts', import.meta.url).href)};
     process.exitCode = await runNamed(${JSON.stringify(words)}, ${JSON.stringify(named)});`,
  );
  const child = spawn(process.execPath, [join(folder, 'main.mjs')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FOLDER: folder },
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function ended(child: ChildProcess): Promise<{ code: unknown; out: string; err: string }> {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code]: unknown[] = await once(child, 'close');
  return { code, out, err };
}

const MOODY = `import { existsSync, writeFileSync } from 'node:fs';
const mark = process.env.FOLDER + '/mark';
process.exitCode = existsSync(mark) ? 0 : 1;
writeFileSync(mark, '');`;

test('all run, one after another; a failure is told in the summary and by the exit code', async (t) => {
  const child = started(t, ['all'], { good: 'console.log("said")', bad: 'process.exitCode = 1', moody: MOODY });
  const { code, out } = await ended(child);
  assert.equal(code, 1);
  assert.match(out, /^\[1 of 3\] good, 0\.5 min: Shows good\.\nsaid\n\[2 of 3\] bad/);
  assert.match(out, /^good +ok +\d\.\d +0\.5$/m);
  assert.match(out, /^bad +FAILED \(exit code 1\) +\d\.\d +0\.5$/m);
  assert.match(out, /^moody failed and is repeated once: it has moods$/m);
  assert.match(out, /^moody +ok, repeated once /m);
  assert.match(out, /^2 of 3 ok in \d\.\d minutes, commit \w+/m);
  assert.match(out, /^again: x -- bad$/m);
});

test('exit codes: 0 when all is well, 2 for an unknown name and for words that the program refuses', async (t) => {
  const programs = { good: '', picky: 'process.exitCode = process.argv.length > 2 ? 2 : 0' };
  assert.equal((await ended(started(t, ['good', 'picky'], programs))).code, 0);
  assert.equal((await ended(started(t, ['picky', '--bogus'], programs))).code, 2);
  const { code, out, err } = await ended(started(t, ['godo'], programs));
  assert.deepEqual([code, out], [2, '']);
  assert.equal(err, 'x: no check is called godo; say one of good, picky, all\n');
});

test('Ctrl-C ends the program and what it has started, and the exit code is 130', async (t) => {
  const endless = `import { spawn } from 'node:child_process';
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    console.log('started', child.pid);
    setInterval(() => {}, 1000);`;
  const child = started(t, ['endless', 'never'], { endless, never: 'console.log("NEVER")' });
  const lines: string[] = [];
  assert.ok(child.stdout !== null);
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith('started')) child.kill('SIGINT');
  }
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 130);
  assert.ok(!lines.includes('NEVER'));
  assert.ok(lines.some((line) => /^endless +not run to its end$/.test(line)));
  const grandchild = Number(lines.find((line) => line.startsWith('started'))?.split(' ')[1]);
  // the signal goes to the whole group at once; how soon each of its processes is gone is the machine's
  for (let tries = 0; isRunning(grandchild) && tries < 100; tries++) await sleep(50);
  assert.ok(!isRunning(grandchild), 'what the program had started is gone');
});

function isRunning(pid: number): boolean {
  try {
    // a process that has ended and is not yet taken note of is a zombie
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
