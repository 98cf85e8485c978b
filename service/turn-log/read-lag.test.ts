import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyedRandom } from '../base/random.ts';
import type { Stall } from './blocked.ts';
import { readLagUs } from './read-lag.ts';

const RATE_HZ = 16_000;

interface Client {
  /** Of each frame. */
  frameMs?: number;
  frames?: number;
  /** The most that the network adds to a frame, evenly drawn. */
  jitterMs?: number;
  /** How much faster the client's clock runs than ours. */
  skewPpm?: number;
  /** Before this frame the client sends nothing for so long: it has no audio then. */
  pause?: { before: number; ms: number };
  /** The audio is sent this much faster than it was spoken. */
  speed?: number;
  /** Sent at once when the turn begins. */
  backlog?: number;
  /** Our process reads nothing from … to …, ms. */
  stopped?: { fromMs: number; toMs: number };
  /** Whether the process noticed. */
  seen?: boolean;
}

const BEGIN_US = 7_000_000;

/** The lag of one frame as found, and as planted: its reading after the client has sent it, jitter left out. */
function lagOf(frame: number, client: Client): { found: number | undefined; plantedUs: number } {
  const { frameMs = 20, frames = 150, jitterMs = 1, skewPpm = 0, pause, speed = 1, backlog = 0, stopped } = client;
  const random = keyedRandom('arrivals', JSON.stringify(client));
  const samples = (RATE_HZ * frameMs) / 1000;
  let plantedUs = 0;
  let lastUs = 0;
  const frameAtUs = Array.from({ length: frames }, (_, index) => {
    const spokenMs = ((index + 1) * frameMs) / speed + (pause !== undefined && index >= pause.before ? pause.ms : 0);
    const sentMs = Math.max(spokenMs, backlog * frameMs) / (1 + skewPpm / 1e6);
    const arrivedMs = sentMs + random() * jitterMs;
    const isLate = stopped !== undefined && arrivedMs >= stopped.fromMs && arrivedMs < stopped.toMs;
    const readMs = isLate ? stopped.toMs + 0.05 * (index % 10) : arrivedMs;
    if (index === frame) plantedUs = Math.round((readMs - sentMs) * 1000);
    lastUs = Math.max(lastUs, BEGIN_US + Math.round(readMs * 1000));
    return lastUs;
  });
  const stalls: Stall[] =
    stopped === undefined || client.seen === false
      ? []
      : [{ fromUs: BEGIN_US + stopped.fromMs * 1000, toUs: BEGIN_US + stopped.toMs * 1000 + 1000, gcUs: 0, cpuUs: 0 }];
  const frameSamples = frameAtUs.map(() => samples);
  const found = readLagUs({ frameAtUs, frameSamples, sampleRateHz: RATE_HZ, stalls }, frame * samples + samples - 1);
  return { found, plantedUs };
}

test('a planted delay is found within the jitter, wherever it lies, seen by the process or not', () => {
  const client = fc.record({
    frameMs: fc.constantFrom(10, 20, 40, 100),
    jitterMs: fc.constantFrom(0, 0.5, 3),
    skewPpm: fc.integer({ min: -150, max: 150 }),
    stopMs: fc.integer({ min: 20, max: 600 }),
    into: fc.double({ min: 0, max: 0.99, noNaN: true }),
    seen: fc.boolean(),
    frame: fc.integer({ min: 20, max: 110 }),
  });
  fc.assert(
    fc.property(client, ({ stopMs, into, frame, ...rest }) => {
      const fromMs = (frame + 1) * rest.frameMs - into * stopMs;
      const { found, plantedUs } = lagOf(frame, { ...rest, stopped: { fromMs, toMs: fromMs + stopMs } });
      assert.ok(found !== undefined);
      assert.ok(Math.abs(found - plantedUs) <= 1000 * rest.jitterMs + 600, `${found} of ${plantedUs} µs`);
    }),
    { seed: 17, numRuns: 300 },
  );
});

