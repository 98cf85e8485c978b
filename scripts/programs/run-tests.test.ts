import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('run-tests.mjs', import.meta.url));

test('npm test runs *.test.ts and no other file; flags and files are passed on; --no-skips fails a skipped test', (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'retake-tests-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const file = (path: string, ...tests: string[]): void =>
    writeFileSync(join(cwd, path), `const { test } = require('node:test');\n${tests.join('\n')}`);
  mkdirSync(join(cwd, 'room'));
  mkdirSync(join(cwd, 'node_modules'));
  file('one.test.ts', `test('first', () => {});`, `test('left out', { skip: true }, () => {});`);
  file('room/two.test.ts', `test('second', () => {});`);
  file('room/test-helper.ts', `test('a helper', () => {});`);
  file('node_modules/three.test.ts', `test('a dependency', () => {});`);
  // a test that runs tests: node would take it for one of its own files
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = (...words: string[]): [code: number | null, tests: string[], err: string] => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...words], { cwd, env, encoding: 'utf8' });
    return [status, [...stdout.matchAll(/^[✔﹣] (\w[\w ]*) \(/gm)].map(([, name = '']) => name).sort(), stderr];
  };
  assert.deepEqual(run(), [0, ['first', 'left out', 'second'], '']);
  assert.deepEqual(run('room/two.test.ts'), [0, ['second'], '']);
  assert.deepEqual(run('--test-name-pattern', 'second'), [0, ['second'], '']);
  const [code, tests, err] = run('--no-skips');
  assert.deepEqual([code, tests], [1, ['first', 'left out', 'second']]);
  assert.match(err, /^a test was skipped: left out \(.*one\.test\.ts\)\n$/);
  assert.deepEqual(run('--no-skips', 'room/two.test.ts'), [0, ['second'], '']);
});
