/** What the real transport shows of exchanges that fail, and what it does when a reused connection is dead. */
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { createIdentity, type Identity } from '../../sim/wire/certificate.ts';
import { createRealClock } from '../base/clock.ts';
import type { TurnEvent } from '../base/events.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { exchangesOf } from '../telemetry/http-spans.ts';
import type { SpanAttributes } from '../telemetry/names.ts';
import { openCall } from './exchange.ts';
import { createRealTransport, type RealTransportOptions } from './fetch.ts';
import { lookupBy } from './resolver.ts';

const clock = createRealClock();
let identity: Identity;
const servers: TcpServer[] = [];

before(async () => {
  identity = await createIdentity(Date.now());
});
after(() => {
  for (const server of servers) server.close();
});

async function listening(server: TcpServer): Promise<number> {
  servers.push(server);
  server.unref();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function https(options: ServerOptions, handler: Parameters<typeof createServer>[1]): Server {
  return createServer({ cert: identity.certPem, key: identity.keyPem, ...options }, handler);
}

interface Asked {
  events: readonly TurnEvent[];
  error: unknown;
  /** Names of the phases that are not empty, or in which it failed. */
  phases: string[][];
}

function asker(options: Partial<RealTransportOptions> = {}) {
  const transport = createRealTransport({
    clock,
    network: { keepAlive: { idleMs: 60_000, drain: true }, http2: false, preResolve: false },
    caPem: identity.caPem,
    ...options,
  });
  const ask = async (url: string, signal = new AbortController().signal, body = '{}'): Promise<Asked> => {
    const recorder = createRecorder(clock, [], () => undefined);
    const cause = recorder.record({ kind: 'speech.start', stage: 'llm' });
    const context = { sessionId: 's', turnIndex: 0, stage: 'llm' as const, ordinal: 0, attempt: 0, arm: 'a' };
    const call = openCall({ transport, clock, recorder, signal, context, drain: true, cause });
    let error: unknown;
    try {
      await (await call.fetch(url, { method: 'POST', body })).text();
    } catch (thrown) {
      error = thrown;
    }
    await call.settled();
    const phases = exchangesOf(recorder.events).map((exchange) =>
      exchange.phases.filter(({ startUs, endUs, attributes }) => endUs > startUs || isFailed(attributes)).map(nameOf),
    );
    return { events: recorder.events, error, phases };
  };
  return { transport, ask };
}

function nameOf({ name, attributes }: { name: string; attributes: SpanAttributes }): string {
  return `${name.replace(/^(http|tcp)\./, '')}${isFailed(attributes) ? ' failed' : ''}`;
}

/** By itself, or because it was given up. */
function isFailed(attributes: SpanAttributes): boolean {
  return 'error.type' in attributes || 'retake.cancelled' in attributes;
}

const failed = (asked: Asked): string | undefined => asked.phases.at(-1)?.at(-1);

/** When undici itself says that a body was handed over and that headers came, in the order in which it says so. */
function undiciSays(path: string, onHeaders: () => void = () => undefined): { said: string[]; stop: () => void } {
  const said: string[] = [];
  const names = ['bodySent', 'headers'] as const;
  const listeners = names.map((name) => {
    const listener = (message: unknown): void => {
      const request: unknown = Object(message).request;
      if (Object(request).path !== path) return;
      said.push(name);
      if (name === 'headers') onHeaders();
    };
    subscribe(`undici:request:${name}`, listener);
    return () => unsubscribe(`undici:request:${name}`, listener);
  });
  return { said, stop: () => listeners.forEach((each) => each()) };
}

test('a failure shows in the phase in which it came', async () => {
  const refusedPort = await listening(createTcpServer());
  await new Promise((resolve) => servers.pop()?.close(resolve));
  const notTls = await listening(createTcpServer((socket) => socket.end('hello\n')));
  const reset = await listening(https({}, (request) => request.socket.destroy()));
  const midBody = await listening(
    https({}, (_request, response) => {
      response.write('a');
      setImmediate(() => response.destroy());
    }),
  );
  const unknown = lookupBy(() => Promise.reject(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' })));
  const nameless = asker({ lookup: unknown });
  const { transport, ask } = asker();
  assert.equal(failed(await nameless.ask('https://nowhere.test/')), 'dns failed');
  assert.equal(failed(await ask(`https://127.0.0.1:${refusedPort}/`)), 'connect failed');
  assert.equal(failed(await ask(`https://127.0.0.1:${notTls}/`)), 'tls failed');
  assert.equal(failed(await ask(`https://127.0.0.1:${reset}/`)), 'wait failed');
  assert.equal(failed(await ask(`https://127.0.0.1:${midBody}/`)), 'body failed');
  await Promise.all([transport.close(), nameless.transport.close()]);
});

test('an abort shows in the phase in which it came', async () => {
  /** Aborted once the phase has begun for both sides, however long that takes. */
  const cut = { begun: (): void => undefined };
  const asked = async (asking: (signal: AbortSignal) => Promise<Asked>): Promise<string | undefined> => {
    const abort = new AbortController();
    cut.begun = () => void setTimeout(() => abort.abort(new Error('long enough')), 10);
    return failed(await asking(abort.signal));
  };
  const neverTls = await listening(createTcpServer(() => cut.begun()));
  const neverHeaders = await listening(https({}, () => cut.begun()));
  const neverEnd = await listening(https({}, (_request, response) => void response.write('a')));
  const slowName = asker({
    lookup: lookupBy(() => {
      cut.begun();
      return new Promise(() => undefined);
    }),
  });
  const { transport, ask } = asker();
  assert.equal(await asked((signal) => slowName.ask('https://slow.test/', signal)), 'dns failed');
  assert.equal(await asked((signal) => ask(`https://127.0.0.1:${neverTls}/`, signal)), 'tls failed');
  assert.equal(await asked((signal) => ask(`https://127.0.0.1:${neverHeaders}/`, signal)), 'wait failed');
  const { stop } = undiciSays('/never-end', () => cut.begun());
  assert.equal(await asked((signal) => ask(`https://127.0.0.1:${neverEnd}/never-end`, signal)), 'body failed');
  stop();
  await Promise.all([transport.close(), slowName.transport.close()]);
});

/** A server that answers the first `alive` requests of a connection and resets it at the next, or when it is idle. */
async function deaf(alive: number): Promise<{ port: number; requests: () => number; connections: () => number }> {
  let requests = 0;
  let connections = 0;
  const served = new WeakMap<Socket, number>();
  const server = https({}, (request, response) => {
    requests++;
    const count = (served.get(request.socket) ?? 0) + 1;
    served.set(request.socket, count);
    if (count > alive) request.socket.destroy();
    else response.writeHead(200, { connection: 'keep-alive' }).end('ok');
  });
  server.keepAliveTimeout = 0;
  server.on('secureConnection', () => connections++);
  return { port: await listening(server), requests: () => requests, connections: () => connections };
}

test('a reused connection that is dead costs one repeat on a new one, and the log shows both', async () => {
  const server = await deaf(1);
  const { transport, ask } = asker();
  const first = await ask(`https://127.0.0.1:${server.port}/`);
  assert.equal(first.error, undefined);
  const second = await ask(`https://127.0.0.1:${server.port}/`);
  assert.equal(second.error, undefined);
  assert.deepEqual([server.requests(), server.connections()], [3, 2]);
  const starts = second.events.filter(({ kind }) => kind === 'http.start');
  assert.deepEqual(
    starts.map(({ exchange, attrs }) => [exchange, attrs?.['repeats']]),
    [
      ['llm.0.0.0', undefined],
      ['llm.0.0.1', 'llm.0.0.0'],
    ],
  );
  const reused = second.events.filter(({ kind }) => kind === 'http.queued').map(({ attrs }) => attrs?.['reused']);
  assert.deepEqual(reused, [true, false]);
  await transport.close();
});

test('control: a new connection that breaks is not repeated here, nor is a repeat', async () => {
  const server = await deaf(0);
  const { transport, ask } = asker();
  assert.notEqual((await ask(`https://127.0.0.1:${server.port}/`)).error, undefined);
  assert.equal(server.requests(), 1);
  const moody = await deaf(1);
  await ask(`https://127.0.0.1:${moody.port}/`);
  await transport.close();
});

test("other sockets of the process, such as the exporter's, are on no trace, even during an exchange", async () => {
  const port = await listening(https({}, (_request, response) => setTimeout(() => response.end('ok'), 30)));
  const { transport, ask } = asker();
  const exporter = asker();
  const asking = ask(`https://127.0.0.1:${port}/`);
  const exporting = await fetch(`https://127.0.0.1:${port}/v1/traces`, { method: 'POST', body: '{}' }).catch(
    () => undefined,
  );
  const other = await exporter.ask(`https://127.0.0.1:${port}/`);
  const { events } = await asking;
  assert.equal(events.filter(({ kind }) => kind === 'http.start').length, 1);
  assert.equal(events.filter(({ kind }) => kind === 'http.tls').length, 1);
  assert.equal(events.find(({ kind }) => kind === 'http.queued')?.attrs?.['paidBy'], 'own');
  assert.equal(exporting, undefined, 'it trusts nobody: but it opened a socket');
  assert.equal(other.events.filter(({ kind }) => kind === 'http.start').length, 1, 'control: our own calls are seen');
  await Promise.all([transport.close(), exporter.transport.close()]);
});

test('`send` ends with the body, or at headers that come before: an early 413 to 8 MB; control: a server that reads first', async () => {
  for (const early of [true, false]) {
    const port = await listening(
      https({}, (request, response) => {
        const refuse = (): void => void response.writeHead(413).end('too much');
        if (early) return refuse();
        request.resume().on('end', () => setTimeout(refuse, 20));
      }),
    );
    const path = `/${early ? 'early' : 'read'}`;
    const { said, stop } = undiciSays(path);
    const { transport, ask } = asker();
    const { events, error } = await ask(`https://127.0.0.1:${port}${path}`, undefined, 'x'.repeat(8_000_000));
    assert.equal(error, undefined);
    const of = (kind: string): TurnEvent => events.find((event) => event.kind === kind) ?? assert.fail(`no ${kind}`);
    const [sent, headers] = [of('http.sent'), of('http.headers')];
    assert.equal(headers.attrs?.['status'], 413);
    assert.equal(said[0], early ? 'headers' : 'bodySent', said.join());
    if (early) assert.equal(sent.atUs, headers.atUs);
    else assert.ok(sent.atUs < headers.atUs, 'the server waited 20 ms');
    assert.equal(sent.attrs?.['known'], !early);
    stop();
    await transport.close();
  }
});

/** A call whose requests are answered when the test says so. */
function heldCall(answer: Promise<Response>, signal = new AbortController().signal) {
  const recorder = createRecorder(clock, [], () => undefined);
  const cause = recorder.record({ kind: 'speech.start', stage: 'stt' });
  const transport = { send: () => answer, openAhead: async () => undefined, close: async () => undefined };
  const context = { sessionId: 's', turnIndex: 0, stage: 'stt' as const, ordinal: 0, attempt: 0, arm: 'a' };
  return { recorder, call: openCall({ transport, clock, recorder, signal, context, drain: true, cause }) };
}

test('a call has settled when its request has ended, not when an aborted SDK has given up on it', async () => {
  const hangUp = new AbortController();
  const letGo = Promise.withResolvers<never>();
  const { recorder, call } = heldCall(letGo.promise, hangUp.signal);

  const answered = call.fetch('https://fal.run', { method: 'POST', body: '{}' });
  const sdk = Promise.race([answered, once(hangUp.signal, 'abort').then(() => assert.fail('gave up'))]);
  hangUp.abort();
  await assert.rejects(sdk, /gave up/);
  let settled = false;
  const settling = call.settled().then(() => (settled = true));
  await new Promise(setImmediate);
  assert.equal(settled, false, 'the request has not ended');
  assert.equal(recorder.events.at(-1)?.kind, 'http.start');
  letGo.reject(new Error('let go'));
  await settling;
  assert.equal(recorder.events.at(-1)?.kind, 'http.failed');
});

test('an answer that comes when its call has been abandoned is let go; control: else the call waits for whoever reads it', async () => {
  for (const abandoned of [true, false]) {
    const answer = Promise.withResolvers<Response>();
    const { recorder, call } = heldCall(answer.promise);
    const answered = call.send('https://fal.run', { method: 'POST', body: '{}' });
    if (abandoned) call.abandon();
    let letGo = false;
    answer.resolve(new Response(new ReadableStream({ cancel: () => void (letGo = true) })));
    await answered;
    let settled = false;
    const settling = call.settled().then(() => (settled = true));
    await new Promise(setImmediate);
    const last = recorder.events.at(-1);
    assert.deepEqual(
      [letGo, settled, last?.kind, last?.attrs?.['complete']],
      abandoned ? [true, true, 'http.done', false] : [false, false, 'http.headers', undefined],
    );
    call.abandon();
    await settling;
  }
});
