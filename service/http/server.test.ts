import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { instantPorts } from '../../bench/programs/workload.ts';
import { speechPcm, wavOf } from '../../sim/times/speech-audio.ts';
import { createRealClock } from '../base/clock.ts';
import { StageError } from '../base/errors.ts';
import { testService, type TestService } from '../../testing/service.ts';

const RATE_HZ = 16_000;
const PCM = speechPcm('what the user says', RATE_HZ * 2, 0);
const WAV = wavOf(PCM);
const clock = createRealClock();

async function open(service: TestService, body: object = {}): Promise<string> {
  const response = await post(`${service.url}/v1/sessions`, 'application/json', JSON.stringify(body));
  assert.equal(response.status, 201);
  const { id } = (await response.json()) as { id: string };
  assert.equal(response.headers.get('location'), `/v1/sessions/${id}`);
  return id;
}

const post = (url: string, type: string | undefined, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    body,
    headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
  });

async function events(response: Response): Promise<{ event: string; data: Record<string, unknown> }[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((block) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}

test('a greeting opens a session once; without one, and after a turn, that is a 409', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const greet = (id: string): Promise<Response> => post(`${service.url}/v1/sessions/${id}/greeting`, undefined, '');
  const id = await open(service, { greeting: 'Merhaba. Başlayalım mı?' });
  const response = await greet(id);
  assert.equal(response.status, 200);
  const told = await events(response);
  assert.deepEqual([...new Set(told.map(({ event }) => event))], ['piece', 'audio', 'done']);
  assert.equal((await greet(id)).status, 409);
  assert.equal((await greet(await open(service))).status, 409);
  assert.equal((await post(`${service.url}/v1/sessions/${id}/turns`, 'audio/wav', WAV)).status, 200);
});

test('an upload is answered with transcript, pieces, audio and a ledger that adds up; figures and trace stay readable', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const id = await open(service, { language: 'en' });
  const response = await post(`${service.url}/v1/sessions/${id}/turns`, 'audio/wav', WAV);
  assert.equal(response.status, 200);
  const traceId = response.headers.get('x-trace-id');
  const told = await events(response);
  assert.deepEqual([...new Set(told.map(({ event }) => event))], ['transcript', 'piece', 'audio', 'done']);
  const audioBytes = told
    .filter(({ event }) => event === 'audio')
    .reduce((sum, { data }) => sum + Buffer.from(String(data['pcm']), 'base64').byteLength, 0);
  assert.equal(audioBytes, 3 * RATE_HZ * 2);

  const figures = (await (await fetch(`${service.url}/v1/turns/${traceId}`)).json()) as {
    sessionId: string;
    e2eUs: number;
    ledger: { us: number }[];
    trace: { resourceSpans: unknown[] };
  };
  assert.equal(figures.sessionId, id);
  assert.equal(
    figures.ledger.reduce((sum, { us }) => sum + us, 0),
    figures.e2eUs,
  );
  assert.equal(figures.trace.resourceSpans.length, 1);
  const session = (await (await fetch(`${service.url}/v1/sessions/${id}`)).json()) as { turns: unknown[] };
  assert.equal(session.turns.length, 1);
});

test('bare audio is big-endian L16, the same samples as the events carry', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const turns = `${service.url}/v1/sessions/${await open(service)}/turns`;
  const bare = await post(turns, 'audio/wav', WAV, { accept: 'audio/L16' });
  assert.match(bare.headers.get('content-type') ?? '', /^audio\/L16; ?rate=16000; ?channels=1/i);
  const bytes = Buffer.from(await bare.arrayBuffer());
  const told = await events(await post(turns, 'audio/L16;rate=16000;channels=1', Buffer.from(PCM).swap16()));
  const inEvents = told
    .filter(({ event }) => event === 'audio')
    .map(({ data }) => Buffer.from(String(data['pcm']), 'base64'));
  assert.ok(bytes.swap16().equals(Buffer.concat(inEvents)));
});

