import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeWhole } from './output-file.ts';

function folderFor(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'retake-output-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

test('links in the place of a file and of its part are replaced; control: writing plainly follows them', async (t) => {
  const at = folderFor(t);
  writeFileSync(at('other'), 'kept');
  for (const name of ['page', 'page.part', 'plain']) symlinkSync(at('other'), at(name));
  await writeWhole(at('page'), 'new');
  assert.deepEqual([readFileSync(at('page'), 'utf8'), readFileSync(at('other'), 'utf8')], ['new', 'kept']);
  assert.deepEqual(readdirSync(at('')).sort(), ['other', 'page', 'plain']);
  writeFileSync(at('plain'), 'new');
  assert.equal(readFileSync(at('other'), 'utf8'), 'new');
});

test('a file that cannot be written leaves the one before', async (t) => {
  const at = folderFor(t);
  writeFileSync(at('page'), 'before');
  mkdirSync(at('page.part'));
  await assert.rejects(writeWhole(at('page'), 'new'));
  assert.equal(readFileSync(at('page'), 'utf8'), 'before');
});
