/** What a client may send before it has an answer, and request lines that name no path: written to a socket as they are. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { rawAnswers } from '../../testing/raw-http.ts';
import { createRealClock } from '../base/clock.ts';
import { openEntrance } from './entrance.ts';
import { LIMITS } from './limits.ts';

const clock = createRealClock();

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

const echo: Handle = (request, response) => {
  request.resume().once('end', () => response.end(`<${request.method} ${request.url}>`));
};

async function open(t: TestContext, handle: Handle = echo): Promise<number> {
  const entrance = await openEntrance({ host: '127.0.0.1', port: 0, clock, guard: { hosts: [], origins: [] } });
  t.after(() => entrance.close());
  entrance.open({
    request: handle,
    upgrade: ({ url }, duplex) => duplex.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n<upgrade ${url}>`),
  });
  return Number(new URL(entrance.url).port);
}

const get = (target: string, headers = ''): string => `GET ${target} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`;
const LAST = 'connection: close\r\n';
const UPGRADE = 'connection: upgrade\r\nupgrade: websocket\r\n';
/** Statuses and bodies, in the order that they came in. */
const inOrder = (answers: string): string[] => answers.match(/HTTP\/1.1 \d+|<[^>]+>/g) ?? [];

test('requests of a connection are handled one after the other, and answered in order', async (t) => {
  let [now, most] = [0, 0];
  const held: (() => void)[] = [];
  const port = await open(t, (request, response) => {
    most = Math.max(most, ++now);
    response.once('finish', () => now--);
    if (request.url !== '/held') return void setImmediate(() => echo(request, response));
    if (held.push(() => echo(request, response)) === 3) for (const answer of held) answer();
  });
  const paths = Array.from({ length: LIMITS.pipelined.value }, (_, index) => `/${index}`);
  const answers = await rawAnswers(port, paths.map((path) => get(path)).join('') + get('/last', LAST));
  assert.deepEqual(
    inOrder(answers),
    [...paths, '/last'].flatMap((path) => ['HTTP/1.1 200', `<GET ${path}>`]),
  );
  assert.equal(most, 1);
  await Promise.all([1, 2, 3].map(() => rawAnswers(port, get('/held', LAST)))); // control: connections do not wait for each other
});

test('a client that reads no answer has one in memory; one that lets too many wait is cut', async (t) => {
  const bytes = 8_000_000; // more than a connection's buffers take
  let handled = 0;
  const port = await open(t, (_request, response) => {
    handled++;
    response.end(Buffer.alloc(bytes));
  });
  const ask = (count: number): ReturnType<typeof connect> => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.pause().write(get('/').repeat(count));
    return socket;
  };
  const patient = ask(3);
  t.after(() => patient.destroy());
  while (handled < 1) await new Promise(setImmediate);
  const greedy = ask(1000);
  await once(greedy.resume(), 'close');
  assert.equal(handled, 2);
  assert.ok(greedy.bytesRead < bytes);
  patient.resume();
  while (handled < 4) await new Promise(setImmediate); // control: whoever reads gets the next one
});

test('an upgrade behind other requests is refused once they are answered; control: alone it is taken', async (t) => {
  const port = await open(t, (request, response) => void setImmediate(() => echo(request, response)));
  const behind = await rawAnswers(port, get('/a') + get('/b') + get('/c', UPGRADE));
  assert.deepEqual(inOrder(behind).slice(0, 5), [
    'HTTP/1.1 200',
    '<GET /a>',
    'HTTP/1.1 200',
    '<GET /b>',
    'HTTP/1.1 400',
  ]);
  assert.match(behind, /"field":"upgrade"\}$/);
  assert.deepEqual(inOrder(await rawAnswers(port, get('/c', UPGRADE))), ['HTTP/1.1 101', '<upgrade /c>']);
});

test('a request line that names no path is one problem, and no warning of Node; an absolute one is its path', async (t) => {
  const port = await open(t);
  const warnings: string[] = [];
  const warned = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const line = (method: string, target: string): string =>
    `${method} ${target} HTTP/1.1\r\nhost: localhost\r\n${LAST}\r\n`;
  const odd = [
    line('GET', 'http://[::bad'),
    line('GET', 'http://'),
    line('GET', 'http://user:word@localhost/'),
    line('GET', 'ftp://localhost/'),
    line('GET', '*'),
    line('OPTIONS', '*'),
    line('GET', 'localhost:80'),
    line('CONNECT', 'localhost:80'),
    line('GET', 'http://localhost/ a'),
    'no HTTP at all\r\n\r\n',
    `POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
  ];
  for (const text of odd) {
    const answer = await rawAnswers(port, text);
    assert.match(answer, /^HTTP\/1.1 400 Bad [Rr]equest\r\n[^]*content-type: application\/problem\+json/i, text);
    assert.match(
      answer,
      /\r\n\{"type":"about:blank","status":400,"title":"Bad request",[^{}]*\}(\r\n0\r\n\r\n)?$/i,
      text,
    );
  }
  assert.match(await rawAnswers(port, line('GET', 'http://evil.example/a')), /^HTTP\/1.1 421 /);
  const legal = [`http://localhost:${port}/a?b`, 'HTTP://localhost/a?b', 'http://127.0.0.1/a?b', '/a?b'];
  for (const target of legal)
    assert.deepEqual(inOrder(await rawAnswers(port, line('GET', target))), ['HTTP/1.1 200', '<GET /a?b>'], target);
  assert.match(await rawAnswers(port, line('GET', 'http://localhost')), /<GET \/>/);
  assert.deepEqual(warnings, []);
});
