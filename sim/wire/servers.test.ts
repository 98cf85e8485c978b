import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Agent, fetch } from 'undici';
import { createRealClock } from '../../service/base/clock.ts';
import { FREYA_STT_APP, FREYA_TTS_APP } from '../stand-ins/fal.ts';
import { DRAW_HEADER } from '../times/plan.ts';
import { loadProfile } from '../times/profile.ts';
import { speechPcm, wavOf } from '../times/speech-audio.ts';
import { startStandIns, type StandIns } from './launch.ts';

const DELAY_MS = 60;
const clock = createRealClock();
let standIns: StandIns;
let agent: Agent;

before(async () => {
  const inject = { tlsMs: DELAY_MS, waitMs: DELAY_MS, firstItemMs: DELAY_MS };
  standIns = await startStandIns({ profile: loadProfile('zero'), seed: 1, inject });
  agent = new Agent({ allowH2: false, connect: { ca: standIns.caPem } });
});
after(async () => {
  await agent.destroy(); // some answers were left unread on purpose
  await standIns.stop();
});

const speak = (headers: Record<string, string> = {}, dispatcher = agent) =>
  fetch(`${standIns.urls.falRun}/${FREYA_TTS_APP}/stream`, {
    method: 'POST',
    dispatcher,
    headers: { authorization: 'Key k', ...headers },
    body: JSON.stringify({ input: 'Merhaba, hoş geldiniz.' }),
  });
const since = (fromUs: number): number => (clock.nowUs() - fromUs) / 1000;
/** Delays are promises of a minimum: how much later a busy machine is, the honesty suite measures. */
const atLeast = (ms: number, expectedMs: number): void =>
  assert.ok(ms > expectedMs - 3, `${ms} ms, less than ${expectedMs}`);

test('real HTTPS: delays lie in set-up, wait and first item; a second request reuses the connection', async () => {
  const other = new Agent({ allowH2: false, connect: { ca: standIns.caPem } });
  for (let warmUp = 0; warmUp < 3; warmUp++) await (await speak({}, other)).text();
  await other.close();
  const startUs = clock.nowUs();
  const response = await speak();
  atLeast(since(startUs), 2 * DELAY_MS);
  assert.equal(response.headers.get('connection'), 'keep-alive');
  assert.equal(response.headers.get('keep-alive'), null);
  const body = await response.text();
  atLeast(since(startUs), 3 * DELAY_MS);
  assert.match(body, /^data: {"audio":".*"done":true/s);
  await new Promise(setImmediate); // the pool has its socket back a tick after the body's end
  let connections = 0;
  agent.on('connect', () => connections++);
  const againUs = clock.nowUs();
  const again = await speak();
  atLeast(since(againUs), DELAY_MS);
  await again.text();
  assert.equal(connections, 0, 'the second request set up nothing');
});

test('an upload arrives whole; draws go by the header; a malformed header is a 400', async () => {
  const form = new FormData();
  const wav = wavOf(speechPcm('x', 320_000, 0)); // 10 s: 24 words
  form.append('file', new File([new Uint8Array(wav)], 'a.wav', { type: 'audio/wav' }));
  const encoded = new Request('https://x.test/', { method: 'POST', body: form });
  const response = await fetch(`${standIns.urls.falRun}/${FREYA_STT_APP}/audio/transcriptions`, {
    method: 'POST',
    dispatcher: agent,
    headers: { authorization: 'Key k', 'content-type': encoded.headers.get('content-type') ?? '' },
    body: new Uint8Array(await encoded.arrayBuffer()),
  });
  const text = await response.text();
  assert.equal(text.split(' ').length, 24);

  const draw = { sessionId: 's', turnIndex: 3, stage: 'tts', ordinal: 1, attempt: 0, arm: 'a' };
  const idOf = async (header: string): Promise<string | null> => {
    const reply = await speak({ [DRAW_HEADER]: header });
    await reply.text();
    return reply.status === 200 ? reply.headers.get('x-fal-request-id') : `${reply.status}`;
  };
  const id = await idOf(JSON.stringify(draw));
  assert.match(id ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-/);
  assert.equal(await idOf(JSON.stringify(draw)), id);
  assert.notEqual(await idOf(JSON.stringify({ ...draw, turnIndex: 4 })), id);
  assert.equal(await idOf('{"sessionId":1}'), '400');
});

test('the openai client streams from the OpenRouter stand-in', async () => {
  const client = new OpenAI({
    apiKey: 'k',
    baseURL: `${standIns.urls.openrouter}/api/v1`,
    fetch: async (url, init) => {
      const { method = 'GET', headers, body } = init ?? {};
      const response = await fetch(String(url), {
        method,
        dispatcher: agent,
        headers: Object.fromEntries(new Headers(headers)),
        body: typeof body === 'string' ? body : undefined,
      });
      const stream = response.body === null ? null : ReadableStream.from<Uint8Array>(response.body);
      return new Response(stream, { status: response.status, headers: [...response.headers] });
    },
  });
  let text = '';
  const messages = [{ role: 'user' as const, content: 'Selam' }];
  for await (const chunk of await client.chat.completions.create({
    model: 'openai/gpt-4o-mini',
    messages,
    stream: true,
  })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.ok(text.length > 50);
});

test('a client that goes away in mid-stream leaves the server able to answer', async () => {
  const response = await speak();
  await response.body?.cancel();
  assert.equal((await speak()).status, 200);
});

test('without trust in the CA there is no connection', async () => {
  const distrustful = new Agent({ allowH2: false });
  await assert.rejects(fetch(standIns.urls.falRun, { dispatcher: distrustful }), /fetch failed/);
  await distrustful.close();
});

test('the servers end with their parent, also when it is killed', async () => {
  const source = `
    const { startStandIns } = await import(${JSON.stringify(new URL('./launch.ts', import.meta.url).href)});
    const { loadProfile } = await import(${JSON.stringify(new URL('../times/profile.ts', import.meta.url).href)});
    console.log((await startStandIns({ profile: loadProfile('zero'), seed: 1 })).pid);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(parent.stdout, 'data');
  const pid = Number(String(line));
  const lives = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  assert.equal(lives(), true);
  parent.kill('SIGKILL');
  for (let wait = 0; wait < 100 && lives(); wait++) await clock.sleep(50);
  assert.equal(lives(), false);
});
