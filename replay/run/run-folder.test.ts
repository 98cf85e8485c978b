import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FASTER, reportOf } from '../../testing/sample-report.ts';
import { FILE_EXTENSIONS } from '../report/formats.ts';
import { writeRunFolder } from './run-folder.ts';

const report = reportOf(FASTER);
const runOf = (...variants: string[]): Parameters<typeof writeRunFolder>[1] => ({
  reports: variants.map((variant) => ({ variant, report })),
  replayed: [],
  otlp: [],
});

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'retake-run-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
const reportsIn = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith('report'));

test('reports of an earlier run make room for the new ones, and links are replaced', async (t) => {
  const folder = folderFor(t);
  await writeRunFolder(folder, runOf('first', 'second'));
  assert.equal(reportsIn(folder).length, 2 * FILE_EXTENSIONS.length);
  const kept = join(folderFor(t), 'kept');
  writeFileSync(kept, 'kept');
  rmSync(join(folder, 'report.md'));
  symlinkSync(kept, join(folder, 'report.md'));
  await writeRunFolder(folder, runOf('first'));
  assert.deepEqual(reportsIn(folder), FILE_EXTENSIONS.map((extension) => `report.${extension}`).sort());
  assert.equal(readFileSync(kept, 'utf8'), 'kept');
});

test('a report that cannot be rendered leaves the reports before it', async (t) => {
  const folder = folderFor(t);
  await writeRunFolder(folder, runOf('first'));
  const before = readFileSync(join(folder, 'report.json'), 'utf8');
  const broken = { variant: 'broken', report: { ...report, toJSON: () => assert.fail('cannot be rendered') } };
  await assert.rejects(writeRunFolder(folder, { ...runOf(), reports: [broken] }), /cannot be rendered/);
  assert.equal(readFileSync(join(folder, 'report.json'), 'utf8'), before);
});
