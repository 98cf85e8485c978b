import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { instantPorts } from '../../bench/programs/workload.ts';
import { speechPcm, wavOf } from '../../sim/times/speech-audio.ts';
import { createByteBudget } from '../base/byte-budget.ts';
import { createRealClock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Session } from '../turn/session.ts';
import { createClientOf } from './client-address.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { ReadBack } from './read-back.ts';
import type { Registry } from './registry.ts';
import { createServer } from './server.ts';
import { createTickets } from './tickets.ts';
import { testService } from '../../testing/service.ts';

const WAV = wavOf(speechPcm('what the user says', 32_000, 0));
const clock = createRealClock();

test("a turn's failure has the status of its kind; ours alone are reported", async (t) => {
  let kind = '';
  const session = {
    busy: false,
    nextTraceId: () => 'f'.repeat(32),
    turn: () => Promise.resolve({ summary: { failure: { stage: 'llm', kind, message: 'it broke' } } }),
  } as unknown as Session;
  const reported: string[] = [];
  const abandoned = Promise.withResolvers<undefined>();
  const app = createServer({
    clock,
    registry: { get: () => session } as unknown as Registry,
    clientOf: createClientOf([]),
    memory: createByteBudget(1e9),
    doorkeeper: { admit: () => undefined } as unknown as Doorkeeper,
    readBack: {} as ReadBack,
    tickets: createTickets(clock),
    onError: (error) => void reported.push(describeError(error)),
    onAbandoned: () => abandoned.resolve(undefined),
  });
  const server = createHttpServer(app).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/sessions/any/turns`;
  const cases = { 'no-speech': 422, oversized: 413, timeout: 504, 'rate-limited': 503, provider: 502, internal: 500 };
  for (const [each, status] of Object.entries(cases)) {
    kind = each;
    const response = await fetch(url, {
      method: 'POST',
      body: Buffer.from(WAV),
      headers: { 'content-type': 'audio/wav' },
    });
    assert.equal(response.status, status, each);
    assert.equal(((await response.json()) as { title: string }).title, `llm ${each}`);
    assert.equal(response.headers.get('retry-after'), status === 503 ? '5' : null, 'a 503 says when to come back');
  }
  const upload = httpRequest(url, { method: 'POST', headers: { 'content-type': 'audio/wav', expect: '100-continue' } });
  upload.on('error', () => undefined);
  upload.flushHeaders();
  await once(upload, 'continue');
  upload.destroy();
  await abandoned.promise; // a client that goes away is no error of anybody
  assert.deepEqual(reported, ['llm: it broke']);
});

test('of two uploads that come in side by side, one is answered and the other is a 409 without a trace', async (t) => {
  const ports = instantPorts(clock);
  const gate = Promise.withResolvers<undefined>();
  const stt: typeof ports.stt = {
    model: 'slow',
    transcribe: (request, call) => gate.promise.then(() => ports.stt.transcribe(request, call)),
  };
  const service = await testService(t, ports, { ports: { ...ports, stt } });
  const opened = await fetch(`${service.url}/v1/sessions`, { method: 'POST' });
  const { id } = (await opened.json()) as { id: string };
  const headers = { 'content-type': 'audio/wav', expect: '100-continue' };
  const answers: Promise<IncomingMessage>[] = [];
  // "continue" says that the service has the head of the request and waits for its body
  const uploads = [1, 2].map(() =>
    httpRequest(`${service.url}/v1/sessions/${id}/turns`, { method: 'POST', headers, agent: false }),
  );
  for (const upload of uploads) {
    answers.push(once(upload, 'response').then(([response]) => response as IncomingMessage));
    upload.flushHeaders();
  }
  await Promise.all(uploads.map((upload) => once(upload, 'continue')));
  for (const upload of uploads) upload.end(WAV);
  const refused = await Promise.race(answers);
  gate.resolve(undefined);
  const all = await Promise.all(answers);
  for (const response of all) response.resume();
  assert.equal(refused.statusCode, 409);
  assert.equal(refused.headers['x-trace-id'], undefined);
  assert.deepEqual(all.map(({ statusCode }) => statusCode).sort(), [200, 409]);
});

test('an upload whose session is erased before it is here in whole is a 404, and nothing of it is kept', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const opened = await fetch(`${service.url}/v1/sessions`, { method: 'POST' });
  const { id } = (await opened.json()) as { id: string };
  const url = `${service.url}/v1/sessions/${id}`;
  const headers = { 'content-type': 'audio/wav', expect: '100-continue' };
  const upload = httpRequest(`${url}/turns`, { method: 'POST', headers, agent: false });
  const answered = once(upload, 'response').then(([response]) => response as IncomingMessage);
  upload.flushHeaders();
  await once(upload, 'continue');
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 204);
  upload.end(WAV);
  const response = await answered;
  response.resume();
  assert.equal(response.statusCode, 404);
  await service.flushed();
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 404, 'there is nothing to erase');
});