test('without a delay the lag is within the jitter, and the drift of a clock is none', () => {
  for (const skewPpm of [-100, 0, 100])
    for (const frames of [40, 150, 3000])
      for (const jitterMs of [0, 1, 5]) {
        const { found } = lagOf(frames - 30, { frames, jitterMs, skewPpm });
        assert.ok(found !== undefined && found <= 1000 * jitterMs + 100, `${skewPpm} ppm, ${frames}: ${found} µs`);
      }
  // control: a clock that is further off than any crystal makes one, or no pace at all
  const unclamped = lagOf(2970, { frames: 3000, jitterMs: 0, skewPpm: 1500 }).found;
  assert.ok(unclamped === undefined || unclamped > 1000, String(unclamped));
});

test('the client pauses: its pause is no lag, before it and after', () => {
  for (const frame of [30, 90]) {
    const { found } = lagOf(frame, { pause: { before: 60, ms: 400 } });
    assert.ok(found !== undefined && found <= 1000, `${frame}: ${found}`);
  }
  // control: a delay of that length which is caught up is one
  const { found, plantedUs } = lagOf(65, { stopped: { fromMs: 1310, toMs: 1710 }, seen: false });
  assert.ok(found !== undefined && Math.abs(found - plantedUs) <= 1000 && found > 350_000);
});

test('a pause and a stall at one place: nobody knows which held the frame', () => {
  const client = { pause: { before: 60, ms: 400 }, stopped: { fromMs: 1190, toMs: 1690 } };
  assert.equal(lagOf(61, client).found, undefined);
  assert.ok(lagOf(100, client).found !== undefined);
});

test('push-to-talk: the last frames wait in a stall, and nothing comes after it', () => {
  const stopped = { fromMs: 1100, toMs: 1400 };
  const { found, plantedUs } = lagOf(59, { frames: 60, stopped });
  assert.ok(found !== undefined && Math.abs(found - plantedUs) <= 1100, `${found} of ${plantedUs}`);
  // control: without the process's own word the pause and the delay look alike
  assert.equal(lagOf(59, { frames: 60, stopped, seen: false }).found, undefined);
});

test('a client that starts with a backlog keeps the pace after it', () => {
  const { found } = lagOf(100, { backlog: 15 });
  assert.ok(found !== undefined && found <= 1000);
  const { found: within, plantedUs } = lagOf(5, { backlog: 15 });
  assert.equal(plantedUs < 1000, true);
  // a frame of the backlog was read late, if not by our fault
  assert.ok(within !== undefined && within > 170_000);
});

const NO_PACE: readonly [name: string, frame: number, client: Client][] = [
  ['twice as fast', 100, { speed: 2 }],
  ['a tenth faster', 100, { speed: 1.1 }],
  ['all at once', 100, { speed: 1e6 }],
  ['a tenth slower', 100, { speed: 0.9 }],
  ['half as fast', 100, { speed: 0.5 }],
  ['four frames', 2, { frames: 4 }],
  ['one frame', 0, { frames: 1, frameMs: 3000 }],
  ['a tenth of a second', 15, { frames: 20, frameMs: 5 }],
];
for (const [name, frame, client] of NO_PACE)
  test(`no pace of real time (${name}): the lag is absent`, () => assert.equal(lagOf(frame, client).found, undefined));

test('a sample that no frame holds, and frames of no length', () => {
  const frameAtUs = Array.from({ length: 50 }, (_, index) => index * 20_000);
  const arrivals = { frameAtUs, frameSamples: frameAtUs.map(() => 320), sampleRateHz: RATE_HZ, stalls: [] };
  // audio that is missing from there on is a pause
  const empty = frameAtUs.map((_, index) => (index === 9 ? 0 : 320));
  assert.equal(readLagUs({ ...arrivals, frameSamples: empty }, 3200), 0);
  assert.equal(readLagUs({ ...arrivals, frameSamples: [] }, 0), undefined);
  for (const sampleRateHz of [0, -1, Number.NaN])
    assert.equal(readLagUs({ ...arrivals, sampleRateHz }, 3200), undefined, `${sampleRateHz} Hz`);
  const vast = frameAtUs.map((atUs) => atUs * 1e302);
  assert.equal(readLagUs({ ...arrivals, frameAtUs: vast }, 3200), undefined);
});
