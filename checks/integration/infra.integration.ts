/** `infra:up` and `infra:down` as users meet them: up twice, down without up, and a program that does not start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { ROOT } from './harness.ts';

test('up starts both, up again is refused, down stops both, and down again says so', async (context) => {
  const { infra } = infraIn(context);
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
  const { infra, folder } = infraIn(context, { COLLECTOR_MEMORY_MIB: 'much' });
  const up = infra('up');
  assert.equal(up.code, 2);
  assert.match(up.err, /otelcol did not get ready[\s\S]*limit_mib/);
  assert.ok(!existsSync(join(folder, 'data/infra/running.json')));
  assert.equal(infra('down').out.trim(), 'nothing was up');
});

/** `infra` in a folder of its own. After the test everything is down, then the folder is removed: it says what is up. */
function infraIn(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
): { infra(command: string): { code: number | null; out: string; err: string }; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'retake-infra-'));
  const infra = (command: string): { code: number | null; out: string; err: string } => {
    const words = [join(ROOT, 'scripts/infra/main.ts'), command];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      cwd: folder,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    });
    return { code: status, out: stdout, err: stderr };
  };
  context.after(() => {
    infra('down');
    rmSync(folder, { recursive: true, force: true });
  });
  return { infra, folder };
}
