import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { createRealClock } from '../base/clock.ts';
import { createOtlpClient } from './otlp-client.ts';
import { resendSpool } from './resend.ts';
import { createSpool, type Spool } from './spool.ts';

const clock = createRealClock();
const line = (turn: number): string => `{"turn":${turn},"endTimeUnixNano":"${turn}000000000"}\n`;
const never = new AbortController().signal;

async function endpoint(
  context: TestContext,
  answer: (body: string) => { status: number; text: string },
): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      seen.push(body);
      const { status, text } = answer(body);
      response.writeHead(status).end(text);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, seen };
}

function folder(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'retake-resend-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

const ok = { status: 200, text: '{}' };

/** Shutting down gives the endpoint a second: on a busy machine that may be less than the lines need. */
async function sentAndShutDown(spool: Spool): Promise<void> {
  while (spool.counters().pending > 0) await clock.sleep(1);
  await spool.shutdown();
}

test('what was sent stays within its limit and is sent again by its end', async (context) => {
  const { url, seen } = await endpoint(context, () => ok);
  const dir = folder(context);
  const spool = createSpool({ dir, clock, endpoint: url, maxBytes: 100_000, keepSentBytes: 100_000 });
  for (let turn = 1; turn <= 5; turn++) spool.append(line(turn));
  await sentAndShutDown(spool);
  assert.equal(seen.length, 5);
  // a torn line, as a crash leaves it, is no line
  appendFileSync(join(dir, readdirSync(dir).find((name) => name.endsWith('.jsonl')) ?? ''), '{"turn":9');
  const client = createOtlpClient({ clock, endpoint: url });
  context.after(() => client.close());
  const resent = await resendSpool({ dir, sinceUs: 4_000_000, client, signal: never });
  assert.deepEqual(resent, { turns: 2, bytes: 2 * (line(4).length - 1), rejectedSpans: 0, refused: 0 });
  assert.deepEqual(seen.slice(5), [line(4).trimEnd(), line(5).trimEnd()]);
  // and a service that starts on the folder sends none of it
  const next = createSpool({ dir, clock, endpoint: url, maxBytes: 100_000, keepSentBytes: 100_000 });
  next.append(line(6));
  await sentAndShutDown(next);
  assert.deepEqual(seen.slice(7), [line(6).trimEnd()]);
});

test('control: a spool that keeps nothing has nothing to send again; no folder is an error', async (context) => {
  const { url } = await endpoint(context, () => ok);
  const dir = folder(context);
  const client = createOtlpClient({ clock, endpoint: url });
  context.after(() => client.close());
  await assert.rejects(resendSpool({ dir, sinceUs: 0, client, signal: never }), /there is no spool/);
  const spool = createSpool({ dir, clock, endpoint: url, maxBytes: 100_000 });
  spool.append(line(1));
  await sentAndShutDown(spool);
  assert.equal((await resendSpool({ dir, sinceUs: 0, client, signal: never })).turns, 0);
});

test('kept lines are bounded, make room first, and are erased with their session', async (context) => {
  const { url } = await endpoint(context, () => ok);
  const dir = folder(context);
  const spool = createSpool({ dir, clock, endpoint: url, maxBytes: 4000, keepSentBytes: 1000 });
  for (let turn = 1; turn <= 200; turn++) {
    spool.append(line(turn));
    while (spool.counters().pending > 0) await clock.sleep(1);
  }
  const { dropped, diskBytes } = spool.counters();
  assert.equal(dropped, 0, 'sent lines leave before unsent ones');
  assert.ok(diskBytes > 500 && diskBytes <= 1500, `${diskBytes} bytes`);
  await spool.erase('"turn":200,');
  await spool.shutdown();
  const again = createOtlpClient({ clock, endpoint: url });
  context.after(() => again.close());
  const kept = await resendSpool({ dir, sinceUs: 0, client: again, signal: never });
  assert.ok(kept.turns > 5);
  assert.equal((await resendSpool({ dir, sinceUs: 200_000_000, client: again, signal: never })).turns, 0);
  assert.equal((await resendSpool({ dir, sinceUs: 199_000_000, client: again, signal: never })).turns, 1, 'control');
});

test('a partial success counts what was left out and sends nothing again; a failing endpoint is an error', async (context) => {
  const partial = '{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}';
  const { url, seen } = await endpoint(context, (body) => {
    if (body.includes('"turn":3')) return { status: 503, text: '' };
    return body.includes('"turn":1') ? { status: 200, text: partial } : ok;
  });
  const dir = folder(context);
  const messages: string[] = [];
  const spool = createSpool({
    dir,
    clock,
    endpoint: url,
    maxBytes: 100_000,
    keepSentBytes: 100_000,
    log: (message) => messages.push(message),
  });
  spool.append(line(1));
  spool.append(line(2));
  await sentAndShutDown(spool);
  const { sent, dropped, rejectedSpans } = spool.counters();
  assert.deepEqual(
    { sent, dropped, rejectedSpans, seen: seen.length },
    { sent: 2, dropped: 0, rejectedSpans: 3, seen: 2 },
  );
  assert.match(messages.join(), /left out 3 spans: too old/);
  const waiting = createSpool({ dir, clock, maxBytes: 100_000, keepSentBytes: 100_000 });
  waiting.append(line(3));
  await waiting.shutdown();
  const client = createOtlpClient({ clock, endpoint: url });
  context.after(() => client.close());
  await assert.rejects(
    resendSpool({ dir, sinceUs: 0, client, signal: never }),
    /HTTP 503; 2 turns were sent; run the same command again/,
  );
});
