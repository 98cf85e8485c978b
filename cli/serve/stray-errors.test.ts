/** Errors that no code awaits, planted into `retake serve` as users start it: by a preloaded module, inside and outside of turns. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const WAV = readFileSync(new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url));
/** `inside`: the next request of a turn drops a rejected promise, as a careless client would. */
const PLANTER = `
import { subscribe } from 'node:diagnostics_channel';
let armed = false;
subscribe('undici:request:create', () => { if (armed) { armed = false; void Promise.reject(new TypeError('secret words')); } });
process.on('message', (where) => { if (where === 'inside') armed = true; else void Promise.reject(new RangeError('secret words')); process.send('planted'); });
process.channel.unref();
`;
/** The second turn of a session waits for its reply. */
const SCENARIO = { title: 'slow', rules: [{ route: 'llm', turns: [1], tune: { ttftMs: 700 } }] };

interface Served {
  child: ChildProcess;
  url: string;
  folder: string;
  text(): string;
}

async function served(t: TestContext): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'retake-stray-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'planter.mjs'), PLANTER);
  writeFileSync(join(folder, 'slow.json'), JSON.stringify(SCENARIO));
  const flags = [
    '--import',
    join(folder, 'planter.mjs'),
    MAIN,
    'serve',
    '--profile',
    'zero',
    '--scenario',
    'slow.json',
  ];
  const child = spawn(process.execPath, flags, {
    cwd: folder,
    env: { RETAKE_DATA: join(folder, 'data'), RETAKE_PORT: '0', RETAKE_WORLD: 'wire' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      text += chunk.toString();
      const found = /Retake serves (\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${text}`)));
  });
  return { child, url, folder, text: () => text };
}

async function plant({ child }: Served, where: 'inside' | 'outside'): Promise<void> {
  child.send(where);
  await once(child, 'message');
}

async function opened({ url }: Served): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"language":"en"}',
  });
  return ((await response.json()) as { id: string }).id;
}

const speak = ({ url }: Served, id: string): Promise<{ status: number; text: string }> =>
  fetch(`${url}/v1/sessions/${id}/turns`, { method: 'POST', headers: { 'content-type': 'audio/wav' }, body: WAV }).then(
    async (response) => ({ status: response.status, text: await response.text() }),
  );

test('in a turn it fails that turn alone; in no turn the service ends its turns, keeps them, and exits 4', async (t) => {
  const service = await served(t);
  const ids = [await opened(service), await opened(service)];
  await plant(service, 'inside');
  const turns = await Promise.all(ids.map((id) => speak(service, id)));
  const failed = turns.findIndex(({ status }) => status === 500);
  assert.match(turns[failed]?.text ?? '', /deliver internal.*TypeError in code that no stage awaits/);
  assert.match(turns[1 - failed]?.text ?? '', /^event: done/m, 'the other turn goes on');
  assert.equal((await speak(service, await opened(service))).status, 200, 'and the service serves');
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  assert.match(metrics, /retake_stray_errors_total\{outcome="turn-failed"\} 1/);

  const [id = ''] = ids.filter((_id, index) => index !== failed);
  const slow = speak(service, id);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const exited = once(service.child, 'close');
  await plant(service, 'outside');
  const refused = await fetch(`${service.url}/v1/sessions`, { method: 'POST' });
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
  assert.match((await slow).text, /^event: done/m, 'the running turn ends');
  assert.deepEqual(await exited, [4, null]);
  assert.match(service.text(), /"outcome":"unplaced","error":"RangeError","at":\["at /);
  assert.match(service.text(), /retake: internal error: .*belongs to no turn/);
  assert.doesNotMatch(service.text(), /secret words/, 'a message may quote what a user said');
  const [events = ''] = globSync(join(service.folder, `data/**/${id}/events.jsonl`));
  assert.match(readFileSync(events, 'utf8'), /"turnIndex":1|"turn":1/, 'its capture is whole');
});
