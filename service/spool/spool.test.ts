import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { createRealClock } from '../base/clock.ts';
import { tracesUrlOf } from './otlp-client.ts';
import { eraseInPlace } from './files.ts';
import { createSpool, type Spool, type SpoolCounters, type SpoolOptions } from './spool.ts';

const clock = createRealClock();

interface Endpoint {
  url: string;
  port: number;
  /** Bodies that were answered 200. */
  taken: string[];
  /** All bodies that arrived. */
  seen: string[];
  paths: Set<string>;
}

type Answer = (response: ServerResponse, body: string) => void;

function folder(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'retake-spool-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

async function serve(
  context: TestContext,
  answer: (taken: string[]) => Answer,
  port = 0,
): Promise<Endpoint & { close(): Promise<void> }> {
  const endpoint: Endpoint = { url: '', port: 0, taken: [], seen: [], paths: new Set() };
  const respond = answer(endpoint.taken);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      endpoint.paths.add(request.url ?? '');
      endpoint.seen.push(body);
      respond(response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  endpoint.port = typeof address === 'object' && address !== null ? address.port : 0;
  endpoint.url = `http://127.0.0.1:${endpoint.port}`;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  context.after(close);
  return { ...endpoint, close };
}

const accept =
  (taken: string[]): Answer =>
  (response, body) => {
    taken.push(body);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  };

function open(context: TestContext, options: Partial<SpoolOptions> & { dir: string }): Spool {
  const spool = createSpool({ clock, maxBytes: 1_000_000, retryFirstMs: 5, retryMaxMs: 20, ...options });
  context.after(() => spool.shutdown());
  return spool;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineUs = clock.nowUs() + 30_000_000; // a hang, not a busy machine
  while (!condition()) {
    assert.ok(clock.nowUs() < deadlineUs, what);
    await clock.sleep(5);
  }
}

function countsOf(spool: Spool): Pick<SpoolCounters, 'appended' | 'sent' | 'pending' | 'dropped'> {
  const { appended, sent, pending, dropped } = spool.counters();
  return { appended, sent, pending, dropped };
}

const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `{"line":${index}}\n`);
const bodies = (count: number): string[] => lines(count).map((line) => line.trimEnd());

test('an endpoint that is there gets every line once, in order, at /v1/traces', async (context) => {
  const endpoint = await serve(context, accept);
  const spool = open(context, { dir: folder(context), endpoint: `${endpoint.url}/` });
  for (const line of lines(20)) spool.append(line);
  await until(() => spool.counters().pending === 0, 'sent');
  assert.deepEqual(endpoint.taken, bodies(20));
  assert.deepEqual([...endpoint.paths], ['/v1/traces']);
  assert.deepEqual(countsOf(spool), { appended: 20, sent: 20, pending: 0, dropped: 0 });
  assert.equal(tracesUrlOf('http://c:4318/base'), 'http://c:4318/base/v1/traces');
});

test('down: append does not wait, everything arrives once the endpoint is up', async (context) => {
  const probe = await serve(context, accept);
  await probe.close();
  const messages: string[] = [];
  const spool = open(context, { dir: folder(context), endpoint: probe.url, log: (message) => messages.push(message) });
  for (const line of lines(200)) spool.append(line);
  assert.equal(spool.counters().failures, 0, 'nothing was waited for: no attempt can have ended');
  await until(() => spool.counters().failures >= 3, 'three attempts');
  assert.equal(spool.counters().pending, 200, 'control: nothing can have left');
  assert.equal(messages.length, 1, 'said once, not at each attempt');
  const back = await serve(context, accept, probe.port);
  await until(() => spool.counters().pending === 0, 'recovered');
  assert.deepEqual(back.taken, bodies(200));
});

test('500 is asked again until it is a 200; 400 leaves as dropped', async (context) => {
  let refusals = 3;
  const endpoint = await serve(context, (taken) => (response, body) => {
    if (body === '{"line":1}') response.writeHead(400).end();
    else if (refusals-- > 0) response.writeHead(500).end();
    else accept(taken)(response, body);
  });
  const spool = open(context, { dir: folder(context), endpoint: endpoint.url });
  for (const line of lines(3)) spool.append(line);
  await until(() => spool.counters().pending === 0, 'sent');
  assert.deepEqual(endpoint.taken, ['{"line":0}', '{"line":2}']);
  assert.deepEqual(countsOf(spool), { appended: 3, sent: 2, pending: 0, dropped: 1 });
  assert.equal(endpoint.seen.filter((body) => body === '{"line":0}').length, 4);
});

test('what an endpoint will never take leaves, whatever may heal waits', async (context) => {
  for (const [status, leaves] of [
    [400, true],
    [413, true],
    [415, true],
    [422, true],
    [401, false],
    [404, false],
    [429, false],
    [503, false],
  ] as const) {
    const endpoint = await serve(context, () => (response) => response.writeHead(status).end());
    const spool = open(context, { dir: folder(context), endpoint: endpoint.url });
    for (const line of lines(1)) spool.append(line);
    await until(
      () => endpoint.seen.length >= (leaves ? 1 : 2) && spool.counters().pending === (leaves ? 0 : 1),
      `${status}`,
    );
    const expected = leaves ? { pending: 0, dropped: 1 } : { pending: 1, dropped: 0 };
    assert.deepEqual(countsOf(spool), { appended: 1, sent: 0, ...expected }, `${status}`);
  }
});

test('an answer that breaks off or never comes: the line is sent again', async (context) => {
  let attempt = 0;
  const endpoint = await serve(context, (taken) => (response, body) => {
    attempt++;
    if (attempt === 1) response.writeHead(200, { 'content-length': '100' }).write('{"part', () => response.destroy());
    else if (attempt > 2) accept(taken)(response, body);
  });
  const spool = open(context, { dir: folder(context), endpoint: endpoint.url, requestTimeoutMs: 50 });
  for (const line of lines(2)) spool.append(line);
  await until(() => spool.counters().pending === 0, 'sent');
  assert.deepEqual(endpoint.taken, bodies(2));
  assert.equal(endpoint.seen.length, 4);
});

test('shutdown is bounded when the endpoint never answers, and the lines stay for the next process', async (context) => {
  const dir = folder(context);
  const mute = await serve(context, () => () => undefined);
  // what it allows itself, not what a busy machine makes of it
  const allowedMs: number[] = [];
  const sleep: typeof clock.sleep = (ms, signal) => clock.sleep(allowedMs.push(ms) > 0 ? ms : 0, signal);
  const spool = open(context, { dir, endpoint: mute.url, clock: { ...clock, sleep }, requestTimeoutMs: 60_000 });
  for (const line of lines(5)) spool.append(line);
  await until(() => mute.seen.length === 1, 'asked');
  allowedMs.length = 0;
  await spool.shutdown();
  const sumMs = allowedMs.reduce((sum, ms) => sum + ms, 0);
  assert.ok(sumMs > 0 && sumMs < 2000, `${allowedMs.join(' + ')} ms`);
  assert.equal(spool.counters().pending, 5);
  spool.append('{"late":1}\n');
  assert.equal(spool.counters().dropped, 1);
  await mute.close();
  const endpoint = await serve(context, accept);
  const next = open(context, { dir, endpoint: endpoint.url });
  await until(() => next.counters().pending === 0, 'sent by the next process');
  assert.deepEqual(endpoint.taken, bodies(5));
});

test('shutdown sends what an endpoint that answers can still take', async (context) => {
  const endpoint = await serve(context, accept);
  const dir = folder(context);
  // its second to send is ten here: a busy machine may need more than one
  const slow = { ...clock, sleep: (ms: number, signal?: AbortSignal) => clock.sleep(10 * ms, signal) };
  const spool = open(context, { dir, endpoint: endpoint.url, clock: slow });
  for (const line of lines(5)) spool.append(line);
  assert.equal(spool.counters().pending, 5);
  await spool.shutdown();
  assert.deepEqual(endpoint.taken, bodies(5));
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.endsWith('.jsonl')),
    [],
  );
});

