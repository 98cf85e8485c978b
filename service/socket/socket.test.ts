import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { instantPorts } from '../../bench/programs/workload.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';
import { createRealClock } from '../base/clock.ts';
import { LIMITS } from '../http/limits.ts';
import { testService } from '../../testing/service.ts';

const RATE_HZ = 16_000;
const FRAME_BYTES = 640; // 20 ms
const START = { type: 'start', sampleRateHz: RATE_HZ, format: 'pcm_s16le' };

interface Client {
  id: string;
  socket: WebSocket;
  /** JSON messages so far; audio is counted, not kept. */
  told: Record<string, unknown>[];
  audioBytes(): number;
  say(message: object | string | Uint8Array): void;
  /** The next message of the type that has not been waited for. */
  next(type: string): Promise<Record<string, unknown>>;
}

async function client(t: TestContext, url: string, session: object = {}): Promise<Client> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(session),
  });
  const { id } = (await response.json()) as { id: string };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${id}/stream`);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const told: Record<string, unknown>[] = [];
  const seen = new Map<string, number>();
  let audioBytes = 0;
  let wake = (): void => undefined;
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) audioBytes += data.byteLength;
    else told.push(JSON.parse(data.toString()) as Record<string, unknown>);
    wake();
  });
  return {
    id,
    socket,
    told,
    audioBytes: () => audioBytes,
    say: (message) =>
      socket.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message)),
    async next(type) {
      const from = seen.get(type) ?? 0;
      for (;;) {
        const index = told.findIndex((message, at) => at >= from && message['type'] === type);
        if (index >= 0) {
          seen.set(type, index + 1);
          return told[index] ?? {};
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function speak(to: Client, pcm: Uint8Array): void {
  for (let at = 0; at < pcm.length; at += FRAME_BYTES) to.say(pcm.subarray(at, at + FRAME_BYTES));
}

test('frames up, events and audio down; push-to-talk ends the turn; a second turn opens with a second start', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const talk = await client(t, service.url, { strategy: { stt: { vad: { engine: 'client' } } } });
  for (const turn of [1, 2]) {
    talk.say(START);
    const { traceId } = await talk.next('turn');
    speak(talk, speechPcm('hello', RATE_HZ, 0));
    talk.say({ type: 'end' });
    assert.equal((await talk.next('ended'))['decision'], 'client');
    assert.equal((await talk.next('transcript'))['text'], 'What did you do there?');
    const done = await talk.next('done');
    assert.equal(done['traceId'], traceId);
    assert.equal((await talk.next('audio'))['sampleRateHz'], RATE_HZ);
    const ledger = done['ledger'] as { us: number }[];
    assert.equal(
      ledger.reduce((sum, { us }) => sum + us, 0),
      done['e2eUs'],
    );
    assert.equal(talk.audioBytes(), turn * 3 * RATE_HZ * 2);
  }
});

test('the rate of the reply is told once, before its audio', async (t) => {
  const ports = instantPorts(createRealClock());
  const tts = { ...ports.tts, sampleRateHz: 24_000 };
  const service = await testService(t, ports, { ports: { ...ports, tts } });
  const talk = await client(t, service.url, { strategy: { stt: { vad: { engine: 'client' } } } });
  const first: boolean[] = [];
  talk.socket.once('message', function until(data: Buffer, isBinary: boolean) {
    if (isBinary || data.includes('"audio"')) first.push(isBinary);
    else talk.socket.once('message', until);
  });
  talk.say(START);
  speak(talk, speechPcm('hello', RATE_HZ, 0));
  talk.say({ type: 'end' });
  await talk.next('done');
  assert.deepEqual(first, [false]);
  assert.deepEqual(
    talk.told.filter(({ type }) => type === 'audio'),
    [{ type: 'audio', sampleRateHz: 24_000 }],
  );
});

test('wrong messages and frames get one error each that names the field, and the connection lives on', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const talk = await client(t, service.url);
  const cases: readonly [message: object | string | Uint8Array, status: number, says: RegExp][] = [
    [new Uint8Array(FRAME_BYTES), 400, /audio before/],
    ['not json', 400, /expected \{"type":"start"/],
    [{ type: 'strat' }, 400, /expected/],
    [{ ...START, format: 'mp3' }, 400, /expected/],
    [{ ...START, sampleRateHz: 5 }, 415, /5 Hz is not supported/],
    [{ type: 'played', ms: -1 }, 400, /expected/],
  ];
  for (const [message, status, says] of cases) {
    talk.say(message);
    const error = await talk.next('error');
    assert.equal(error['status'], status, JSON.stringify(error));
    assert.match(String(error['detail']), says);
  }
  talk.say(START);
  await talk.next('turn');
  talk.say(new Uint8Array(3));
  assert.match(String((await talk.next('error'))['detail']), /3 bytes is not whole 16-bit samples/);
  talk.say(START);
  assert.equal((await talk.next('error'))['status'], 409);
});

const SPEECH = speechPcm('hello', RATE_HZ * 2, 0); // 1 s
const SILENCE = new Uint8Array(RATE_HZ * 2);

/** Says one second and is quiet for another, so that the service's own detector ends the turn; then the reply's audio comes. */
async function hearsReply(t: TestContext, url: string, bargeIn: unknown): Promise<{ talk: Client; traceId: unknown }> {
  const talk = await client(t, url, { strategy: { client: { bargeIn } } });
  talk.say(START);
  const { traceId } = await talk.next('turn');
  speak(talk, SPEECH);
  speak(talk, SILENCE);
  await talk.next('ended');
  return { talk, traceId };
}

/** Speaks frame by frame until `enough`: no more than is needed, however slow the machine. */
async function speakUntil(talk: Client, enough: () => boolean): Promise<void> {
  for (let at = 0; !enough(); at = (at + FRAME_BYTES) % SPEECH.length) {
    talk.say(SPEECH.subarray(at, at + FRAME_BYTES));
    await setTimeout(5);
  }
}

test('barge-in: a cough pauses and resumes; speech pauses and stops, what was played counts as heard, and a new turn is open', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const { talk, traceId } = await hearsReply(t, service.url, { minSpeechMs: 500 });
  const controls = (): unknown[] =>
    talk.told.map(({ type }) => type).filter((type) => ['pause', 'resume', 'stop'].includes(String(type)));
  await speakUntil(talk, () => controls().length > 0);
  speak(talk, SILENCE.subarray(0, 16_000));
  await talk.next('resume');
  assert.deepEqual(controls(), ['pause', 'resume']);
  talk.say({ type: 'played', ms: 40 });
  await speakUntil(talk, () => controls().includes('stop'));
  assert.deepEqual(controls(), ['pause', 'resume', 'pause', 'stop']);
  assert.equal((await talk.next('done'))['traceId'], traceId);
  const response = await fetch(`${service.url}/v1/sessions/${talk.id}`);
  const { turns } = (await response.json()) as { turns: Record<string, unknown>[] };
  const [interrupted = {}] = turns;
  assert.deepEqual([interrupted['interrupted'], interrupted['falseInterruptions']], [true, 1]);
  assert.equal(interrupted['heardMs'], 40);
  const opened = await talk.next('turn');
  assert.notEqual(opened['traceId'], traceId);
  speak(talk, SILENCE);
  assert.equal((await talk.next('ended'))['decision'], 'vad');
});

test('control: with barge-in off the same speech stops nothing: all of the reply is sent, and what is said next is a turn', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const { talk } = await hearsReply(t, service.url, 'off');
  await speakUntil(talk, () => talk.told.filter(({ type }) => type === 'turn').length === 2);
  assert.equal(talk.audioBytes(), 3 * RATE_HZ * 2);
  assert.equal(talk.told.filter(({ type }) => ['pause', 'resume', 'stop'].includes(String(type))).length, 0);
});

test('a frame over the limit closes the connection with 1009; a wrong path or session is refused before the upgrade', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const talk = await client(t, service.url);
  talk.say(new Uint8Array(200_000));
  const [code] = (await once(talk.socket, 'close')) as [number];
  assert.equal(code, 1009);
  for (const path of ['/v1/sessions/nobody/stream', '/elsewhere', '/v1/sessions/%zz/stream']) {
    const refused = new WebSocket(`${service.url.replace('http', 'ws')}${path}`);
    const [error] = (await once(refused, 'error')) as [Error];
    assert.match(error.message, /40[04]/, path);
  }
});

test('a client that vanishes in the middle of its turn leaves the session free', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const talk = await client(t, service.url);
  talk.say(START);
  await talk.next('turn');
  speak(talk, speechPcm('hello', RATE_HZ, 0));
  talk.socket.terminate();
  const state = async (): Promise<{ busy: boolean; turns: { failure?: { kind: string } }[] }> =>
    (await (await fetch(`${service.url}/v1/sessions/${talk.id}`)).json()) as never;
  while ((await state()).busy);
  assert.equal((await state()).turns[0]?.failure?.kind, 'cancelled');
});

test('a socket whose session was erased gets one refusal and is closed', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const talk = await client(t, service.url, { strategy: { stt: { vad: { engine: 'client' } } } });
  talk.say(START);
  speak(talk, speechPcm('hello', RATE_HZ, 0));
  talk.say({ type: 'end' });
  await talk.next('done');
  const erased = await fetch(`${service.url}/v1/sessions/${talk.id}`, { method: 'DELETE' });
  assert.equal(erased.status, 204);
  const closed = once(talk.socket, 'close');
  talk.say(START);
  const error = await talk.next('error');
  assert.equal(error['status'], 404);
  assert.match(String(error['detail']), /the session was erased/);
  assert.equal(((await closed) as [number])[0], 1008);
  assert.equal(talk.told.filter(({ type }) => type === 'turn').length, 1);
});

/** A client's frame of at most 125 bytes, masked with zeros. */
const rawFrame = (opcode: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);

/** A WebSocket that sends what it is told and answers nothing, neither pings nor the close frame. Resolves once it has a connection. */
async function deafSocket(t: TestContext, url: string, id: string): Promise<ReturnType<typeof connect>> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.write(
    `GET /v1/sessions/${id}/stream HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 101 /);
  return socket;
}

