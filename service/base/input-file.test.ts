import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError } from './errors.ts';
import { readInput, readInputJson, whenUnreadable } from './input-file.ts';

test('a file that cannot be read is named with the reason and what to do', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-input-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.json');
  const says = (message: string) => ({ name: 'InputError', message });
  assert.throws(
    () => readInput(path, { next: 'try y' }),
    says(`${path}: cannot be read (ENOENT: does not exist); try y`),
  );
  assert.throws(() => readInput(folder, { where: 'that' }), says('that: cannot be read (EISDIR: is a folder)'));
  writeFileSync(path, '{"a":');
  assert.throws(() => readInputJson(path), says(`${path}: not JSON (Unexpected end of JSON input)`));
  writeFileSync(path, '{"a":1}');
  assert.deepEqual(readInputJson(path), { a: 1 });
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
