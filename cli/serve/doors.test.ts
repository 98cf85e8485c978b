/**
 * What a client of the API can name: nothing on the service's machine. The service as users start it, with a secret in its environment and
 * one in a file beside it. docs/security.md lists the doors.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { promptOf } from '../../service/strategy/prompt-text.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import { makeOddFiles } from '../../testing/odd-files.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const RECORDING = readFileSync(new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url));
const SECRET = 'canary-8c1f2b';
/** What the operator's own prompt file says: it is to reach the model. */
const PROMPT = 'You interview herons. Ask one question.';

const FOLDER = mkdtempSync(join(tmpdir(), 'retake-doors-'));
const at = (name: string): string => join(FOLDER, name);
const odd = makeOddFiles(at('odd'));
writeFileSync(at('secret.json'), JSON.stringify({ secret: SECRET }));
writeFileSync(at('prompt.txt'), PROMPT);
writeFileSync(at('strategy.json'), JSON.stringify({ llm: { systemPrompt: { file: at('prompt.txt') } } }));

let log = '';
let answers = '';
let url = '';
let pid = 0;
let stop = (): Promise<void> => Promise.resolve();
after(async () => {
  await stop();
  rmSync(FOLDER, { recursive: true, force: true });
});

before(async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', '--profile', 'zero'], {
    cwd: FOLDER,
    env: {
      RETAKE_DATA: at('data'),
      RETAKE_PORT: '0',
      RETAKE_STRATEGY: at('strategy.json'),
      UNTOLD: SECRET,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  stop = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    await closed;
  };
  pid = child.pid ?? 0;
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error(log)));
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      url = /Retake serves (\S+) /.exec(log)?.[1] ?? '';
      if (url !== '') resolve();
    });
  });
});

interface Answer {
  status: number;
  text: string;
  detail: string;
}

