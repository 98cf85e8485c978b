/** What tests and benches of single calls and turns have in common. */
import { createRealClock } from '../service/base/clock.ts';
import type { TurnIdentity } from '../service/base/events.ts';
import type { Call } from '../service/base/ports.ts';

/** A provider call that goes out by `fetch`; what it tells its caller goes nowhere. */
export function callBy(fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>): Call {
  const call: Call = {
    clock: createRealClock(),
    fetch: Object.assign(fetch, { Response }),
    fetchFor: () => call.fetch,
    send: fetch,
    signal: new AbortController().signal,
    pause: () => Promise.resolve(),
    content: () => undefined,
    responseHeaders: () => undefined,
    failure: () => undefined,
    arrival: () => ({ atUs: 0, eventId: () => 0 }),
  };
  return call;
}

/** The first turn of session `s` in virtual time, but for what a test says. */
export function identityOf(more: Partial<TurnIdentity> = {}): TurnIdentity {
  return {
    sessionId: 's',
    turnIndex: 0,
    traceId: '1'.repeat(32),
    runId: 'r',
    world: 'sim',
    lane: 'captured',
    variant: 'captured',
    arm: 'a',
    strategyHash: 'h',
    ...more,
  };
}
