/** Stand-ins are as punctual as a timer can be: what one timer is late is not added to what the next one is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asResponse } from '../../service/net/body.ts';
import type { Clock } from '../../service/base/ports.ts';
import { createVirtualClock } from '../world/clock.ts';
import { answer, type ExchangeInfo } from './exchange.ts';
import type { ExchangePlan } from '../times/plan.ts';

const LATE_MS = 2;
const PLAN: ExchangePlan = {
  basis: 'profile',
  networkUs: { queue: 0, send: 5000 },
  waitUs: 50_000,
  items: [
    { gapUs: 10_000, kind: 'data', parts: [] },
    { gapUs: 10_000, kind: 'tail', parts: [] },
  ],
  terminatorUs: 5000,
  leadingSilenceMs: 0,
};

/** When headers and body's end came, µs after the request, where every timer is late by so much. */
async function cameUs(lateMs: number, send: (clock: Clock) => ExchangeInfo['arrive']): Promise<[number, number]> {
  const virtual = createVirtualClock();
  const clock: Clock = { ...virtual, sleep: (ms, signal) => virtual.sleep(ms + lateMs, signal) };
  const arrive = send(clock);
  const info: ExchangeInfo = {
    context: { sessionId: 's', turnIndex: 0, stage: 'stt', ordinal: 0, attempt: 0, fetchIndex: 0, arm: 'a' },
    clock,
    arrive,
  };
  return virtual.run(async () => {
    const beganUs = virtual.nowUs();
    const response = await answer(PLAN, info, { headers: {}, chunk: () => 'x' }, () => undefined);
    const headersUs = virtual.nowUs() - beganUs;
    await asResponse(response).text();
    return [headersUs, virtual.nowUs() - beganUs];
  });
}

/** An upload as `wire` waits for it. */
const upload =
  (clock: Clock): ExchangeInfo['arrive'] =>
  async ({ networkUs }) => {
    const dueUs = clock.nowUs() + networkUs.send;
    await clock.sleep(networkUs.send / 1000);
    return dueUs;
  };

test('headers and the body’s end are late by one timer, however many there were', async () => {
  const [headersUs, endUs] = [55_000, 80_000];
  assert.deepEqual(await cameUs(0, upload), [headersUs, endUs]);
  assert.deepEqual(await cameUs(LATE_MS, upload), [headersUs + 1000 * LATE_MS, endUs + 1000 * LATE_MS]);
});

test('control: an arrival that counts from its own late end hands its lateness on', async () => {
  const late = await cameUs(LATE_MS, (clock) => async (plan) => {
    await upload(clock)?.(plan);
    return clock.nowUs();
  });
  assert.deepEqual(late, [55_000 + 2000 * LATE_MS, 80_000 + 2000 * LATE_MS]);
});
