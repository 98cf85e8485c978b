import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { createRealClock } from '../../service/base/clock.ts';
import { claimSpool, holderHere } from '../../service/spool/claim.ts';
import { BusyServiceError, converse } from '../../service/http/client.ts';
import { clearDemoFolder, whenFree } from './demo.ts';

test('a demo empties the folder of an earlier demo, and no other', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'retake-demo-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const cases: readonly [name: string, files: readonly string[], cleared: boolean][] = [
    ['absent', [], true],
    ['finished', ['report.json', 'report.html', 'data/captures/x'], true],
    ['interrupted', ['data/spool/001.otlp.jsonl'], true],
    ['someone-elses', ['letter.txt'], false],
    ['someone-elses-data', ['data/table.csv'], false],
    ['package', ['report.json', 'data/captures/x', 'package.json'], false],
    ['checkout', ['report.json', '.git/HEAD'], false],
  ];
  for (const [name, files, cleared] of cases) {
    const out = join(root, name);
    for (const file of files) {
      await mkdir(dirname(join(out, file)), { recursive: true });
      await writeFile(join(out, file), 'x');
    }
    const before = await readdir(out, { recursive: true }).catch(() => []);
    if (cleared) {
      await clearDemoFolder(out);
      assert.deepEqual(await readdir(out).catch(() => []), [], name);
    } else {
      await assert.rejects(clearDemoFolder(out), { name: 'InputError', message: /no demo wrote.*name another folder/ });
      assert.deepEqual(await readdir(out, { recursive: true }), before, name);
    }
  }
  const served = join(root, 'served');
  const spool = join(served, 'data', 'spool');
  await mkdir(spool, { recursive: true });
  const { lock } = claimSpool(spool, holderHere(createRealClock()));
  await assert.rejects(clearDemoFolder(served), { name: 'InputError', message: /a service runs on the data in it/ });
  assert.ok((await readdir(spool)).includes('lock'));
  lock.release();
  await clearDemoFolder(served);
  assert.deepEqual(await readdir(served), []);

  await mkdir(join(root, 'empty'));
  await clearDemoFolder(join(root, 'empty'));
  await assert.rejects(
    clearDemoFolder(join(root, 'someone-elses', 'letter.txt')),
    /the folder cannot be read \(ENOTDIR/,
  );
});

test('the demo comes back to a busy service, for a session, for its WebSocket and for a turn', async (t) => {
  const busy = { session: 0, socket: 0, turn: 0, closed: 0 };
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/close') === true) busy.closed++;
    else if (busy.session-- > 0) return response.writeHead(503, { 'retry-after': '0' }).end('{"detail":"busy"}');
    return response.end('{"id":"a"}');
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (busy.socket-- > 0) return socket.end('HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n');
    return sockets.handleUpgrade(request, socket, head, (talk) =>
      talk.on('message', (_, isBinary) => {
        if (isBinary) return;
        const answer = busy.turn-- > 0 ? { type: 'error', title: 'Overloaded', detail: 'busy' } : { type: 'done' };
        talk.send(JSON.stringify(answer));
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const clock = createRealClock();
  const open = () => whenFree(clock, new AbortController().signal, () => converse(url, clock, {}));

  Object.assign(busy, { session: 2, socket: 2 });
  const conversation = await open();
  assert.equal(busy.closed, 2, 'a session without a WebSocket is ended');
  Object.assign(busy, { turn: 1 });
  const noWait = { ...clock, sleep: () => Promise.resolve() };
  const signal = new AbortController().signal;
  await whenFree(noWait, signal, () => conversation.speak('fixtures/audio/en-support-2.wav'));
  assert.equal(busy.turn, -1);
  await conversation.close();

  Object.assign(busy, { session: 1000 });
  await assert.rejects(open, BusyServiceError);
  Object.assign(busy, { session: 1 });
  await assert.rejects(() => converse(url, clock, {}), { message: /answered 503: busy/ });
});
