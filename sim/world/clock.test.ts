import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock, SIM_EPOCH_US } from './clock.ts';

test('virtual time moves to the earliest sleeper, ties in order of registration', async () => {
  const clock = createVirtualClock();
  const woken: string[] = [];
  const nap = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms);
    woken.push(`${name}@${clock.nowUs()}`);
  };
  await clock.run(() => Promise.all([nap('c', 30), nap('a', 10), nap('b', 10), nap('late', 1000.0004), nap('z', 0)]));
  assert.deepEqual(woken, ['z@0', 'a@10000', 'b@10000', 'c@30000', 'late@1000000']);
  assert.equal(clock.epochUs(), SIM_EPOCH_US + 1_000_000);
  assert.equal(SIM_EPOCH_US, Date.UTC(2026, 0, 1) * 1000);
});

test('random sleeps wake in the order that a sort gives', async () => {
  const clock = createVirtualClock({ settleImmediates: 1 });
  const delaysUs = Array.from({ length: 500 }, (_, index) => (index * 7919) % 257);
  const woken: number[] = [];
  await clock.run(() =>
    Promise.all(delaysUs.map((delayUs, index) => clock.sleep(delayUs / 1000).then(() => woken.push(index)))),
  );
  const expected = delaysUs.map((delayUs, index) => ({ delayUs, index })).sort((a, b) => a.delayUs - b.delayUs);
  assert.deepEqual(
    woken,
    expected.map(({ index }) => index),
  );
});

test('an aborted sleep rejects with the reason, leaves no listener and moves no time', async () => {
  const clock = createVirtualClock();
  const controller = new AbortController();
  const reason = new Error('enough');
  await clock.run(async () => {
    const long = assert.rejects(clock.sleep(5000, controller.signal), reason);
    await clock.sleep(1);
    assert.equal(clock.sleeping(), 1);
    controller.abort(reason);
    await long;
    await assert.rejects(clock.sleep(1, controller.signal), reason);
  });
  assert.equal(clock.nowUs(), 1000);
  assert.equal(clock.sleeping(), 0);
});

test('nobody asleep and the root unsettled is a deadlock; a root that settles late is not', async () => {
  const clock = createVirtualClock();
  await assert.rejects(
    clock.run(() => new Promise<void>(() => undefined)),
    /deadlock at 0 µs/,
  );
  const after = (count: number): Promise<void> =>
    new Promise((resolve) => setImmediate(() => resolve(count > 1 ? after(count - 1) : undefined)));
  await clock.run(() => after(60));
  await assert.rejects(
    clock.run(() => after(200)),
    /deadlock/,
  );
});

test('8 immediates let a body be read before time moves; with 1 a longer chain is overtaken', async () => {
  const seen = async (settleImmediates: number): Promise<number> => {
    const clock = createVirtualClock({ settleImmediates });
    return clock.run(async () => {
      const rival = clock.sleep(10);
      await new Response('x').text();
      for (let hop = 0; hop < 4; hop++) await new Promise((resolve) => setImmediate(resolve));
      const atUs = clock.nowUs();
      await rival;
      return atUs;
    });
  };
  assert.equal(await seen(8), 0);
  assert.equal(await seen(64), 0);
  assert.equal(await seen(1), 10_000);
});

test('a run that throws rejects, and runs do not nest', async () => {
  const clock = createVirtualClock();
  await assert.rejects(
    clock.run(async () => {
      assert.throws(() => void clock.run(async () => undefined), /one run at a time/);
      throw new Error('mine');
    }),
    /mine/,
  );
  assert.equal(await clock.run(async () => 7), 7);
});
