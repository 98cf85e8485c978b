import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { InputError } from './errors.ts';
import { checkRegular, readInput, readInputJson, readOwn, whenUnreadable } from './input-file.ts';

test('a file that cannot be read is named with the reason and what to do', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-input-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.json');
  const says = (message: string) => ({ name: 'InputError', message });
  assert.throws(
    () => readInput(path, 'settings', { next: 'try y' }),
    says(`${path}: cannot be read (ENOENT: does not exist); try y`),
  );
  assert.throws(
    () => readInput(folder, 'settings', { where: 'that' }),
    says('that: cannot be read (EISDIR: is a folder)'),
  );
  writeFileSync(path, '{"a":');
  assert.throws(() => readInputJson(path, 'settings'), says(`${path}: not JSON (Unexpected end of JSON input)`));
  writeFileSync(path, '{"a":1}');
  assert.deepEqual(readInputJson(path, 'settings'), { a: 1 });
});

/** What a path may lead to that is no regular file, and one that is too large. */
function oddFiles(t: TestContext): { path: (name: string) => string; cases: [path: string, says: RegExp][] } {
  const folder = mkdtempSync(join(tmpdir(), 'retake-odd-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  execFileSync('mkfifo', [path('pipe')]);
  writeFileSync(path('sparse'), '');
  truncateSync(path('sparse'), 5 * 2 ** 30);
  symlinkSync('/dev/zero', path('link'));
  const cases: [string, RegExp][] = [
    [path('pipe'), /pipe: cannot be read \(is a pipe; only regular files are read\)$/],
    ['/dev/zero', /zero: cannot be read \(is a device; only regular files are read\)$/],
    [folder, /cannot be read \(EISDIR: is a folder\)$/],
    [path('sparse'), /cannot be read \(has 5,368,709,120 bytes; a settings file has at most 4,000,000\)$/],
  ];
  return { path, cases };
}

test('only a regular file of a bounded size is read, at once; a link that is named leads to one', (t) => {
  const { path, cases } = oddFiles(t);
  const started = performance.now();
  for (const [odd, says] of [...cases, [path('link'), /link: cannot be read \(is a device/] as const])
    assert.throws(() => readInput(odd, 'settings'), { name: 'InputError', message: says });
  assert.ok(performance.now() - started < 2000);
  assert.equal(readInput('/proc/self/environ', 'settings').length, 0, 'as long as it says it is');
  writeFileSync(path('whole'), 'words');
  symlinkSync(path('whole'), path('to-whole'));
  assert.equal(readInput(path('to-whole'), 'settings').toString(), 'words');
});

test("a file of somebody else's folder is no link either; one that is not there is undefined", async (t) => {
  const { path, cases } = oddFiles(t);
  writeFileSync(path('whole'), 'words');
  symlinkSync(path('whole'), path('to-whole'));
  for (const [odd, says] of [
    ...cases,
    [path('to-whole'), /is a symbolic link; only regular files are read\)$/] as const,
  ])
    await assert.rejects(readOwn(odd, 'settings'), { name: 'InputError', message: says });
  assert.equal((await readOwn(path('whole'), 'settings'))?.toString(), 'words');
  assert.equal(await readOwn(path('none'), 'settings'), undefined);
});

test('a file that is read piece by piece may have any size, and is regular too', (t) => {
  const { path, cases } = oddFiles(t);
  for (const [odd, says] of cases.filter(([odd]) => odd !== path('sparse')))
    assert.throws(() => checkRegular(odd), { name: 'InputError', message: says });
  checkRegular(path('sparse'));
});

test('what is not JSON is said without a word of it', (t) => {
  const { path } = oddFiles(t);
  for (const text of ['PASSWORD=canary', '{"a": canary}', '[1, canary]', '"canary', `${' '.repeat(60)}{"a" canary`]) {
    writeFileSync(path('text'), text);
    assert.throws(
      () => readInputJson(path('text'), 'settings'),
      ({ message }: Error) => /text: not JSON \(.+\)$/.test(message) && !/canar|PASS/.test(message),
    );
  }
});

test("what the disk refuses names the disk's path and its own words; control: another error goes on as it is", () => {
  const refused = Object.assign(new Error("EACCES: permission denied, open '/a/b'"), { code: 'EACCES', errno: -13 });
  const message = 'a: cannot be read (EACCES: permission denied)';
  assert.throws(() => whenUnreadable('a')(refused), { name: 'InputError', message });
  const located = Object.assign(refused, { path: '/a/b' });
  assert.throws(() => whenUnreadable('a')(located), { message: message.replace('a:', '/a/b:') });
  for (const other of [new InputError('x'), new TypeError('x')])
    assert.throws(
      () => whenUnreadable('a')(other),
      (error) => error === other,
    );
});
