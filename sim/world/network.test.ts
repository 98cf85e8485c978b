import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asResponse } from '../../service/net/body.ts';
import type { HttpMarks } from '../../service/base/ports.ts';
import { createVirtualClock } from './clock.ts';
import { answer, jsonAnswer, type Handler } from '../stand-ins/exchange.ts';
import { createSimTransport, type SimTransportOptions } from './network.ts';
import type { DrawContext, ExchangePlan } from '../times/plan.ts';

const ORIGIN = 'https://fal.run';
const CONTEXT: DrawContext = {
  sessionId: 's',
  turnIndex: 0,
  stage: 'tts',
  ordinal: 0,
  attempt: 0,
  fetchIndex: 0,
  arm: 'a',
};
const PLAN: ExchangePlan = {
  basis: 'profile',
  networkUs: { queue: 1, dns: 20, connect: 300, tls: 4000, send: 50_000 },
  waitUs: 600_000,
  items: [
    { gapUs: 7, kind: 'data', parts: [] },
    { gapUs: 80, kind: 'tail', parts: [] },
  ],
  terminatorUs: 900,
  leadingSilenceMs: 0,
};
const NEW_CONNECTION = { queuedUs: 1, dnsUs: 21, connectedUs: 321, tlsUs: 4321, sentUs: 54_321, headersUs: 654_321 };
const REUSED = { queuedUs: 1, sentUs: 50_001, headersUs: 650_001 };

function setUp(options: Partial<SimTransportOptions> = {}, plan: Partial<ExchangePlan> = {}) {
  const clock = createVirtualClock();
  const handler: Handler = (_request, info) =>
    answer(
      { ...PLAN, ...plan },
      info,
      { ...jsonAnswer({}), chunk: ({ kind }) => (kind === 'tail' ? 'b' : 'a') },
      () => ({}),
    );
  const transport = createSimTransport({
    clock,
    handlers: { [ORIGIN]: handler },
    keepAlive: { idleMs: 4000 },
    ...options,
  });
  const send = async (signal?: AbortSignal): Promise<{ marks: HttpMarks; response: Response }> => {
    const marks: HttpMarks = { startUs: clock.nowUs() };
    const request = {
      url: `${ORIGIN}/x`,
      method: 'POST',
      headers: new Headers(),
      body: new Uint8Array(10),
      context: CONTEXT,
    };
    const response = asResponse(await transport.send({ ...request, signal }, marks));
    return { marks, response };
  };
  return { clock, transport, send };
}

/** Marks relative to the exchange's start; what is absent stays absent. */
function relative({
  startUs,
  reused,
  protocol,
  sentKnown,
  basis,
  paidBy: _,
  ...marks
}: HttpMarks): Record<string, unknown> {
  assert.deepEqual([sentKnown, basis !== undefined, reused !== undefined], [true, true, true]);
  assert.match(protocol ?? '', /^(1\.1|2)$/);
  return Object.fromEntries(Object.entries(marks).map(([name, us]) => [name, Number(us) - startUs]));
}

test('a new connection has every phase to the µs; a reused one only queue, send and wait', async () => {
  const { clock, transport, send } = setUp();
  await clock.run(async () => {
    const first = await send();
    assert.deepEqual([relative(first.marks), first.marks.reused], [NEW_CONNECTION, false]);
    assert.equal(await first.response.text(), 'ab');
    assert.equal(clock.nowUs(), 654_321 + 7 + 80 + 900);
    const second = await send();
    assert.deepEqual([relative(second.marks), second.marks.reused], [REUSED, true]);
    const third = await send(); // the second's body has not ended: its connection is busy
    assert.equal(third.marks.reused, false);
  });
  assert.deepEqual(transport.opened(), { [ORIGIN]: 2 });
});

test('a connection is closed after its idle time, by cancelling its body early, and always without keep-alive', async () => {
  const reusedAfter = async (
    options: Partial<SimTransportOptions>,
    between: (response: Response, sleep: (ms: number) => Promise<void>) => Promise<unknown>,
  ): Promise<boolean | undefined> => {
    const { clock, send } = setUp(options);
    return clock.run(async () => {
      await between((await send()).response, clock.sleep);
      return (await send()).marks.reused;
    });
  };
  const readAll = (response: Response): Promise<string> => response.text();
  assert.equal(await reusedAfter({}, readAll), true);
  assert.equal(await reusedAfter({}, async (response, sleep) => [await response.text(), await sleep(3999)]), true);
  assert.equal(await reusedAfter({}, async (response, sleep) => [await response.text(), await sleep(4000)]), false);
  assert.equal(await reusedAfter({}, async (response) => response.body?.cancel()), false);
  assert.equal(await reusedAfter({ keepAlive: false }, readAll), false);
});

test('a name is looked up once within its time to live', async () => {
  const dnsOfSecond = async (dnsTtlMs: number): Promise<boolean> => {
    const { clock, send } = setUp({ keepAlive: false, dnsTtlMs });
    return clock.run(async () => {
      await (await send()).response.text();
      return (await send()).marks.dnsUs !== undefined;
    });
  };
  assert.equal(await dnsOfSecond(60_000), false);
  assert.equal(await dnsOfSecond(100), true);
  assert.equal(await dnsOfSecond(0), true);
});

test('the captured connection state wins, unless the pools are to decide', async () => {
  const first = async (reuse: 'captured' | 'pool'): Promise<unknown> => {
    const { clock, send } = setUp({ reuse }, { basis: 'captured', reused: true });
    return clock.run(async () => relative((await send()).marks));
  };
  assert.deepEqual(await first('captured'), REUSED);
  assert.deepEqual(await first('pool'), NEW_CONNECTION);
});

