/** One owner a spool: the kernel's lock, services that share a data folder, and what a process that has ended left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createRealClock } from '../base/clock.ts';
import { claimAll, claimSpool, holderHere, holdsUnsent } from './claim.ts';
import { holderOf, lockFolder } from './lock.ts';
import { createOtlpClient } from './otlp-client.ts';
import { resendSpool } from './resend.ts';
import { createSpool, type Spool } from './spool.ts';

const clock = createRealClock();
const here = holderHere(clock);

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'retake-owner-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

/** An endpoint that can be down: it then answers 503. */
async function endpoint(t: TestContext): Promise<{ url: string; taken: string[]; state: { up: boolean } }> {
  const taken: string[] = [];
  const state = { up: true };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (state.up) taken.push(Buffer.concat(chunks).toString());
      response.writeHead(state.up ? 200 : 503).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken, state };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineUs = clock.nowUs() + 30_000_000; // a hang, not a busy machine
  while (!condition()) {
    assert.ok(clock.nowUs() < deadlineUs, what);
    await clock.sleep(2);
  }
}

const OWNER = `
import { claimSpool, holderHere } from ${JSON.stringify(new URL('claim.ts', import.meta.url).href)};
import { createRealClock } from ${JSON.stringify(new URL('../base/clock.ts', import.meta.url).href)};
const owned = claimSpool(process.argv[1], holderHere(createRealClock(), 'http://127.0.0.1:1'));
console.log(owned.dir);
setInterval(() => owned, 1000);
`;

/** A process that owns a spool, until it is killed. */
async function owner(
  t: TestContext,
  first: string,
): Promise<{ pid: number; dir: string; said: () => string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', OWNER, first], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { pid: child.pid ?? 0, dir: chunk.toString().trim(), said: () => said, kill };
}

test('the lock dies with its process: kill -9, start at once; before that, a second process has a spool of its own', async (t) => {
  const first = folder(t);
  const other = await owner(t, first);
  assert.equal(other.dir, first);
  assert.equal(lockFolder(first, here), undefined, 'control: held while its process lives');
  assert.match(holderOf(first).words, new RegExp(`^process ${other.pid} on .+ since \\d{4}-.*Z, http://127.0.0.1:1$`));
  const second = claimSpool(first, here);
  assert.equal(second.dir, `${first}-2`);
  await other.kill();
  assert.equal(other.said(), '', 'node:sqlite warns of nothing');
  const again = claimSpool(first, here);
  assert.equal(again.dir, first);
  assert.equal(lockFolder(first, here), undefined, 'held within one process too');
  again.lock.release();
  second.lock.release();
  assert.deepEqual(readdirSync(first), ['lock']);
});

test('a folder whose lock cannot be had is one clear error', (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, 'lock'), { recursive: true });
  assert.throws(() => claimSpool(dir, here), { name: 'InputError', message: /lock is no regular file; remove it$/ });
  rmSync(join(dir, 'lock'), { recursive: true });
  writeFileSync(join(dir, 'lock'), 'no database, as a broken disk leaves it'.repeat(100));
  assert.throws(() => claimSpool(dir, here), {
    name: 'InputError',
    message: /lock cannot be locked \(file is not a database\); use a data folder on a local disk/,
  });
});

test('with as many services as a data folder takes, one more says who is there', (t) => {
  const first = folder(t);
  const locks = Array.from({ length: 16 }, () => claimSpool(first, here).lock);
  assert.throws(() => claimSpool(first, here), {
    name: 'InputError',
    message: new RegExp(
      `^16 services run on this data folder.*process ${process.pid} on .*; stop one, or set RETAKE_DATA`,
    ),
  });
  for (const lock of locks) lock.release();
});

const line = (name: string): string => `{"turn":"${name}","endTimeUnixNano":"5000000000"}\n`;
const bodiesOf = (names: readonly string[]): string[] => names.map((name) => line(name).trim()).sort();

