/** What uploads may take: memory, time, and one at a time for a session. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { speechPcm, wavOf } from '../../sim/times/speech-audio.ts';
import { createByteBudget, type ByteBudget } from '../base/byte-budget.ts';
import { createRealClock } from '../base/clock.ts';
import type { Session, TurnRequest } from '../turn/session.ts';
import { createClientOf } from './client-address.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import { LIMITS } from './limits.ts';
import type { ReadBack } from './read-back.ts';
import type { Registry } from './registry.ts';
import { createServer } from './server.ts';
import type { Tickets } from './tickets.ts';

const real = createRealClock();
const WAV = wavOf(speechPcm('what the user says', 320_000, 0));

interface Served {
  url: string;
  memory: ByteBudget;
  /** Lets the turns that run come to their end. */
  end(): void;
}

/** Routes over sessions of any name, whose turns take the audio and end when they are told to. */
async function serve(
  t: TestContext,
  { limitBytes = 1e9, clock = real, trusted = [] as readonly string[] } = {},
): Promise<Served> {
  const memory = createByteBudget(limitBytes);
  const over = Promise.withResolvers<undefined>();
  const sessionOf = (id: string): Session =>
    ({
      id,
      busy: false,
      nextTraceId: () => 'f'.repeat(32),
      async turn({ audio }: TurnRequest) {
        for await (const frame of audio.frames(new AbortController().signal)) assert.ok(frame.samples.length > 0);
        await over.promise;
        return { summary: { failure: { stage: 'stt', kind: 'no-speech', message: 'nothing' } } };
      },
    }) as unknown as Session;
  const registry = {
    get: sessionOf,
  } as unknown as Registry;
  const app = createServer({
    clock,
    registry,
    memory,
    clientOf: createClientOf(trusted),
    doorkeeper: { admit: () => undefined } as unknown as Doorkeeper,
    readBack: {} as ReadBack,
    tickets: {} as Tickets,
    onError: (error) => assert.fail(String(error)),
    onAbandoned: () => undefined,
  });
  const server = createHttpServer(app).listen(0, '127.0.0.1');
  t.after(() => server.close().closeAllConnections());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, memory, end: () => over.resolve(undefined) };
}

interface Upload {
  request: ClientRequest;
  answer: Promise<{ status: number; retryAfter?: string; detail: string }>;
}

function upload(
  url: string,
  session: string,
  lengthBytes?: number,
  more: { from?: string; forwarded?: string } = {},
): Upload {
  const headers = {
    'content-type': 'audio/wav',
    ...(lengthBytes === undefined ? {} : { 'content-length': lengthBytes }),
    ...(more.forwarded === undefined ? {} : { 'x-forwarded-for': more.forwarded }),
  };
  const request = httpRequest(`${url}/v1/sessions/${session}/turns`, {
    method: 'POST',
    headers,
    agent: false,
    localAddress: more.from,
  });
  request.on('error', () => undefined);
  const answer = once(request, 'response').then(async ([given]) => {
    const response = given as IncomingMessage;
    const text = Buffer.concat(await response.toArray()).toString();
    const { detail } = JSON.parse(text) as { detail: string };
    return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], detail };
  });
  answer.catch(() => undefined); // of a request that its test gives up
  return { request, answer };
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await real.sleep(1);
};

test('a second upload of a session is refused while the first is still coming in', { timeout: 10_000 }, async (t) => {
  const { url, memory, end } = await serve(t);
  const first = upload(url, 'one', WAV.length);
  first.request.write(WAV.subarray(0, 1000));
  await until(() => memory.usedBytes > 0);
  const second = upload(url, 'one', WAV.length);
  second.request.write(WAV.subarray(0, 1000));
  assert.equal((await second.answer).status, 409);
  end();
  first.request.end(WAV.subarray(1000));
  assert.equal((await first.answer).status, 422);
  await until(() => memory.usedBytes === 0);
  const third = upload(url, 'one', WAV.length);
  third.request.end(WAV);
  assert.equal((await third.answer).status, 422, 'control: the first is over');
});

test(
  'uploads share one memory, also while their turns run: beyond it 503 with Retry-After; what is given back is used again',
  { timeout: 10_000 },
  async (t) => {
    const { url, memory, end } = await serve(t, { limitBytes: 2.5 * WAV.length });
    const uploads = ['a', 'b', 'c'].map((session) => upload(url, session, WAV.length));
    for (const { request } of uploads.slice(0, 2)) request.end(WAV);
    await until(() => memory.usedBytes === 2 * WAV.length);
    const [a, b, c] = uploads;
    assert.ok(a && b && c);
    c.request.end(WAV);
    const refused = await c.answer;
    assert.deepEqual([refused.status, refused.retryAfter], [503, '2']);
    assert.match(refused.detail, /try again/);
    assert.equal(memory.usedBytes, 2 * WAV.length, 'the refused upload holds nothing');
    end();
    assert.deepEqual([(await a.answer).status, (await b.answer).status], [422, 422]);
    await until(() => memory.usedBytes === 0);
    const again = upload(url, 'c');
    again.request.end(WAV);
    assert.equal((await again.answer).status, 422, 'control: of unknown length, but there is room');
  },
);