test('the rate of the reply is that of its TTS', async (t) => {
  const ports = instantPorts(clock);
  const tts = { ...ports.tts, sampleRateHz: 24_000 };
  const service = await testService(t, ports, { ports: { ...ports, tts } });
  const turns = `${service.url}/v1/sessions/${await open(service)}/turns`;
  const bare = await post(turns, 'audio/wav', WAV, { accept: 'audio/L16' });
  assert.match(bare.headers.get('content-type') ?? '', /^audio\/L16; ?rate=24000; ?channels=1/i);
  await bare.arrayBuffer();
  const told = await events(await post(turns, 'audio/wav', WAV));
  const rates = told.filter(({ event }) => event === 'audio').map(({ data }) => data['sampleRateHz']);
  assert.deepEqual([...new Set(rates)], [24_000]);
});

const silence = (seconds: number): Uint8Array => wavOf(new Uint8Array(seconds * RATE_HZ * 2));

test('every wrong upload is one problem that names the field, what is wrong and the limit', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const turns = `${service.url}/v1/sessions/${await open(service)}/turns`;
  const cases: readonly [
    name: string,
    type: string | undefined,
    body: Uint8Array | string,
    status: number,
    says: RegExp,
  ][] = [
    ['10 minutes', 'audio/wav', silence(600), 413, /600 s of audio; a turn may have 300 s/],
    ['text as audio', 'audio/wav', 'this is a letter, not a recording', 415, /RIFF|WAV/],
    ['text type', 'text/plain', 'hello', 415, /must be audio\/wav, audio\/webm or audio\/L16.*text\/plain/],
    ['no type', undefined, new Uint8Array(4), 415, /no content type/],
    ['L16 without a rate', 'audio/L16', PCM, 415, /needs its rate: audio\/L16;rate=16000/],
    ['L16 stereo', 'audio/L16;rate=16000;channels=2', PCM, 415, /mono/],
    ['L16 at 7 Hz', 'audio/L16;rate=7', PCM, 415, /7 Hz.*not supported/],
    ['half a sample', 'audio/L16;rate=16000', new Uint8Array(3), 415, /3 bytes/],
    ['nothing', 'audio/wav', '', 415, /0 bytes/],
    ['a header only', 'audio/wav', wavOf(new Uint8Array(0)), 400, /no audio/],
  ];
  for (const [name, type, body, status, says] of cases) {
    const response = await post(turns, type, Buffer.from(body));
    const problem = (await response.json()) as { detail: string; field: string; status: number };
    assert.equal(response.status, status, `${name}: ${problem.detail}`);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/, name);
    assert.match(problem.detail, says, name);
    assert.ok(['body', 'content-type', 'sampleRateHz'].includes(problem.field), name);
  }
  // nothing of this ended the session
  assert.equal((await post(turns, 'audio/wav', WAV)).status, 200);
});

test('sessions: wrong fields, wrong knobs and wrong methods are named; a key is asked for where one is set', async (t) => {
  const service = await testService(t, instantPorts(clock), { env: { RETAKE_API_KEY: 'the-key' } });
  const key = { authorization: 'Bearer the-key' };
  const sessions = `${service.url}/v1/sessions`;
  const cases: readonly [body: string, status: number, says: RegExp][] = [
    ['{"langage":"tr"}', 400, /field "langage"/],
    ['{"language":7}', 400, /field "language" must be one of tr/],
    ['{"strategy":{"tts":{"speeed":2}}}', 400, /no knob "tts\.speeed"/],
    ['{"voice":"darth"}', 400, /tts\.voice.*alloy/],
    ['[1]', 400, /must be object/],
    ['{', 400, /not valid JSON/],
    [JSON.stringify({ systemPrompt: 'x'.repeat(300_000) }), 413, /larger than 256kb/],
  ];
  for (const [body, status, says] of cases) {
    const response = await post(sessions, 'application/json', body, key);
    assert.equal(response.status, status, body.slice(0, 60));
    assert.match(((await response.json()) as { detail: string }).detail, says);
  }
  const noKey = await post(sessions, 'application/json', '{}');
  assert.equal(noKey.status, 401);
  assert.equal(noKey.headers.get('www-authenticate'), 'Bearer');
  const patched = await fetch(sessions, { method: 'PATCH', headers: key });
  assert.deepEqual([patched.status, patched.headers.get('allow')], [405, 'POST']);
  assert.equal((await fetch(`${sessions}/nobody`, { headers: key })).status, 404);
  assert.equal((await fetch(`${service.url}/v1/turns/${'0'.repeat(32)}`, { headers: key })).status, 404);
  assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
});

