/** `infra:up` and `infra:down` as users meet them: up twice, down without up, and a program that does not start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { folderOf, ROOT } from './harness.ts';

test('up starts both, up again is refused, down stops both, and down again says so', async (context) => {
  const infra = infraIn(folderOf(context));
  context.after(() => infra('down'));
  const up = infra('up');
  assert.equal(up.code, 0, up.err);
  const urls = [...up.out.matchAll(/ (http:\S+)/g)].map(([, url = '']) => url);
  assert.ok(urls.length >= 4);
  const [jaeger = ''] = urls;
  assert.equal((await fetch(`${jaeger}/api/v3/services`)).status, 200);
  const again = infra('up');
  assert.deepEqual([again.code, /already up .*infra:down" first/.test(again.err)], [2, true]);
  assert.equal((await fetch(`${jaeger}/api/v3/services`)).status, 200, 'the first one is as it was');
  assert.match(infra('down').out, /^down/);
  await assert.rejects(fetch(`${jaeger}/api/v3/services`));
  assert.deepEqual([infra('down').code, infra('down').out.trim()], [0, 'nothing was up']);
});

test('a Collector that does not start takes Jaeger with it, and the end of its log is the message', (context) => {
  const folder = folderOf(context);
  const infra = infraIn(folder, { COLLECTOR_MEMORY_MIB: 'much' });
  context.after(() => infra('down'));
  const up = infra('up');
  assert.equal(up.code, 2);
  assert.match(up.err, /otelcol did not get ready[\s\S]*limit_mib/);
  assert.ok(!existsSync(join(folder, 'data/infra/running.json')));
  assert.equal(infra('down').out.trim(), 'nothing was up');
});

function infraIn(
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): (command: string) => { code: number | null; out: string; err: string } {
  return (command) => {
    const words = [join(ROOT, 'scripts/infra/main.ts'), command];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      cwd,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    });
    return { code: status, out: stdout, err: stderr };
  };
}
