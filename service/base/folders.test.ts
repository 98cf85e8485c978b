import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeFolders, makeFoldersSync } from './folders.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'retake-folders-'));
after(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string): string => join(ROOT, name);
writeFileSync(at('file'), '');
symlinkSync(at('loop'), at('loop'));
symlinkSync(at('nowhere'), at('dangling'));
mkdirSync(at('real'));
symlinkSync(at('real'), at('link'));

const MAKERS: readonly [string, (folder: string, mode?: number) => Promise<void>][] = [
  ['makeFolders', makeFolders],
  ['makeFoldersSync', async (folder, mode) => makeFoldersSync(folder, mode)],
];
for (const [name, make] of MAKERS) {
  test(`${name} makes what is missing, keeps what is there, also behind a link`, async () => {
    const folder = at(`${name}/a/b/c`);
    await Promise.all([make(folder, 0o700), make(folder, 0o700), make(at(`${name}/a/b/d`), 0o700)]);
    await make(folder);
    for (const each of [folder, at(`${name}/a`)]) assert.equal(statSync(each).mode & 0o777, 0o700);
    await make(at(`link/${name}`));
    assert.ok(statSync(at(`real/${name}`)).isDirectory());
  });

  test(`${name} ends with the disk's error where no folder can be`, async () => {
    const cases: readonly [folder: string, code: string][] = [
      ['/proc/1/x', 'ENOENT'],
      ['/proc/1/x/y/z', 'ENOENT'],
      ['/dev/null/x', 'ENOTDIR'],
      [at('file'), 'EEXIST'],
      [at('file/x'), 'ENOTDIR'],
      [at('loop/x'), 'ELOOP'],
      [at('dangling/x'), 'ENOENT'],
    ];
    for (const [folder, code] of cases) await assert.rejects(make(folder), { code }, folder);
  });
}
