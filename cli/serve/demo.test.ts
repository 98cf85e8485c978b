import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createRealClock } from '../../service/base/clock.ts';
import { claimSpool, holderHere } from '../../service/spool/claim.ts';
import { clearDemoFolder } from './demo.ts';

test('a demo empties the folder of an earlier demo, and no other', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'retake-demo-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const cases: readonly [name: string, files: readonly string[], cleared: boolean][] = [
    ['absent', [], true],
    ['finished', ['report.json', 'report.html', 'data/captures/x'], true],
    ['interrupted', ['data/spool/001.otlp.jsonl'], true],
    ['someone-elses', ['letter.txt'], false],
    ['someone-elses-data', ['data/table.csv'], false],
    ['package', ['report.json', 'data/captures/x', 'package.json'], false],
    ['checkout', ['report.json', '.git/HEAD'], false],
  ];
  for (const [name, files, cleared] of cases) {
    const out = join(root, name);
    for (const file of files) {
      await mkdir(dirname(join(out, file)), { recursive: true });
      await writeFile(join(out, file), 'x');
    }
    const before = await readdir(out, { recursive: true }).catch(() => []);
    if (cleared) {
      await clearDemoFolder(out);
      assert.deepEqual(await readdir(out).catch(() => []), [], name);
    } else {
      await assert.rejects(clearDemoFolder(out), { name: 'InputError', message: /no demo wrote.*name another folder/ });
      assert.deepEqual(await readdir(out, { recursive: true }), before, name);
    }
  }
  const served = join(root, 'served');
  const spool = join(served, 'data', 'spool');
  await mkdir(spool, { recursive: true });
  const { lock } = claimSpool(spool, holderHere(createRealClock()));
  await assert.rejects(clearDemoFolder(served), { name: 'InputError', message: /a service runs on the data in it/ });
  assert.ok((await readdir(spool)).includes('lock'));
  lock.release();
  await clearDemoFolder(served);
  assert.deepEqual(await readdir(served), []);

  await mkdir(join(root, 'empty'));
  await clearDemoFolder(join(root, 'empty'));
  await assert.rejects(
    clearDemoFolder(join(root, 'someone-elses', 'letter.txt')),
    /the folder cannot be read \(ENOTDIR/,
  );
});
