import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { linesOf, linesOwn } from './file-lines.ts';

test('lines are read from a place on, however they lie in the windows in which they are read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-lines-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'lines');
  const lines = Array.from({ length: 60 }, (_, index) => `${index}:${'ş'.repeat((index * 791_911) % 90_000)}`);
  writeFileSync(path, `${lines.join('\n')}\n\ntorn`);
  const read: string[] = [];
  const ends: number[] = [0];
  for await (const { bytes, endBytes, torn } of linesOwn(path)) {
    read.push(`${bytes.toString()}${torn ? ' (torn)' : ''}`);
    ends.push(endBytes);
  }
  assert.deepEqual(read, [...lines, '', 'torn (torn)']);
  assert.equal(ends.at(-1), statSync(path).size);
  const later: string[] = [];
  for await (const { bytes } of linesOwn(path, { fromBytes: ends[40] })) later.push(bytes.toString());
  assert.deepEqual(later, [...lines.slice(40), '', 'torn']);
  const inMemory = [...linesOf(readFileSync(path))];
  assert.deepEqual(
    inMemory.map(({ endBytes }) => endBytes),
    ends.slice(1),
  );
  for await (const line of linesOwn(join(folder, 'none'))) assert.fail(String(line.endBytes));
});
