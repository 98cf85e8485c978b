/** Who asks and does not read: over real connections, and the order in which they have to go. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { openEntrance } from './entrance.ts';
import { createRealClock } from '../base/clock.ts';
import { createUnread } from './line.ts';

const clock = createRealClock();
/** More than the buffers of a connection take. */
const ANSWER = Buffer.alloc(12_000_000);

async function open(t: TestContext, limits: { stillMs?: number; unreadBytes?: number; connections?: number }) {
  const entrance = await openEntrance({ host: '127.0.0.1', port: 0, guard: { hosts: [], origins: [] }, clock, limits });
  t.after(() => entrance.close());
  let asked = 0;
  const cut = new Map<string, () => void>();
  entrance.open({
    request({ url = '' }, response) {
      asked++;
      response.once('close', () => response.writableFinished || cut.get(url)?.());
      if (url.startsWith('/making')) response.writeHead(200).flushHeaders();
      else response.end(ANSWER);
    },
    upgrade: (_request, duplex) => duplex.destroy(),
  });
  const port = Number(new URL(entrance.url).port);
  const ask = (path?: string): Socket => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    t.after(() => socket.destroy());
    socket.pause();
    if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    return socket;
  };
  /** Resolves when the service gives up an answer that is not read. */
  const isCut = (path: string): Promise<void> => new Promise((resolve) => cut.set(path, resolve));
  const until = async (count: number): Promise<void> => {
    while (asked < count) await new Promise(setImmediate);
  };
  return { ask, until, isCut };
}

const closed = (socket: Socket): Promise<unknown> => once(socket.resume(), 'close');
/** Undefined where the connection is still there. */
const within = (ms: number, socket: Socket): Promise<unknown> =>
  Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, ms, undefined))]);

test('a connection that leaves its one answer unread ends, and one that asks nothing; an answer in the making may take its time', async (t) => {
  const { ask, isCut } = await open(t, { stillMs: 150 });
  const unread = isCut('/unread');
  ask('/unread');
  const making = ask('/making');
  const silent = ask();
  await unread;
  await closed(silent);
  assert.equal(await within(300, making.resume()), undefined, 'control');
});

test('unread answers of all clients have a bound together: the oldest one goes', async (t) => {
  const { ask, until, isCut } = await open(t, { unreadBytes: 2.5 * ANSWER.length });
  let others = 0;
  const cut = isCut('/1');
  for (const path of ['/2', '/3', '/4']) void isCut(path).then(() => others++);
  for (const number of [1, 2, 3, 4]) {
    ask(`/${number}`);
    await until(number);
    await new Promise((resolve) => setTimeout(resolve, 110));
  }
  await cut;
  assert.equal(others, 0);
});

test('with more connections than the limit the oldest that asks nothing ends; one that is answered stays, and a new one is served', async (t) => {
  const { ask, until } = await open(t, { connections: 3 });
  const answered = ask('/making');
  await until(1);
  const idle = [ask(), ask()];
  await Promise.all(idle.map((each) => once(each, 'connect')));
  ask('/making');
  await until(2);
  await closed(idle[0] ?? answered);
  assert.equal(await within(50, answered), undefined, 'control');
});

test('who has read nothing for longest goes first, not who reads slowly; one look serves 100 ms', () => {
  const gone: string[] = [];
  const made = ['slow', 'still', 'read'].map((name) => ({
    writableLength: 60,
    bytesWritten: 60,
    destroy: () => void gone.push(name) as unknown as Socket,
  }));
  const [slow, still, read] = made;
  assert.ok(slow !== undefined && still !== undefined && read !== undefined);
  const connections = new Set([slow]);
  let nowUs = 0;
  const unread = createUnread(connections, { limitBytes: 100, clock: { nowUs: () => nowUs } });
  const look = (): void => {
    unread.bound();
    nowUs += 100_000;
  };
  look();
  connections.add(still).add(read);
  read.writableLength = 0;
  slow.writableLength = 30; // 90 in all: both stay
  look();
  slow.writableLength = 59;
  slow.bytesWritten = 100;
  look();
  nowUs -= 1;
  unread.bound();
  assert.deepEqual(gone, ['still']);
  connections.delete(still);
  nowUs += 1;
  look();
  assert.equal(gone.length, 1, 'control');
});
