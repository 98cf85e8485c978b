/** The input bar: 10,000 malformed requests, frames and bundles end in a 4xx or a clear error each; no crash, no leak. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { instantPorts } from '../../bench/programs/workload.ts';
import { readBundle } from '../capture/bundle-reader.ts';
import { linesOf } from '../base/file-lines.ts';
import type { SessionFiles } from '../capture/store.ts';
import { createRealClock } from '../base/clock.ts';
import { InputError } from '../base/errors.ts';
import { LIMITS } from './limits.ts';
import { testService, type TestService } from '../../testing/service.ts';

const SEED = 20_261_125;
const REQUESTS = 5000;
const RAW_REQUESTS = 500;
const FRAMES = 2500;
const BUNDLES = 2000;

const sample = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number): T[] => fc.sample(arbitrary, { numRuns, seed: SEED });

const bytes = fc.uint8Array({ maxLength: 400 });
const text = fc.oneof(
  fc.string(),
  fc.json(),
  fc.constantFrom('{"language":', '[]', 'null', '{"history":[{"role":"x"}]}'),
);
const anyBody = fc.oneof(
  bytes.map((each) => Buffer.from(each)),
  text.map((each) => Buffer.from(each)),
  bytes.map((each) => Buffer.concat([Buffer.from('RIFF\x10\0\0\0WAVEfmt '), each])),
);
const contentType = fc.oneof(
  fc.constantFrom(
    'audio/wav',
    'audio/L16',
    'audio/L16;rate=16000',
    'audio/L16;rate=1e9',
    'application/json',
    'audio/webm',
  ),
  fc.string({ unit: fc.constantFrom(...'abz/;=-+ ') }),
);
const path = fc.oneof(
  fc.constantFrom(
    '/v1/sessions',
    '/v1/sessions/ID',
    '/v1/sessions/ID/turns',
    '/v1/sessions/nobody/turns',
    '/v1/turns/x',
  ),
  fc.webPath().map((each) => `/v1${each}`),
  fc.constantFrom('/v1/sessions/%', '/v1/sessions/..%2f..%2fetc', '/v1/turns/%00', '//', '/v1//sessions//'),
);
const method = fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT', 'PATCH', 'OPTIONS');

interface Answer {
  status: number;
  type: string;
  body: string;
}

async function openSession({ url }: TestService): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, { method: 'POST' });
  return ((await response.json()) as { id: string }).id;
}

function ask(agent: Agent, url: string, options: { method: string; headers: object; body: Buffer }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: options.method, headers: { ...options.headers, 'content-length': options.body.length }, agent },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    sent.on('error', (error) =>
      reject(
        new Error(`${options.method} ${url} ${JSON.stringify(options.headers)} ${options.body.length} bytes`, {
          cause: error,
        }),
      ),
    );
    sent.end(options.body);
  });
}

test(`${REQUESTS} malformed requests are a 4xx with a reason each, and the service goes on`, async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const id = await openSession(service);
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  const cases = sample(fc.record({ method, path, contentType, body: anyBody }), REQUESTS);
  const statuses = new Map<number, number>();
  for (const each of cases) {
    const url = `${service.url}${each.path.replace('ID', id)}`;
    const headers = { 'content-type': each.contentType };
    const answer = await ask(agent, url, { method: each.method, headers, body: each.body });
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const where = `${each.method} ${each.path} ${each.contentType} (seed ${SEED}): ${answer.status} ${answer.body.slice(0, 200)}`;
    // what happens to be right is answered as such: an empty session body, a reading of the session, samples that are audio
    const fine =
      answer.status < 300 && ['/v1/sessions', '/v1/sessions/ID', '/v1/sessions/ID/turns'].includes(each.path);
    if (fine || each.method === 'OPTIONS') continue;
    assert.ok(answer.status >= 400 && answer.status < 500, where);
    assert.match(answer.type, /^application\/problem\+json/, where);
    const { detail } = JSON.parse(answer.body) as { detail: string };
    assert.ok(detail.length > 5 && detail.length < 600, where);
    assert.doesNotMatch(answer.body, /node:internal|node_modules|at \w+ \(/, where);
  }
  assert.ok((statuses.get(400) ?? 0) > 50 && (statuses.get(415) ?? 0) > 50 && (statuses.get(404) ?? 0) > 50);
  const health = (await (await fetch(`${service.url}/healthz`)).json()) as { status: string; sessions: number };
  assert.equal(health.status, 'ok');
});

test(`${RAW_REQUESTS} connections that do not speak HTTP are closed, and the service goes on`, async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const port = Number(new URL(service.url).port);
  const noise = fc.oneof(
    bytes,
    fc.string().map((each) => new TextEncoder().encode(`POST ${each}\r\n\r\n`)),
  );
  for (const each of sample(noise, RAW_REQUESTS)) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(Buffer.from(each));
    await once(socket, 'close');
  }
  assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
});

test(`${FRAMES} malformed frames are an error message each, and end their connection when there are too many`, async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const url = `${service.url.replace('http', 'ws')}/v1/sessions/${await openSession(service)}/stream`;
  const message = fc.oneof(
    bytes.map((each) => Buffer.from(each)),
    text,
    fc
      .record({ type: fc.constantFrom('start', 'end', 'played', 'x'), sampleRateHz: fc.anything() })
      .map((each) => JSON.stringify(each)),
  );
  const connected = async (): Promise<{ socket: WebSocket; errors: () => number }> => {
    const socket = new WebSocket(url);
    t.after(() => socket.terminate());
    let errors = 0;
    socket.on('message', (data: Buffer) => {
      const { type, status, detail } = JSON.parse(data.toString()) as Record<string, unknown>;
      assert.equal(type, 'error');
      assert.ok(Number(status) >= 400 && Number(status) < 500 && String(detail).length > 5);
      errors++;
    });
    await once(socket, 'open');
    return { socket, errors: () => errors };
  };
  const cases = sample(message, FRAMES);
  // before any start, `end` and `played` ask for nothing that could fail
  const isHarmless = (each: unknown): boolean => typeof each === 'string' && /^\{"type":"end"/.test(each);
  const limit = LIMITS.badMessages.value;
  for (let from = 0; from < FRAMES; from += limit) {
    const { socket, errors } = await connected();
    const some = cases.slice(from, from + limit);
    for (const each of some) socket.send(each);
    if (some.some(isHarmless)) {
      socket.ping();
      await once(socket, 'pong');
      assert.equal(errors(), some.filter((each) => !isHarmless(each)).length, `from ${from}`);
      socket.terminate();
    } else {
      assert.equal(((await once(socket, 'close')) as [number])[0], 1008, `from ${from}`);
      assert.equal(errors(), limit);
    }
  }
  const { socket } = await connected();
  socket.removeAllListeners('message');
  socket.send('{"type":"start","sampleRateHz":16000,"format":"pcm_s16le"}');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  assert.equal((JSON.parse(answer.toString()) as { type: string }).type, 'turn');
});

test(`${BUNDLES} damaged bundles are read as far as they go, or refused with the file and the reason`, async () => {
  const root = new URL('../../fixtures/sessions/format-1/', import.meta.url);
  const [name = ''] = readdirSync(root);
  const whole = (file: string): Buffer => readFileSync(new URL(`${name}/${file}`, root));
  const original = { 'session.json': whole('session.json'), 'events.jsonl': whole('events.jsonl').subarray(0, 20_000) };
  const damage = fc.record({
    file: fc.constantFrom('session.json' as const, 'events.jsonl' as const),
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    how: fc.constantFrom('cut', 'flip', 'insert', 'number', 'empty'),
    value: fc.integer({ min: 0, max: 255 }),
  });
  let refused = 0;
  let read = 0;
  for (const { file, at, how, value } of sample(damage, BUNDLES)) {
    const bytesOf = original[file];
    const index = Math.floor(at * bytesOf.length);
    const damaged =
      how === 'cut' || how === 'empty'
        ? bytesOf.subarray(0, how === 'cut' ? index : 0)
        : how === 'flip'
          ? Buffer.from(bytesOf.map((byte, place) => (place === index ? value : byte)))
          : how === 'insert'
            ? Buffer.concat([bytesOf.subarray(0, index), Buffer.from([value]), bytesOf.subarray(index)])
            : Buffer.from(bytesOf.toString().replace(/\d+/, '-99999999999999999999'));
    const files: SessionFiles = {
      where: 'damaged',
      append: () => Promise.resolve(),
      writeOnce: () => Promise.resolve(),
      read: (wanted) =>
        Promise.resolve(
          wanted === file ? damaged : wanted in original ? original[wanted as 'session.json'] : undefined,
        ),
      lines: () => linesOf(file === 'events.jsonl' ? damaged : original['events.jsonl']),
    };
    try {
      await readBundle(files);
      read++;
    } catch (error) {
      assert.ok(error instanceof InputError, `${file} ${how} at ${index}: ${String(error)}`);
      assert.match(error.message, /damaged/);
      refused++;
    }
  }
  assert.ok(refused > 100 && read > 100, `${refused} refused, ${read} read`);
});