test('a restart goes on behind what was sent and skips a torn last line', async (context) => {
  const dir = folder(context);
  let room = 3;
  const first = await serve(context, (taken) => (response, body) => {
    if (room-- > 0) accept(taken)(response, body);
    else response.writeHead(503).end();
  });
  const spool = open(context, { dir, endpoint: first.url });
  for (const line of lines(5)) spool.append(line);
  await until(() => spool.counters().sent === 3, 'three sent');
  await spool.shutdown();
  const [segment = ''] = readdirSync(dir).filter((name) => name.endsWith('.jsonl'));
  appendFileSync(join(dir, segment), '{"torn');
  const second = await serve(context, accept);
  const next = open(context, { dir, endpoint: second.url });
  next.append('{"line":"new"}\n');
  await until(() => next.counters().pending === 0, 'sent');
  assert.deepEqual(second.taken, [...bodies(5).slice(3), '{"line":"new"}']);
  assert.deepEqual(countsOf(next), { appended: 4, sent: 3, pending: 0, dropped: 1 });
});

test('the disk is bounded: the oldest segments go and are counted; files are private', async (context) => {
  const dir = folder(context);
  const spool = open(context, { dir, maxBytes: 4000 });
  const long = lines(100).map((line) => line.replace('}', `,"pad":"${'x'.repeat(80)}"}`));
  for (const line of long) spool.append(line);
  const { appended, pending, dropped } = spool.counters();
  assert.equal(appended, 100);
  assert.equal(pending + dropped, 100);
  assert.ok(pending > 20 && dropped > 50, `${pending} pending`);
  const names = readdirSync(dir).sort();
  assert.deepEqual(names.slice(-2), ['lock', 'owner.json']);
  const kept = names
    .slice(0, -2)
    .map((name) => readFileSync(join(dir, name), 'utf8'))
    .join('');
  assert.equal(kept, long.slice(-pending).join(''));
  assert.ok(Buffer.byteLength(kept) <= 4000);
  for (const name of names) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  spool.append(`${'x'.repeat(5000)}\n`);
  assert.equal(spool.counters().dropped, dropped + 1, 'a line larger than the spool is dropped alone');
  assert.equal(spool.counters().pending, pending);
});