/** Every order in which services on one data folder start (S), have a turn (T) and stop (X), with an endpoint that is up or down (D, U). */
const ORDERS: readonly (readonly string[])[] = [
  ['Sa', 'Ta', 'Sb', 'Tb', 'Ta', 'Xa', 'Tb', 'Xb', 'Sc'],
  ['Sa', 'Sb', 'Ta', 'Tb', 'Xb', 'Ta', 'Xa', 'Sc'],
  ['D', 'Sa', 'Ta', 'Sb', 'Tb', 'Xa', 'Tb', 'U', 'Xb', 'Sc'],
  ['D', 'Sa', 'Ta', 'Sb', 'Tb', 'Xb', 'Ta', 'Xa', 'U', 'Sc'],
  ['D', 'Sa', 'Ta', 'Sb', 'Tb', 'Ta', 'Xa', 'Xb', 'Sc', 'Tc', 'Sd', 'Td', 'Xc', 'Xd', 'U', 'Se'],
  ['D', 'Sa', 'Ta', 'Sb', 'Tb', 'Xa', 'U', 'Tb'],
];
for (const order of ORDERS)
  test(`services on one data folder lose no trace: ${order.join(' ')}`, async (t) => {
    const first = folder(t);
    const { url, taken, state } = await endpoint(t);
    const running = new Map<string, Spool>();
    const written: string[] = [];
    // an endpoint that is down is given up at once
    const hasty = { ...clock, sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms / 50, signal) };
    const fast = { retryFirstMs: 5, retryMaxMs: 20, orphansEveryMs: 100, maxBytes: 1e6, keepSentBytes: 1e6 };
    t.after(() => Promise.all([...running.values()].map((each) => each.shutdown())));
    for (const [what, who = ''] of order) {
      if (what === 'D' || what === 'U') state.up = what === 'U';
      if (what === 'S') running.set(who, createSpool({ dir: first, clock: hasty, endpoint: url, ...fast }));
      if (what === 'T') {
        written.push(`${who}${written.length}`);
        running.get(who)?.append(line(written.at(-1) ?? ''));
      }
      if (what === 'X') {
        await running.get(who)?.shutdown();
        running.delete(who);
      }
    }
    await until(() => new Set(taken).size === written.length, `${taken.join()} of ${written.join()}`);
    assert.deepEqual([...new Set(taken)].sort(), bodiesOf(written));
    // what was sent stays for `retake spool resend`, in whichever spool it lies, while services run
    taken.length = 0;
    const client = createOtlpClient({ clock, endpoint: url });
    await resendSpool({ dir: first, sinceUs: 0, client, signal: new AbortController().signal });
    await client.close();
    assert.deepEqual([...new Set(taken)].sort(), bodiesOf(written));
  });

test('what a killed process left is sent once, also when its last line is torn; an erased line is not', async (t) => {
  const first = folder(t);
  const { url, taken } = await endpoint(t);
  const own = createSpool({ dir: first, clock, maxBytes: 1e6 });
  const beside = createSpool({ dir: first, clock, maxBytes: 1e6 });
  for (const name of ['one', 'mine', 'two']) beside.append(line(name));
  await own.erase('"mine"'); // in a spool of another process
  await own.shutdown();
  await beside.shutdown();
  const left = `${first}-2`;
  const [segment = ''] = readdirSync(left).filter((name) => name.endsWith('.jsonl'));
  appendFileSync(join(left, segment), '{"torn');
  const next = createSpool({ dir: first, clock, endpoint: url, maxBytes: 1e6, orphansEveryMs: 5 });
  t.after(() => next.shutdown());
  await until(() => !holdsUnsent(left), 'taken over');
  await clock.sleep(30); // some more looks
  assert.deepEqual(taken.sort(), bodiesOf(['one', 'two']));
  const { appended, sent, pending, dropped } = next.counters();
  assert.deepEqual([appended, sent, pending, dropped], [4, 2, 0, 2]);
  await until(() => !existsSync(join(left, 'owner.json')), 'given back');
  assert.equal(readFileSync(join(left, 'lock'), 'utf8'), '');
});

test('a command owns every spool or none, and says who has one', (t) => {
  const first = folder(t);
  const [a, b] = [claimSpool(first, here), claimSpool(first, holderHere(clock, 'http://127.0.0.1:8080'))];
  a.lock.release();
  const refusal = ({ words, url = '' }: { words: string; url?: string }): string => `${words} | ${url}`;
  assert.throws(() => claimAll(first, here, refusal), {
    name: 'InputError',
    message: /^process \d+ .*8080 \| http:\/\/127\.0\.0\.1:8080$/,
  });
  b.lock.release();
  const all = claimAll(first, here, refusal);
  assert.equal(claimSpool(first, here).dir, `${first}-3`, 'the others are owned');
  all.release();
});
