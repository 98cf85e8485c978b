import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { describeError, InputError } from '../../service/base/errors.ts';
import { makeFolder } from './out-folder.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'retake-out-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

test('a folder is made with those above it, with the mode that was asked for; one that is there is left', async () => {
  const folder = join(FOLDER, 'a/b/c');
  await makeFolder(folder, 0o700);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  writeFileSync(join(folder, 'kept'), '');
  await makeFolder(folder);
  assert.ok(existsSync(join(folder, 'kept')));
});

test('where no folder can be made, one line names the cause, and the command ends', async () => {
  const file = join(FOLDER, 'file');
  writeFileSync(file, '');
  const places: [where: string, why: RegExp][] = [
    [file, /EEXIST/],
    [join(file, 'below'), /ENOTDIR/],
    ...(existsSync('/proc/self') ? [['/proc/nope/out', /ENOENT/] as [string, RegExp]] : []),
  ];
  for (const [where, why] of places)
    await assert.rejects(makeFolder(where), (error) => {
      assert.ok(error instanceof InputError);
      assert.ok(error.message.startsWith(`${where} cannot be written`));
      assert.match(describeError(error), why);
      return true;
    });
});