async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && (await readFile(path)).includes(text)) found.push(path);
  }
  return found;
}

test('a client that never answers the close frame is cut: its turn is in the capture and among the spans when close is over', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const { id } = await client(t, service.url);
  const socket = await deafSocket(t, service.url, id);
  socket.write(rawFrame(1, Buffer.from(JSON.stringify(START))));
  const [told] = (await once(socket, 'data')) as [Buffer];
  const [, traceId = ''] = /"traceId":"(\w+)"/.exec(told.toString()) ?? [];
  for (let at = 0; at < 20; at++) socket.write(rawFrame(2, new Uint8Array(100)));
  await service.close();
  assert.ok((await filesWith(join(service.dataFolder, 'spool'), traceId)).length > 0, 'spans');
  const lines = await filesWith(join(service.dataFolder, 'captures'), '"kind":"turn.failed"');
  assert.ok(lines.length > 0, 'capture');
});

test(
  'a flood of empty, tiny or bad messages gets one answer a message at most, then 1008',
  { timeout: 20_000 },
  async (t) => {
    const service = await testService(t, instantPorts(createRealClock()));
    const floods: readonly [name: string, message: Buffer, status: number][] = [
      ['empty frames', rawFrame(2, Buffer.alloc(0)), 429],
      ['tiny frames', rawFrame(2, Buffer.alloc(2)), 429],
      ['messages of one byte', rawFrame(1, Buffer.from('x')), 400],
    ];
    for (const [name, message, status] of floods) {
      const { id } = await client(t, service.url);
      const socket = await deafSocket(t, service.url, id);
      const got: Buffer[] = [];
      const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
      socket
        .on('error', () => undefined)
        .on('data', (part: Buffer) => {
          got.push(part);
          if (part.includes('\x03\xf0', 'latin1')) socket.destroy(); // 1008
        });
      const started = rawFrame(1, Buffer.from(JSON.stringify(START)));
      socket.write(Buffer.concat([started, ...Array.from({ length: 40_000 }, () => message)]));
      await closed;
      const text = Buffer.concat(got).toString('latin1');
      const errors = text.match(/"type":"error","status":\d+/g) ?? [];
      assert.equal(errors.at(-1), `"type":"error","status":${status}`, name);
      assert.ok(errors.length <= LIMITS.badMessages.value, `${name}: ${errors.length} errors`);
      assert.match(text, /\x03\xf0(Too many messages|Bad message)/, name);
    }
  },
);

