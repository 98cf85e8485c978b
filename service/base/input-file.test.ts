import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { makeOddFiles, type OddFiles } from '../../testing/odd-files.ts';
import { InputError } from './errors.ts';
import { linesOwn } from './file-lines.ts';
import { VALUES_LIMIT } from './json.ts';
import { checkRegular, openOwn, readInput, readInputJson, readOwn, whenUnreadable } from './input-file.ts';

test('a file that cannot be read is named with reason and remedy', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-input-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.json');
  const saying = (message: string) => ({ name: 'InputError', message });
  assert.throws(
    () => readInput(path, 'settings', { next: 'try y' }),
    saying(`${path}: cannot be read (ENOENT: does not exist); try y`),
  );
  assert.throws(
    () => readInput(folder, 'settings', { where: 'that' }),
    saying('that: cannot be read (EISDIR: is a folder)'),
  );
  writeFileSync(path, '{"a":');
  assert.throws(() => readInputJson(path, 'settings'), saying(`${path}: not JSON (Unexpected end of JSON input)`));
  writeFileSync(path, '{"a":1}');
  assert.deepEqual(readInputJson(path, 'settings'), { a: 1 });
});

test('a file of more values than fit into memory is not parsed; control: as long a file of few values is', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-input-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'report.json');
  writeFileSync(path, `[${'0,'.repeat(VALUES_LIMIT)}0]`);
  const reason = `${path}: more than 5,000,000 values in one document`;
  assert.throws(() => readInputJson(path, 'log'), { name: 'InputError', message: `${reason}; name a smaller file` });
  assert.throws(() => readInputJson(path, 'log', { next: 'try y' }), { message: `${reason}; try y` });
  writeFileSync(path, `["${'0.'.repeat(VALUES_LIMIT)}"]`);
  assert.equal(Array.isArray(readInputJson(path, 'log')), true);
});

const says = (path: string, why: string) => ({ name: 'InputError', message: `${path}: cannot be read (${why})` });

/** Odd files with what is said of each. */
function oddFiles(t: TestContext): {
  odd: OddFiles;
  path: (name: string) => string;
  cases: [path: string, why: string][];
} {
  const folder = mkdtempSync(join(tmpdir(), 'retake-odd-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const odd = makeOddFiles(folder);
  const cases: [string, string][] = [
    [odd.pipe, 'is a pipe; only regular files are read'],
    [odd.zero, 'is a device; only regular files are read'],
    [odd.folder, 'EISDIR: is a folder'],
    [odd.sparse, 'has 5,368,709,120 bytes; a settings file has at most 4,000,000'],
  ];
  return { odd, path: (name) => join(folder, name), cases };
}

test('only a regular file of a bounded size is read, at once; a link that is named leads to one', (t) => {
  const { odd, path, cases } = oddFiles(t);
  const started = performance.now();
  for (const [file, why] of cases) assert.throws(() => readInput(file, 'settings'), says(file, why));
  assert.throws(() => readInput(odd.link, 'settings'), says(odd.link, 'is a device; only regular files are read'));
  assert.ok(performance.now() - started < 2000);
  assert.equal(readInput(odd.environment, 'settings').length, 0, 'as long as it says it is');
  writeFileSync(path('whole'), 'words');
  symlinkSync(path('whole'), path('to-whole'));
  assert.equal(readInput(path('to-whole'), 'settings').toString(), 'words');
});

test("a file of somebody else's folder may be no link; a missing file is undefined", async (t) => {
  const { odd, path, cases } = oddFiles(t);
  writeFileSync(path('whole'), 'words');
  symlinkSync(path('whole'), path('to-whole'));
  for (const [file, why] of cases) await assert.rejects(readOwn(file, 'settings'), says(file, why));
  const why = 'is a symbolic link; only regular files are read';
  for (const link of [path('to-whole'), odd.link]) await assert.rejects(readOwn(link, 'settings'), says(link, why));
  assert.equal((await readOwn(path('whole'), 'settings'))?.toString(), 'words');
  assert.equal(await readOwn(odd.missing, 'settings'), undefined);
});

test('a file that is read piece by piece may have any size, and is regular too', (t) => {
  const { odd, cases } = oddFiles(t);
  for (const [file, why] of cases.slice(0, 3)) assert.throws(() => checkRegular(file), says(file, why));
  checkRegular(odd.sparse);
});

test('a file that is no JSON is refused without quoting the file', (t) => {
  const { path } = oddFiles(t);
  for (const text of ['PASSWORD=canary', '{"a": canary}', '[1, canary]', '"canary', `${' '.repeat(60)}{"a" canary`]) {
    writeFileSync(path('text'), text);
    assert.throws(
      () => readInputJson(path('text'), 'settings'),
      ({ message }: Error) => /text: not JSON \(.+\)$/.test(message) && !/canar|PASS/.test(message),
    );
  }
});

test("an error of the disk names the disk's path and words; control: another error stays as it is", () => {
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

test('neither lines nor a file to change are taken from a pipe, a device, a link or a folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-odd-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const odd = makeOddFiles(folder);
  for (const path of [odd.pipe, odd.zero, odd.link, odd.folder]) {
    await assert.rejects(openOwn(path, { write: true }), { name: 'InputError' }, path);
    await assert.rejects(async () => void (await linesOwn(path).next()), { name: 'InputError' }, path);
  }
});
