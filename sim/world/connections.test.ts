/** The pool of virtual time keeps its connections as undici's pool does: the same requests open as many, at the same moments. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Pool } from 'undici';
import { createConnectionPool, type Connection } from './connections.ts';
import type { DrawContext } from '../times/plan.ts';

const KEPT = { keepAlive: { idleMs: 4000 }, http2: false, aheadIdleMs: 60_000 } as const;

const CONTEXT: DrawContext = {
  ...{ sessionId: 's', turnIndex: 0, stage: 'tts', ordinal: 0, attempt: 0, fetchIndex: 0, arm: 'a' },
};

/** Who answers a request keeps its connection open afterwards, or closes it. */
type Answered = 'kept' | 'closed';

/** Two requests at once, ended as said, then a third: how many connections undici opens for them. */
async function openedByUndici(first: Answered, second: Answered): Promise<number> {
  let opened = 0;
  const server = createServer(({ url }, response) => {
    response.writeHead(200, { connection: url === '/closed' ? 'close' : 'keep-alive' }).end('x');
  }).on('connection', () => opened++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const pool = new Pool(`http://127.0.0.1:${address.port}`);
  const get = async (how: Answered): Promise<void> => {
    const { body } = await pool.request({ path: `/${how}`, method: 'GET' });
    await body.text();
  };
  try {
    await Promise.all([get(first), get(second)]);
    const open = [first, second].filter((how) => how === 'kept').length;
    while (pool.stats.connected !== open || pool.stats.free !== open) await setImmediate();
    await get('kept');
    return opened;
  } finally {
    await pool.destroy();
    server.close();
  }
}

function openedHere(first: Answered, second: Answered): number {
  const pool = createConnectionPool(KEPT);
  let opened = 0;
  const exchange = (): Connection => {
    const found = pool.take(0);
    if (found === undefined) opened++;
    return found ?? pool.open(CONTEXT, 0);
  };
  const began = [exchange(), exchange()];
  [first, second].forEach((how, index) => {
    const connection = began[index];
    if (connection !== undefined) pool.release(connection, how === 'kept', 0);
  });
  exchange();
  return opened;
}

for (const [first, second, opened] of [
  ['kept', 'kept', 2],
  ['kept', 'closed', 2],
  ['closed', 'kept', 3], // the first place is free, and its connection gone: the second's is not looked at
  ['closed', 'closed', 3],
] as const) {
  test(`first connection ${first}, second ${second}: as many connections as undici opens`, async () => {
    assert.deepEqual([await openedByUndici(first, second), openedHere(first, second)], [opened, opened]);
  });
}