test(
  'an overloaded service refuses new sessions, turns and connections with 503, and finishes what runs',
  { timeout: 20_000 },
  async (t) => {
    let delayMs = 0;
    const loopDelay = { readMs: () => delayMs, close: () => undefined };
    const service = await testService(t, instantPorts(createRealClock()), { loopDelay });
    const talk = await client(t, service.url, { strategy: { stt: { vad: { engine: 'client' } } } });
    talk.say(START);
    await talk.next('turn');
    speak(talk, speechPcm('hello', RATE_HZ, 0));
    const open = (): Promise<Response> => fetch(`${service.url}/v1/sessions`, { method: 'POST' });
    delayMs = LIMITS.loopDelay.value + 1;
    while ((await open()).status === 201) await setTimeout(20);
    const refused = await open();
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '2']);
    const late = new WebSocket(`${service.url.replace('http', 'ws')}/v1/sessions/${talk.id}/stream`);
    assert.match(((await once(late, 'error')) as [Error])[0].message, /503/);
    assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
    talk.say({ type: 'end' });
    await talk.next('done'); // what runs is finished
    talk.say(START);
    assert.equal((await talk.next('error'))['status'], 503);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    assert.match(metrics, /retake_shed_total\{door="turn"\} 1\n/);
    delayMs = 0;
    while ((await open()).status !== 201) await setTimeout(20);
  },
);

test(
  'a started turn in which nothing is said can be erased, and closed; a closed session keeps its capture',
  { timeout: 20_000 },
  async (t) => {
    const service = await testService(t, instantPorts(createRealClock()));
    const silent = async (): Promise<Client> => {
      const talk = await client(t, service.url);
      talk.say(START);
      await talk.next('turn');
      talk.say(new Uint8Array(FRAME_BYTES));
      return talk;
    };
    const erased = await silent();
    assert.equal((await fetch(`${service.url}/v1/sessions/${erased.id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await erased.next('error'))['kind'], 'cancelled');
    assert.equal((await fetch(`${service.url}/v1/sessions/${erased.id}`)).status, 404);
    const closed = await silent();
    const letGo = once(closed.socket, 'close');
    const close = (): Promise<Response> => fetch(`${service.url}/v1/sessions/${closed.id}/close`, { method: 'POST' });
    assert.equal((await close()).status, 204);
    assert.equal((await close()).status, 404, 'there is no open session any more');
    await service.flushed();
    const page = (await (await fetch(`${service.url}/v1/sessions/${closed.id}`)).json()) as { turns: unknown[] };
    assert.equal(page.turns.length, 1);
    assert.equal(((await letGo) as [number])[0], 1008, 'its connection is let go within a second');
  },
);
