import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fieldOf } from '../service/base/json.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const scripts = Object.entries(
  Object(fieldOf(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')), 'scripts')),
);

test('at most 20 npm scripts, each on the project’s own Node, none of them a twin', () => {
  assert.ok(scripts.length <= 20, `${scripts.length} scripts`);
  const names = scripts.map(([name]) => name);
  assert.deepEqual(past(scripts), []);
  assert.deepEqual(twins(names), []);
  // control
  assert.deepEqual(past([['demo', 'node cli/main.ts demo']]), ['demo']);
  assert.deepEqual(twins(['demo', 'predemo', 'preview']), ['predemo']);
});

const past = (some: readonly [string, unknown][]): string[] =>
  some.filter(([, line]) => !String(line).startsWith('node scripts/with-modules.mjs ')).map(([name]) => name);
const twins = (names: readonly string[]): string[] =>
  names.filter((name) => names.some((other) => name === `pre${other}` || name === `post${other}`));

const LOCKED = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0', optional: true } };

/** A project with the launcher, where `npm` notes its arguments and installs. */
function projectWith(
  t: TestContext,
  installed: object | undefined,
): (...words: string[]) => {
  code: number | null;
  out: string;
  err: string;
} {
  const root = mkdtempSync(join(tmpdir(), 'retake-modules-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['scripts/programs', 'fake', 'elsewhere/node/bin'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const file of ['scripts/programs/own-node.mjs', 'scripts/with-modules.mjs'])
    copyFileSync(join(ROOT, file), join(root, file));
  symlinkSync(process.execPath, join(root, 'elsewhere/node/bin/node'));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...LOCKED } }));
  if (installed !== undefined)
    writeFileSync(join(root, 'elsewhere/.package-lock.json'), JSON.stringify({ packages: installed }));
  const npm = `#!/bin/sh\necho "npm $*"\ncp -R ${root}/elsewhere ${root}/node_modules\n`;
  writeFileSync(join(root, 'fake/npm'), npm);
  chmodSync(join(root, 'fake/npm'), 0o700);
  if (installed !== undefined) symlinkSync(join(root, 'elsewhere'), join(root, 'node_modules'));
  return (...words) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/with-modules.mjs'), ...words], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(root, 'fake')}${delimiter}${process.env['PATH'] ?? ''}` },
    });
    return { code: status, out: stdout, err: stderr };
  };
}

test('modules that are as locked are left alone; the program has its words, flags and exit code', (t) => {
  const run = projectWith(t, { 'node_modules/a': LOCKED['node_modules/a'] });
  const printed = 'console.log(process.argv.slice(1).join()); process.exitCode = 7';
  assert.deepEqual(run('node', '-e', printed, '--', '--flag', 'a b'), { code: 7, out: '--flag,a b\n', err: '' });
  assert.deepEqual(run('sh', '-c', 'exit 3'), { code: 3, out: '', err: '' });
  assert.equal(run().code, 0);
});

test('missing modules are installed first, as npm ci does it', (t) => {
  const run = projectWith(t, undefined);
  const { code, out, err } = run('node', '-e', 'console.log("ran")');
  assert.deepEqual([code, out], [0, 'ran\n']);
  assert.match(err, /^Installing dependencies \(npm ci\)…\nnpm ci --include=dev .*\n$/);
});

test('modules that another checkout shares by a link are never installed over', (t) => {
  const run = projectWith(t, { 'node_modules/a': { version: '0.9.0' } });
  const { code, out, err } = run('node', '-e', 'console.log("ran")');
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /^\S+node_modules is a link .*\n$/);
});
