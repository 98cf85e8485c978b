/** Who says nothing, reads nothing or takes too much, over real sockets, on a clock that can be put forward. */
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { instantPorts } from '../../bench/programs/workload.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';
import { createRealClock } from '../base/clock.ts';
import type { Clock } from '../base/ports.ts';
import { LIMITS } from '../http/limits.ts';
import { testService, type TestService } from '../../testing/service.ts';

/** Sleeps are shorter, but long enough for the deadlines of a busy machine. */
const TIMES_FASTER = 4;
const real = createRealClock();
let passedMs = 0;
let waysGiven = 0;
let held = Promise.resolve();
const pass = (ms: number): void => void (passedMs += ms);
const clock: Clock = {
  nowUs: () => real.nowUs() + passedMs * 1000,
  epochUs: () => real.epochUs() + passedMs * 1000,
  sleep: (ms, signal) => real.sleep(ms / TIMES_FASTER, signal),
  giveWay: (piecesDone, signal) => {
    waysGiven++;
    return held.then(() => real.giveWay(piecesDone, signal));
  },
};
const RATE_HZ = 16_000;
const FRAME_BYTES = 640;
const START = JSON.stringify({ type: 'start', sampleRateHz: RATE_HZ, format: 'pcm_s16le' });
/** A reply of 12 MB: more than the buffers of a connection take, and what the service lets wait. */
const MANY_TIMES = 125;

let repeats = 1;
let synthesis = Promise.resolve();
let service: TestService;
let close = (): unknown => undefined;
before(async () => {
  const instant = instantPorts(clock);
  const tts: typeof instant.tts = {
    ...instant.tts,
    async synthesize(request, call, onAudio) {
      await Promise.race([synthesis, once(call.signal, 'abort')]);
      call.signal.throwIfAborted();
      return instant.tts.synthesize(request, call, (pcm) => {
        for (let times = 0; times < repeats; times++) onAudio(pcm);
      });
    },
  };
  const context = { after: (done: () => unknown) => void (close = done) } as TestContext;
  service = await testService(context, instant, { ports: { ...instant, tts } });
});
after(() => close());

async function openSession(session: object = {}): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${service.url}/v1/sessions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ strategy: { stt: { vad: { engine: 'client' } } }, ...session }),
  });
  return ((await response.json()) as { id: string }).id;
}

async function connect(t: TestContext, id: string): Promise<WebSocket> {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/v1/sessions/${id}/stream`);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** The next message of the type. */
async function told(socket: WebSocket, type: string): Promise<Record<string, unknown>> {
  for await (const [data, isBinary] of on(socket, 'message') as AsyncIterable<[Buffer, boolean]>) {
    const message = isBinary ? {} : (JSON.parse(data.toString()) as Record<string, unknown>);
    if (message['type'] === type) return message;
  }
  throw new Error(`the connection ended without ${type}`);
}

test('turns that fell silent together end one after the other, and others are served between them', async (t) => {
  const sockets = await Promise.all([1, 2, 3].map(async () => connect(t, await openSession())));
  let goOn = (): void => undefined;
  held = new Promise((resolve) => (goOn = resolve));
  let ended = 0;
  const all = sockets.map(async (socket) => {
    socket.send(START);
    await told(socket, 'turn');
  });
  await Promise.all(all);
  const ends = sockets.map((socket) => told(socket, 'error').then(() => ended++));
  const before = waysGiven;
  pass(LIMITS.silentTurn.value + 1000);
  await Promise.race(ends);
  await openSession();
  assert.deepEqual([ended, waysGiven - before], [1, 1], 'the second turn waits');
  goOn();
  await Promise.all(ends);
  assert.equal(waysGiven - before, 3);
});

test('a started turn that gets no audio ends after 30 s; control: one that gets a frame in that time goes on', async (t) => {
  const [silent, talking] = await Promise.all([1, 2].map(async () => connect(t, await openSession())));
  assert.ok(silent !== undefined && talking !== undefined);
  const errors: string[] = [];
  talking.on('message', (data: Buffer) => data.includes('"error"') && errors.push(data.toString()));
  const ended = told(silent, 'error');
  for (const socket of [silent, talking]) {
    socket.send(START);
    await told(socket, 'turn');
  }
  pass(LIMITS.silentTurn.value - 5000);
  talking.send(new Uint8Array(FRAME_BYTES));
  talking.ping();
  await once(talking, 'pong');
  pass(10_000);
  assert.equal((await ended)['kind'], 'no-speech');
  talking.ping();
  await once(talking, 'pong');
  assert.deepEqual(errors, []);
});

test('a client that reads nothing of its reply for 30 s is cut, and its turn cancelled; control: one that reads hears it all', async (t) => {
  repeats = MANY_TIMES;
  t.after(() => (repeats = 1));
  const reply = async (reads: boolean): Promise<{ id: string; socket: WebSocket }> => {
    const id = await openSession();
    const socket = await connect(t, id);
    socket.send(START);
    socket.send(speechPcm('hello', RATE_HZ, 0));
    if (!reads) socket.pause();
    socket.send(JSON.stringify({ type: 'end' }));
    return { id, socket };
  };
  const stalled = await reply(false);
  const failure = async (): Promise<unknown> => {
    const page = await (await fetch(`${service.url}/v1/sessions/${stalled.id}`)).json();
    return (page as { turns: { failure?: { kind: string } }[] }).turns[0]?.failure?.kind;
  };
  for (; (await failure()) === undefined; await setTimeout(10)) pass(LIMITS.stalledReader.value);
  assert.equal(await failure(), 'cancelled');
  const closed = once(stalled.socket, 'close');
  stalled.socket.resume();
  assert.equal(((await closed) as [number])[0], 1006);
  const { socket } = await reply(true);
  await told(socket, 'done');
});

test('a session has 8 connections at most; one that leaves makes room, and other sessions have their own', async (t) => {
  const [id, other] = [await openSession(), await openSession()];
  const sockets: WebSocket[] = [];
  while (sockets.length < LIMITS.connections.value) sockets.push(await connect(t, id));
  await assert.rejects(connect(t, id), /409/);
  await connect(t, other);
  sockets[0]?.close();
  await once(sockets[0] ?? assert.fail(), 'close');
  await connect(t, id);
  await assert.rejects(connect(t, id), /409/);
});

test('close cancels a greeting, whose listener is told; control: a reply is not cancelled', async (t) => {
  const held = Promise.withResolvers<undefined>();
  synthesis = held.promise;
  t.after(() => (synthesis = Promise.resolve()));
  const post = (id: string, path: string): Promise<Response> =>
    fetch(`${service.url}/v1/sessions/${id}/${path}`, { method: 'POST' });
  const id = await openSession({ greeting: 'Hi.' });
  const greeting = await post(id, 'greeting');
  assert.equal((await post(id, 'close')).status, 204);
  assert.match(await greeting.text(), /^event: error\ndata: .*"kind":"cancelled"/m);
  const talking = await openSession();
  const socket = await connect(t, talking);
  socket.send(START);
  socket.send(speechPcm('hello', RATE_HZ, 0));
  socket.send(JSON.stringify({ type: 'end' }));
  await told(socket, 'piece');
  assert.equal((await post(talking, 'close')).status, 409);
  held.resolve(undefined);
  await told(socket, 'done');
});