test('an announced length takes no memory before its bytes are here', { timeout: 10_000 }, async (t) => {
  const { url, memory } = await serve(t);
  const { request } = upload(url, 'one', 50_000_000);
  request.write(WAV.subarray(0, 1000));
  await until(() => memory.usedBytes > 0);
  assert.ok(memory.usedBytes <= 64 * 1024, `${memory.usedBytes} bytes`);
  request.destroy();
  await until(() => memory.usedBytes === 0);
});

test(
  'uploads that stop, or take longer than 120 s, are a 408 and give their memory back',
  { timeout: 10_000 },
  async (t) => {
    // 5 s are 20 ms
    const clock = { ...real, sleep: (ms: number, signal?: AbortSignal) => real.sleep(ms / 250, signal) };
    const { url, memory } = await serve(t, { clock });
    for (const [everyMs, message] of [
      [Infinity, /comes in too slowly/],
      [2, /not here after 120 s/],
    ] as const) {
      const { request, answer } = upload(url, 'one', WAV.length);
      request.write(WAV.subarray(0, 10_000));
      const trickle =
        everyMs === Infinity ? undefined : setInterval(() => request.write(new Uint8Array(1000)), everyMs);
      const { status, detail } = await answer;
      clearInterval(trickle);
      assert.equal(status, 408);
      assert.match(detail, message);
      await until(() => memory.usedBytes === 0);
    }
  },
);

test(
  'a client whose uploads fill the memory makes room for others; control: not for more of its own, which get 503',
  { timeout: 10_000 },
  async (t) => {
    const { url, memory, end } = await serve(t, { limitBytes: 2.5 * WAV.length });
    end();
    const held = ['a', 'b'].map((session) => upload(url, session, WAV.length, { from: '127.0.0.2' }));
    for (const { request } of held) request.write(WAV.subarray(0, WAV.length - 10));
    await until(() => memory.usedBytes > 1.9 * WAV.length);
    const own = upload(url, 'c', WAV.length, { from: '127.0.0.2' });
    own.request.end(WAV);
    assert.equal((await own.answer).status, 503);
    // who says to be somebody else is nobody else
    const forged = upload(url, 'c', WAV.length, { from: '127.0.0.2', forwarded: '1.2.3.4' });
    forged.request.end(WAV);
    assert.equal((await forged.answer).status, 503);
    const other = upload(url, 'd', WAV.length, { from: '127.0.0.3' });
    other.request.end(WAV);
    assert.equal((await other.answer).status, 422, 'heard, and without words');
    const [evicted] = await Promise.all([Promise.race(held.map(({ answer }) => answer))]);
    assert.deepEqual([evicted.status, evicted.retryAfter], [503, '2']);
    for (const { request } of held) request.destroy();
  },
);

test('behind a trusted proxy the clients that it tells share the memory', { timeout: 10_000 }, async (t) => {
  const { url, memory, end } = await serve(t, { limitBytes: 1.5 * WAV.length, trusted: ['127.0.0.0/8'] });
  end();
  const first = upload(url, 'a', WAV.length, { forwarded: '1.2.3.4' });
  first.request.write(WAV.subarray(0, WAV.length - 10));
  await until(() => memory.usedBytes > 0.9 * WAV.length);
  const other = upload(url, 'b', WAV.length, { forwarded: '9.9.9.9, 5.6.7.8' });
  other.request.end(WAV);
  assert.equal((await other.answer).status, 422, 'heard, and without words');
  assert.equal((await first.answer).status, 503);
});

test(
  'stereo is mixed in pieces, between which others go on; control: a short upload waits for nobody',
  { timeout: 10_000 },
  async (t) => {
    let waits = 0;
    const clock = { ...real, giveWay: (done: number) => (waits++, real.giveWay(done)) };
    const { url, end } = await serve(t, { clock });
    end();
    const stereo = (seconds: number): Buffer => {
      const wav = Buffer.alloc(44 + seconds * 48_000 * 4);
      WAV.subarray(0, 44).forEach((byte, at) => (wav[at] = byte));
      wav.writeUInt16LE(2, 22);
      wav.writeUInt32LE(48_000, 24);
      wav.writeUInt32LE(wav.length - 44, 40);
      return wav;
    };
    for (const [seconds, atLeast, atMost] of [
      [5, 0, 0],
      [21, 2, 4],
    ] as const) {
      waits = 0;
      const { request, answer } = upload(url, 'one');
      request.end(stereo(seconds));
      assert.equal((await answer).status, 422);
      assert.ok(waits >= atLeast && waits <= atMost, `${seconds} s: ${waits} times`);
    }
  },
);

test('large uploads share what they announce; a small one is not in their way', { timeout: 10_000 }, async (t) => {
  const { url, end } = await serve(t);
  end();
  const bytes = LIMITS.uploadBytes.value;
  const first = ['one', 'two'].map((id) => upload(url, id, bytes));
  for (const { request } of first) request.write(WAV.subarray(0, 1000));
  const third = upload(url, 'three', bytes);
  third.request.write(WAV.subarray(0, 1000));
  assert.equal((await third.answer).status, 503);
  const small = upload(url, 'three', WAV.length);
  small.request.end(WAV);
  assert.equal((await small.answer).status, 422, 'heard, and without words');
  for (const { request } of first) request.destroy();
});
