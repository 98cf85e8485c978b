/** What of a captured exchange is way, and so grows and shrinks with a region's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import type { DrawContext, Facts, NetworkPlan, ReplayedPlan } from './plan.ts';
import { regionalPlanning } from './regions.ts';

/** Medians: 20 ms to connect, 40 ms of TLS, 30 ms of round trip in a wait. */
const profile = flatProfile({
  ...{ dns: 7, connect: 20, tls: 40, stt: 300, llm: 400, tts: 200, terminator: 5, roundTrip: 30 },
  regions: { near: 0.5, far: 3 },
});
const CONTEXT: DrawContext = {
  ...{ sessionId: 's', turnIndex: 0, stage: 'stt', ordinal: 0, attempt: 0, fetchIndex: 0, arm: 'a' },
};
const FACTS: Facts = { operation: 'stt', method: 'transcriptions', audioBytes: 1, audioMs: 1, uploadBytes: 1 };

/** A captured exchange of this set-up, as it would be in the region. */
function there(region: string, setUp: Partial<NetworkPlan>): ReplayedPlan | undefined {
  const networkUs = { queue: 11, send: 22, ...setUp };
  const plan: ReplayedPlan = { reused: false, networkUs, waitUs: 300_000, items: [], leadingSilenceMs: 0 };
  return regionalPlanning({ profile, seed: 1, captured: () => plan }, region).captured?.(CONTEXT, FACTS);
}

test('a set-up shrinks by the way’s share of it, as the profile has it; key exchange, names and uploads stay', () => {
  const near = there('near', { dns: 9000, connect: 25_000, tls: 70_000 });
  assert.deepEqual(near?.networkUs, { queue: 11, send: 22, dns: 9000, connect: 15_000, tls: 50_000 });
  assert.equal(near?.waitUs, 285_000);
  const far = there('far', { dns: 9000, connect: 25_000, tls: 70_000 });
  assert.deepEqual(far?.networkUs, { queue: 11, send: 22, dns: 9000, connect: 65_000, tls: 150_000 });
});

test('where the handshake holds less than its share (stand-ins delay TLS for all of it) the rest comes off TLS', () => {
  assert.deepEqual(there('near', { connect: 1000, tls: 90_000 })?.networkUs, { queue: 11, send: 22, connect: 0, tls: 61_000 });
  assert.deepEqual(there('near', { connect: 1000, tls: 5000 })?.networkUs, { queue: 11, send: 22, connect: 0, tls: 0 });
}); // prettier-ignore

test('control: an open connection has no set-up to shrink, only its wait', () => {
  const open = there('near', {});
  assert.deepEqual([open?.networkUs, open?.waitUs], [{ queue: 11, send: 22 }, 285_000]);
});