test('a dead provider is a 502 that says who failed, and the next turn of the session works', async (t) => {
  const ports = instantPorts(clock);
  let alive = false;
  const stt: typeof ports.stt = {
    model: 'none',
    transcribe: (request, call) =>
      alive
        ? ports.stt.transcribe(request, call)
        : Promise.reject(new StageError('stt', 'auth', 'Freya STT answered 401; check FAL_KEY')),
  };
  const service = await testService(t, ports, { ports: { ...ports, stt } });
  const turns = `${service.url}/v1/sessions/${await open(service)}/turns`;
  const dead = await post(turns, 'audio/wav', WAV);
  assert.equal(dead.status, 502);
  assert.match(((await dead.json()) as { detail: string }).detail, /401; check FAL_KEY/);
  alive = true;
  assert.equal((await post(turns, 'audio/wav', WAV)).status, 200);
});

test('one turn at a time; DELETE erases what was captured, and only once there is nothing to wait for', async (t) => {
  const ports = instantPorts(clock);
  const gate = Promise.withResolvers<undefined>();
  const stt: typeof ports.stt = {
    model: 'none',
    transcribe: (request, call) => gate.promise.then(() => ports.stt.transcribe(request, call)),
  };
  const service = await testService(t, ports, { ports: { ...ports, stt } });
  const id = await open(service);
  const running = post(`${service.url}/v1/sessions/${id}/turns`, 'audio/wav', WAV);
  const busy = async (): Promise<boolean> =>
    ((await (await fetch(`${service.url}/v1/sessions/${id}`)).json()) as { busy: boolean }).busy;
  while (!(await busy()));
  assert.equal((await post(`${service.url}/v1/sessions/${id}/turns`, 'audio/wav', WAV)).status, 409);
  assert.equal((await fetch(`${service.url}/v1/sessions/${id}`, { method: 'DELETE' })).status, 409);
  gate.resolve(undefined);
  assert.equal((await running).status, 200);
  await (await running).text();
  await service.flushed();
  const captured = async (): Promise<string[]> =>
    (await readdir(join(service.dataFolder, 'captures'), { recursive: true })).filter((path) => path.includes(id));
  assert.ok((await captured()).length > 0);
  assert.equal((await fetch(`${service.url}/v1/sessions/${id}`, { method: 'DELETE' })).status, 204);
  assert.deepEqual(await captured(), []);
  assert.equal((await fetch(`${service.url}/v1/sessions/${id}`, { method: 'DELETE' })).status, 404);
});

test('a client that goes away ends its turn; the session goes on', async (t) => {
  const ports = instantPorts(clock);
  let aborted = false;
  const llm: typeof ports.llm = {
    stream: (_request, call) =>
      new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => {
          aborted = true;
          reject(call.signal.reason);
        });
      }),
  };
  const service = await testService(t, ports, { ports: { ...ports, llm } });
  const id = await open(service);
  const leave = new AbortController();
  const response = await fetch(`${service.url}/v1/sessions/${id}/turns`, {
    method: 'POST',
    body: Buffer.from(WAV),
    headers: { 'content-type': 'audio/wav' },
    signal: leave.signal,
  });
  await response.body?.getReader().read();
  leave.abort();
  const state = async (): Promise<{ busy: boolean; turns: { failure?: { kind: string } }[] }> =>
    (await (await fetch(`${service.url}/v1/sessions/${id}`)).json()) as never;
  while ((await state()).busy);
  assert.equal(aborted, true);
  assert.equal((await state()).turns[0]?.failure?.kind, 'cancelled');
});
