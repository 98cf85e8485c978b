/** What clients send that is not quite a request of docs/client.md: one service with a key, one answer each. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test, type TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { instantPorts } from '../../bench/programs/workload.ts';
import { createRealClock } from '../base/clock.ts';
import { testService, type TestService } from '../../testing/service.ts';
import { statusOfFailure } from './problem.ts';

const KEY = { authorization: 'Bearer the-key' };
const clock = createRealClock();
let service: TestService;
let close = (): unknown => undefined;
before(async () => {
  const context = { after: (done: () => unknown) => void (close = done) } as TestContext;
  service = await testService(context, instantPorts(clock), { env: { RETAKE_API_KEY: 'the-key' } });
});
after(() => close());

interface Answer {
  status: number;
  detail: string;
  json: Record<string, unknown>;
}

async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`, { ...init, headers: { ...KEY, ...init.headers } });
  const text = await response.text();
  const json = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status: response.status, detail: String(json['detail']), json };
}
const post = (path: string, type: string | undefined, body: RequestInit['body']): Promise<Answer> =>
  ask(path, { method: 'POST', body, headers: type === undefined ? {} : { 'content-type': type } });
const open = async (): Promise<string> => String((await post('/v1/sessions', undefined, undefined)).json['id']);
const sessionsOpen = async (): Promise<unknown> => (await ask('/healthz')).json['sessions'];

test('a session is opened by JSON, or by nothing; types that a page may send unasked open none', async () => {
  const before = await sessionsOpen();
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json', ''];
  for (const type of types) {
    const { status, detail } = await post('/v1/sessions', type, '{}');
    assert.equal(status, 415, type);
    assert.match(detail, /^the body must be application\/json, not .*; send it with the header content-type: appl/);
  }
  assert.equal((await post('/v1/sessions', 'text/plain', '')).status, 415, 'a type, and nothing of it');
  assert.equal(
    (await post('/v1/sessions', undefined, new Uint8Array([123, 125]))).status,
    415,
    'a body without a type',
  );
  assert.equal(await sessionsOpen(), before);
  assert.equal((await post('/v1/sessions', 'application/json; charset=utf-8', '{}')).status, 201, 'control');
  assert.equal((await post('/v1/sessions', undefined, undefined)).status, 201, 'control: a session with defaults');
});

test('a language that nobody speaks is refused with those that are known', async () => {
  for (const language of ['tk', 'fr', 'english', 'EN', 'tr_TR', '']) {
    const { status, detail } = await post('/v1/sessions', 'application/json', JSON.stringify({ language }));
    assert.deepEqual([status, detail], [400, 'field "language" must be one of tr, tr-TR, en, en-US, en-GB']);
  }
  for (const language of ['tr', 'en', 'en-US'])
    assert.equal((await post('/v1/sessions', 'application/json', JSON.stringify({ language }))).status, 201);
});

test('a greeting has something to say: a letter or a digit of any script', async () => {
  const statusOf = async (greeting: string): Promise<number> =>
    (await post('/v1/sessions', 'application/json', JSON.stringify({ greeting }))).status;
  for (const silent of ['', ' ', '…?!', '\u0000', '🙂']) assert.equal(await statusOf(silent), 400, silent);
  for (const spoken of ['Hi.', '1', 'ş', '你好']) assert.equal(await statusOf(spoken), 201, spoken);
});

test('a path that cannot be decoded is said to be one', async () => {
  for (const path of ['/v1/sessions/%E0%A4%A', '/v1/turns/%', '/v1/sessions/x/turns/%ff']) {
    const { status, json } = await ask(path);
    assert.deepEqual([status, json['field']], [400, 'path'], path);
    assert.equal(json['detail'], 'the path cannot be decoded; write % as %25');
  }
  assert.equal((await ask('/v1/sessions/%25')).status, 404, 'control');
});

test("the key's scheme is taken in any case; the key is not", async () => {
  const statusWith = async (authorization: string): Promise<number> =>
    (await ask('/v1/sessions/x', { headers: { authorization } })).status;
  for (const right of ['Bearer the-key', 'bearer the-key', 'BEARER  the-key'])
    assert.equal(await statusWith(right), 404);
  for (const wrong of ['Bearer THE-KEY', 'the-key', 'Basic the-key', 'Bearer', 'Bearer the-key x', 'Bearerthe-key', ''])
    assert.equal(await statusWith(wrong), 401, wrong);
});

test('/healthz and /metrics take GET, and say so to others', async () => {
  for (const path of ['/healthz', '/metrics']) {
    const { status, detail } = await ask(path, { method: 'PUT' });
    assert.deepEqual([status, detail], [405, 'this path takes GET']);
  }
});

test('an upload whose client goes away is counted, and no error', async () => {
  const count = async (): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`, { headers: KEY })).text();
    return Number(/^retake_uploads_abandoned_total (\d+)/m.exec(text)?.[1]);
  };
  assert.equal(await count(), 0);
  const head = `POST /v1/sessions/${await open()}/turns HTTP/1.1\r\nhost: localhost\r\nauthorization: ${KEY.authorization}`;
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.write(`${head}\r\ncontent-type: audio/wav\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\nRIFF`);
  await once(socket, 'data'); // the service reads
  socket.destroy();
  while ((await count()) === 0);
  assert.equal(await count(), 1);
});

test("audio in which STT hears no word is the client's; a model or voice that says nothing is the provider's", () => {
  const statuses = ['stt', 'llm', 'tts'].map((stage) => statusOfFailure({ stage, kind: 'empty' }));
  assert.deepEqual(statuses, [422, 502, 502]);
});

/** The status of the handshake; 101 for a socket. */
async function shake(path: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}${path}`, { headers });
  socket.on('error', () => undefined);
  const status = await new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101));
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
  });
  socket.terminate();
  return status;
}

test('a ticket opens one socket of its session, in place of the key that a page cannot send', async () => {
  const [id, other] = [await open(), await open()];
  const stream = `/v1/sessions/${id}/stream`;
  const issue = async (): Promise<string> => {
    const { status, json } = await post(`/v1/sessions/${id}/ticket`, undefined, undefined);
    assert.deepEqual([status, json['validMs']], [201, 30_000]);
    return String(json['ticket']);
  };
  const ticket = await issue();
  assert.equal(await shake(`${stream}?ticket=${ticket}`), 101);
  assert.equal(await shake(`${stream}?ticket=${ticket}`), 401, 'used');
  assert.equal(await shake(`/v1/sessions/${other}/stream?ticket=${await issue()}`), 401, 'of another session');
  assert.equal(await shake(`${stream}?ticket=`), 401);
  assert.equal(await shake(`${stream}?ticket=wrong`, KEY), 401, 'a wrong ticket is wrong, beside a key too');
  assert.equal(await shake(stream), 401);
  assert.equal(await shake(stream, KEY), 101, 'control');
  assert.equal((await ask(`/v1/sessions/nobody/ticket`, { method: 'POST' })).status, 404);
  assert.equal(
    (await ask(`/v1/sessions/${id}/ticket`, { method: 'POST', headers: { authorization: '' } })).status,
    401,
  );
});