test('where an exchange that the capture does not hold has come, its origin’s pool decides what finds its connection open', async () => {
  const captured: Partial<ExchangePlan> = { basis: 'captured', reused: false };
  const second = async (extra: boolean): Promise<unknown> => {
    const plan = extra ? {} : { ...captured };
    const { clock, send } = setUp({}, plan);
    return clock.run(async () => {
      await (await send()).response.text();
      Object.assign(plan, captured);
      return (await send()).marks.reused;
    });
  };
  assert.equal(await second(true), true, 'the extra one left it open');
  assert.equal(await second(false), false, 'control: as captured, it was set up anew');
});

test('an abort during set-up rejects at once with the reason and marks only what had ended', async () => {
  const { clock, send } = setUp();
  const controller = new AbortController();
  await clock.run(async () => {
    const sending = assert.rejects(send(controller.signal), /barge-in/);
    await clock.sleep(0.5);
    controller.abort(new Error('barge-in'));
    await sending;
    assert.equal(clock.nowUs(), 500);
    assert.equal((await send()).marks.reused, false, 'its connection is gone');
  });
});

test('over HTTP/2 requests share one connection; one that comes during its set-up waits for the rest of it', async () => {
  const seen = async (http2: boolean) => {
    const { clock, transport, send } = setUp({ http2 });
    return clock.run(async () => {
      const first = send();
      await clock.sleep(2); // in the middle of the first one's TLS, 1,679 µs after its TCP connection
      const second = await send();
      const third = await send();
      assert.equal((await first).marks.protocol, http2 ? '2' : '1.1');
      await second.response.body?.cancel();
      const fourth = await send();
      const marks = [second, third, fourth].map(({ marks }) => [relative(marks), marks.reused]);
      return { marks, opened: transport.opened()[ORIGIN] };
    });
  };
  const waitsForTls = { queuedUs: 0, tlsUs: 2321, sentUs: 52_321, headersUs: 652_321 };
  assert.deepEqual(await seen(true), {
    marks: [
      [waitsForTls, false],
      [REUSED, true],
      [REUSED, true],
    ],
    opened: 1,
  });
  const free = [REUSED, true]; // the first one's, whose answer has ended meanwhile
  assert.deepEqual(await seen(false), { marks: [[NEW_CONNECTION, false], free, free], opened: 2 }, 'control: HTTP/1.1');
});

test('an HTTP/2 opener that gives up leaves the set-up to those who wait', async () => {
  const { clock, transport, send } = setUp({ http2: true });
  const controller = new AbortController();
  await clock.run(async () => {
    const opener = assert.rejects(send(controller.signal), /barge-in/);
    const waiter = send();
    await clock.sleep(1);
    controller.abort(new Error('barge-in'));
    await opener;
    const { marks } = await waiter;
    assert.deepEqual(relative(marks), NEW_CONNECTION);
  });
  assert.deepEqual(transport.opened(), { [ORIGIN]: 1 });
});

test('connections opened ahead save their whole set-up, names resolved ahead their lookup', async () => {
  const networkOf = (): ExchangePlan['networkUs'] => PLAN.networkUs;
  const after = async (options: Partial<SimTransportOptions>, sockets: number | undefined, waitMs: number) => {
    const { clock, transport, send } = setUp({ networkOf, ...options });
    return clock.run(async () => {
      const target = { origin: ORIGIN, sockets: sockets ?? 0, contexts: [CONTEXT] };
      const opening = sockets === undefined ? Promise.resolve() : transport.openAhead(target);
      await clock.sleep(waitMs);
      const { marks } = await send();
      await opening;
      return { marks: relative(marks), paidBy: marks.paidBy === 'ahead', opened: transport.opened()[ORIGIN] };
    });
  };
  assert.deepEqual(await after({}, 2, 10), { marks: REUSED, paidBy: true, opened: 2 });
  assert.deepEqual(await after({ http2: true }, 2, 10), { marks: REUSED, paidBy: true, opened: 1 });
  assert.deepEqual(await after({}, undefined, 10), { marks: NEW_CONNECTION, paidBy: false, opened: 1 }, 'control');
  assert.equal((await after({}, 1, 59_999)).paidBy, true);
  assert.equal((await after({}, 1, 60_000)).paidBy, false, 'it is closed after a minute');
  const waitsForTls = { queuedUs: 0, tlsUs: 3321, sentUs: 53_321, headersUs: 653_321 };
  assert.deepEqual((await after({}, 1, 1)).marks, waitsForTls);

  const { dnsUs: _, ...named } = NEW_CONNECTION;
  const less = (us: number) =>
    Object.fromEntries(Object.entries(named).map(([key, value]) => [key, key === 'queuedUs' ? 1 : value - us]));
  assert.deepEqual((await after({ dnsTtlMs: 60_000 }, 0, 10)).marks, less(20));
  assert.deepEqual((await after({ dnsTtlMs: 5 }, 0, 10)).marks, NEW_CONNECTION, 'control: forgotten in time');
  assert.equal((await after({ dnsTtlMs: 60_000 }, 0, 0.01)).marks['dnsUs'], 10, 'the rest of a lookup under way');
});

test('an unknown host fails as a lookup does', async () => {
  const { clock, transport } = setUp({ handlers: {} });
  const request = { url: 'https://nowhere.test/', method: 'GET', headers: new Headers(), context: CONTEXT };
  await clock.run(() => assert.rejects(transport.send(request, { startUs: 0 }), { message: 'fetch failed' }));
});