test('a segment that is dropped while its line is under way is counted once', async (context) => {
  let release = (): void => undefined;
  const endpoint = await serve(context, (taken) => (response, body) => {
    if (taken.length > 0 || body !== '{"line":0}') accept(taken)(response, body);
    else release = () => accept(taken)(response, body);
  });
  const spool = open(context, { dir: folder(context), endpoint: endpoint.url, maxBytes: 160 });
  const all = lines(60);
  spool.append(all[0] ?? '');
  await until(() => endpoint.seen.length === 1, 'under way');
  for (const line of all.slice(1)) spool.append(line);
  release();
  await until(() => spool.counters().pending === 0, 'sent');
  const { appended, sent, dropped } = spool.counters();
  assert.equal(appended, 60);
  assert.equal(sent + dropped, 60);
  assert.equal(endpoint.taken.length, sent + 1);
});

test('a disk that refuses is reported and does not throw', (context) => {
  const dir = folder(context);
  const messages: string[] = [];
  const spool = open(context, { dir, log: (message) => messages.push(message) });
  rmSync(dir, { recursive: true });
  spool.append('{}\n');
  assert.deepEqual(countsOf(spool), { appended: 1, sent: 0, pending: 0, dropped: 1 });
  assert.match(messages.join(), /cannot be written/);
});

test('a folder that cannot be used is one clear error', (context) => {
  const dir = folder(context);
  writeFileSync(dir, 'a file');
  assert.throws(() => createSpool({ dir, clock, maxBytes: 1000 }), {
    name: 'InputError',
    message: /the spool cannot use .*spool \(EEXIST.*\); set RETAKE_DATA/,
  });
});

test('a session is erased from the spool, sent or waiting; the others still arrive', async (context) => {
  const endpoint = await serve(context, accept);
  const dir = folder(context);
  const waiting = open(context, { dir });
  for (const line of lines(6)) waiting.append(line);
  await waiting.shutdown();
  const spool = open(context, { dir });
  for (const line of ['{"line":"mine"}\n', '{"line":"theirs"}\n']) spool.append(line);
  // what is appended while the disk is searched stays whole
  const erased = spool.erase('"mine"');
  spool.append('{"line":"later"}\n');
  await erased;
  await spool.erase('"line":3');
  assert.deepEqual(countsOf(spool), { appended: 9, sent: 0, pending: 9, dropped: 0 });
  const onDisk = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'));
  assert.ok(onDisk.every((text) => !text.includes('mine') && !text.includes('"line":3')));
  await spool.shutdown();
  const later = open(context, { dir, endpoint: endpoint.url, headers: { 'x-key': 'k' } });
  await until(() => later.counters().pending === 0, 'sent');
  const left = [0, 1, 2, 4, 5].map((line) => `{"line":${line}}`);
  assert.deepEqual(endpoint.taken, [...left, '{"line":"theirs"}', '{"line":"later"}']);
  assert.deepEqual(countsOf(later), { appended: 9, sent: 7, pending: 0, dropped: 2 });
});

test('a line is erased wherever it lies in a segment, also across the windows in which it is searched', async (context) => {
  const dir = folder(context);
  const spool = open(context, { dir, maxBytes: 64_000_000 });
  const session = (index: number): string =>
    `{"session":"s${index % 7}."${'x'.repeat((index * 791_911) % 2_500_000)}}\n`;
  const written = Array.from({ length: 40 }, (_, index) => session(index));
  for (const line of written) spool.append(line);
  await spool.erase('"s3."');
  const found = readdirSync(dir)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split(/(?<=\n)/));
  const expected = written.map((line, index) => (index % 7 === 3 ? `${'{}'.padEnd(line.length - 1)}\n` : line));
  assert.ok(expected.length === found.length && expected.every((line, index) => line === found[index]));
});

test('a torn last line is erased too, in an old segment and in the newest; control: one that is being appended stays whole', async (context) => {
  const dir = folder(context);
  const spool = open(context, { dir });
  spool.append('{"line":"kept"}\n');
  const path = join(dir, readdirSync(dir).find((name) => name.endsWith('.jsonl')) ?? assert.fail('no segment'));
  appendFileSync(path, '{"session":"mine","cut');
  await spool.erase('"theirs"');
  assert.match(readFileSync(path, 'utf8'), /"mine"/, 'control: of another session');
  await spool.erase('"mine"');
  const left = `{"line":"kept"}\n${'{}'.padEnd('{"session":"mine","cut'.length)}`;
  assert.equal(readFileSync(path, 'utf8'), left);
  appendFileSync(path, '\n{"session":"mine","begun');
  const erased = await eraseInPlace(dir, '"mine"', async () => appendFileSync(path, '":1}\n{"line":"next"}\n'));
  assert.equal(erased, 1);
  const whole = '{}'.padEnd('{"session":"mine","begun":1}'.length);
  assert.equal(readFileSync(path, 'utf8'), `${left}\n${whole}\n{"line":"next"}\n`);
});