async function ask(path: string, init?: RequestInit): Promise<Answer> {
  const asked = (): Promise<Response> => fetch(`${url}${path}`, { signal: AbortSignal.timeout(20_000), ...init });
  let response = await asked();
  // a machine that is busy with other tests: the service says when to come back
  for (let tries = 0; tries < 10 && response.status === 503; tries++) {
    await response.body?.cancel();
    await sleep(1000);
    response = await asked();
  }
  const text = await response.text();
  answers += text;
  const detail = /"detail":("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return { status: response.status, text, detail: detail === undefined ? '' : (JSON.parse(detail) as string) };
}

const open = (body: unknown): Promise<Answer> =>
  ask('/v1/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const residentBytes = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

test('a file in a strategy is refused: one answer for any path, which does not tell what lies there', async () => {
  const before = residentBytes();
  const files = [...Object.values(odd), at('secret.json'), at('prompt.txt'), '../secret.json', '/etc/passwd', ''];
  const prompts = files.flatMap((file) => [{ file }, { file, sha256: '0'.repeat(64) }, { file, text: 'Ask.' }]);
  const refusals = await Promise.all(prompts.map((systemPrompt) => open({ strategy: { llm: { systemPrompt } } })));
  assert.equal(refusals.length, 36);
  const [first] = refusals;
  assert.deepEqual([first?.status, new Set(refusals.map(({ text }) => text)).size], [400, 1]);
  assert.match(
    first?.detail ?? '',
    /^strategy: knob "llm.systemPrompt.file" is for the operator's command line and RETAKE_STRATEGY only; give the text itself/,
  );
  assert.ok(residentBytes() - before < 200e6, 'nothing was read');
});

test('no other knob or field names a file, a host or a region of its own', async () => {
  const bodies: readonly [body: unknown, detail: RegExp][] = [
    [{ strategy: { network: { region: '/etc/passwd' } } }, /knob "network.region" must be: base URLs by their name/],
    [{ strategy: { network: { http2: true } } }, /knob "network.http2" is for the operator's RETAKE_STRATEGY only/],
    [{ strategy: { network: { region: 'us' } } }, /knob "network.region" is us, but no regions are configured/],
    [{ strategy: { network: { region: 'constructor' } } }, /knob "network.region" is constructor, but no regions/],
    ['{"strategy":{"network":{"__proto__":{"region":"eu"}}}}', /there is no knob "network.__proto__"/],
    [{ strategy: { endpoints: { falRunUrl: 'http://169.254.169.254' } } }, /there is no knob "endpoints"/],
    [{ strategy: { llm: { url: 'http://127.0.0.1' } } }, /there is no knob "llm.url"/],
    [{ strategy: { llm: { model: '../../etc/passwd' } } }, /knob "llm.model" must be/],
    [{ strategy: { llm: { hedge: { afterMs: 1, model: 'http://127.0.0.1/x' } } } }, /knob "llm.hedge/],
    [{ strategy: { tts: { voice: '/etc/passwd' } } }, /knob "tts.voice" must be one of/],
    [{ voice: at('secret.json') }, /field "voice"|knob "tts.voice" must be one of/],
    [{ interview: '../secret' }, /field "interview" must match pattern/],
    [{ interview: 'en-frontent' }, /^field "interview" is en-frontent, which is none of tr-backend, .*en-frontend/],
    [{ language: '../../x' }, /field "language" must be one of tr, tr-TR, en/],
    [{ profile: at('secret.json') }, /field "profile" must NOT have additional properties/],
    [{ file: at('secret.json') }, /field "file" must NOT have additional properties/],
  ];
  for (const [body, detail] of bodies) {
    const answer = await open(body);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.detail, detail);
  }
});

test("a prompt that the service knows by its digest alone is not lent: the operator's stays the operator's", async () => {
  const { sha256, chars } = promptOf(PROMPT);
  for (const systemPrompt of [{ sha256 }, { sha256, chars }]) {
    const { status, detail } = await open({ strategy: { llm: { systemPrompt } } });
    assert.equal(status, 400);
    assert.match(detail, /^knob "llm.systemPrompt" names a text by its sha256 .*give it as "llm.systemPrompt.text"$/);
  }
  const wrong = await open({ strategy: { llm: { systemPrompt: { text: 'x', foo: 1 } } } });
  assert.match(wrong.detail, /there is no knob "llm.systemPrompt.foo"/);
  assert.doesNotMatch(wrong.text, /heron|prompt\.txt/);
});

test('ids and indexes that are paths find nothing, and the answer does not tell what lies there', async () => {
  const paths = [
    '..%2f..%2fsecret.json',
    '%2e%2e',
    encodeURIComponent(at('secret.json')),
    encodeURIComponent(odd.pipe),
  ];
  for (const id of paths) {
    for (const path of [`/v1/sessions/${id}`, `/v1/sessions/${id}/turns/0`, `/v1/turns/${id}`]) {
      const answer = await ask(path);
      assert.equal(answer.status, 404, `${path}: ${answer.text}`);
    }
    assert.equal((await ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status, 404);
  }
  assert.ok(statSync(at('secret.json')).isFile());
});

test('a pipe, a link and a device where a capture should be: 404 at once, and turns go on', async () => {
  const day = at('data/captures/2026/01/01');
  const header = readFileSync('fixtures/sessions/format-1/8a06638042f98f48e9ce/session.json', 'utf8');
  mkdirSync(join(day, 'pipe'), { recursive: true });
  execFileSync('mkfifo', [join(day, 'pipe/session.json')]);
  for (const [id, target] of [
    ['linked', at('secret.json')],
    ['endless', odd.zero],
  ] as const) {
    mkdirSync(join(day, id));
    writeFileSync(join(day, id, 'session.json'), header);
    execFileSync('ln', ['-s', target, join(day, id, 'events.jsonl')]);
  }
  const ids = ['pipe', 'linked', 'endless'];
  const found = await Promise.all(ids.flatMap((id) => [1, 2, 3].map(() => ask(`/v1/sessions/${id}`))));
  assert.deepEqual(new Set(found.map(({ status }) => status)), new Set([404]));
  assert.match((await ask('/healthz')).text, /"ok"/);
});

test('messages on a WebSocket name nothing either', async () => {
  const { id } = JSON.parse((await open({})).text) as { id: string };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${id}/stream`);
  await once(socket, 'open');
  const told: string[] = [];
  socket.on('message', (data: Buffer) => told.push(data.toString()));
  const files = [at('secret.json'), odd.environment];
  for (const file of files)
    for (const message of [
      { type: 'start', file },
      { type: 'start', sampleRateHz: file, format: 'pcm_s16le' },
      { type: file },
    ])
      socket.send(JSON.stringify(message));
  socket.ping();
  await once(socket, 'pong');
  socket.terminate();
  assert.equal(told.length, 6);
  answers += told.join('\n');
});

test("control: the operator's own prompt file reaches the model as its text, and the capture, which holds no path", async () => {
  const { id } = JSON.parse((await open({ language: 'en', interview: 'en-frontend' })).text) as { id: string };
  const turn = await ask(`/v1/sessions/${id}/turns`, {
    method: 'POST',
    headers: { 'content-type': 'audio/wav' },
    body: RECORDING,
  });
  assert.match(turn.text, /event: done/);
  await stop(); // what is kept of the turn is on disk
  const [folder = ''] = globSync(`data/captures/*/*/*/${id}`, { cwd: FOLDER });
  const { strategy } = JSON.parse(readFileSync(at(`${folder}/session.json`), 'utf8')) as { strategy: Strategy };
  assert.deepEqual(strategy.llm.systemPrompt, promptOf(PROMPT));
  assert.ok(readFileSync(at(`${folder}/events.jsonl`), 'utf8').includes(PROMPT), 'the model was asked with it');
});

test('after all that, neither secret nor path is in any answer, log, capture, span or cache; control: what is there is found', () => {
  const names = globSync('data/**/*', { cwd: FOLDER }).filter((name) => !/\/(pipe|linked|endless)(\/|$)/.test(name));
  const kept = names
    .filter((name) => statSync(at(name)).isFile())
    .map((name): [string, string] => [name, readFileSync(at(name), 'latin1')]);
  assert.ok(kept.some(([name]) => name.includes('spool/')) && kept.some(([name]) => name.endsWith('events.jsonl')));
  assert.ok(kept.some(([, text]) => text.includes(PROMPT)));
  for (const [where, text] of [...kept, ['log', log] as const])
    for (const leak of [SECRET, 'prompt.txt', 'secret.json', at('odd')])
      assert.ok(!text.includes(leak), `${leak} in ${where}`);
  assert.ok(answers.length > 10_000 && !answers.includes(SECRET)); // paths are there: a client's own words come back
});
