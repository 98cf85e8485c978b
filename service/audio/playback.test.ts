import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantError } from '../base/errors.ts';
import { createPlayback, type Playback } from './playback.ts';

const RATE_HZ = 16_000;
const tone = (ms: number, amplitude = 8000): Int16Array =>
  Int16Array.from({ length: (ms * RATE_HZ) / 1000 }, (_, i) => (i % 2 === 0 ? amplitude : -amplitude));
const silence = (ms: number): Int16Array => tone(ms, 0);

test('a burst plays in real time: the onset lies in the future of its arrival', () => {
  const playback = createPlayback(RATE_HZ);
  assert.deepEqual(playback.chunk(1000, silence(200), 0), { piece: { index: 0, fromUs: 1000 } });
  assert.deepEqual(playback.chunk(1500, tone(100), 0), { firstAudibleUs: 201_000 });
  assert.deepEqual(playback.chunk(1600, tone(100), 1), { piece: { index: 1, fromUs: 301_000 } });
  assert.deepEqual(playback.finish(), { replyEndUs: 401_000, stallUs: 0, stalls: [] });
});

test('audio that comes too late stalls the client; just in time does not', () => {
  const late = createPlayback(RATE_HZ);
  late.chunk(0, tone(100), 0);
  assert.deepEqual(late.chunk(150_000, tone(50), 0), { resumed: { stalledFromUs: 100_000 } });
  assert.deepEqual(late.finish(), {
    replyEndUs: 200_000,
    stallUs: 50_000,
    stalls: [{ fromUs: 100_000, toUs: 150_000 }],
  });
  const onTime = createPlayback(RATE_HZ);
  onTime.chunk(0, tone(100), 0);
  assert.deepEqual(onTime.chunk(100_000, tone(50), 0), {});
  assert.equal(onTime.finish().stallUs, 0);
});

test('three audible frames across a stall: the first one counts', () => {
  const playback = createPlayback(RATE_HZ);
  assert.equal(playback.chunk(0, Int16Array.of(...silence(10), ...tone(20)), 0).firstAudibleUs, undefined);
  assert.equal(playback.chunk(90_000, tone(10), 0).firstAudibleUs, 10_000);
});

test('a frame that begins after the stall plays after it', () => {
  const playback = createPlayback(RATE_HZ);
  playback.chunk(0, silence(10), 0);
  assert.equal(playback.chunk(90_000, tone(30), 0).firstAudibleUs, 90_000);
});

test('two audible frames, or quiet ones, are not audible; three are', () => {
  const onset = (samples: Int16Array): number | undefined =>
    createPlayback(RATE_HZ).chunk(0, samples, 0).firstAudibleUs;
  assert.equal(onset(Int16Array.of(...tone(20), ...silence(10), ...tone(20), ...silence(10))), undefined);
  assert.equal(onset(Int16Array.of(...tone(20), ...silence(10), ...tone(30))), 30_000);
  assert.equal(onset(tone(500, 180)), undefined); // −45.2 dBFS
  assert.equal(onset(tone(500, 190)), 0); // −44.7 dBFS
});

test('without audio there is no reply end, and time cannot run backwards', () => {
  const playback = createPlayback(RATE_HZ);
  assert.deepEqual(playback.chunk(5, new Int16Array(0), 0), {});
  assert.deepEqual(playback.finish(), { replyEndUs: undefined, stallUs: 0, stalls: [] });
  assert.throws(() => playback.chunk(4, tone(10), 0), InvariantError);
  playback.chunk(6, tone(10), 1);
  assert.throws(() => playback.chunk(7, tone(10), 0), InvariantError);
});

const arrivals = fc.array(
  fc.record({ gapUs: fc.nat(80_000), samples: fc.int16Array({ maxLength: 700 }), loud: fc.boolean() }),
  { maxLength: 30 },
);
const rates = fc.constantFrom(8000, 16_000, 22_050, 24_000, 44_100);

test('Σ audio + Σ stalls = reply end − start, stalls in order, one onset within the reply', () => {
  fc.assert(
    fc.property(arrivals, rates, (chunks, rateHz) => {
      const playback = createPlayback(rateHz);
      let atUs = 0;
      let startUs: number | undefined;
      let count = 0;
      const onsets: number[] = [];
      chunks.forEach(({ gapUs, samples, loud }, index) => {
        atUs += gapUs;
        const heard = loud ? samples : new Int16Array(samples.length);
        const { firstAudibleUs } = playback.chunk(atUs, Int16Array.from(heard), index);
        if (firstAudibleUs !== undefined) onsets.push(firstAudibleUs);
        if (samples.length > 0) startUs ??= atUs;
        count += samples.length;
      });
      const { replyEndUs, stallUs, stalls } = playback.finish();
      if (startUs === undefined || replyEndUs === undefined) {
        assert.equal(startUs, replyEndUs);
        return;
      }
      const audioUs = Math.round((count * 1_000_000) / rateHz);
      assert.equal(replyEndUs - startUs, audioUs + stallUs);
      assert.equal(
        stallUs,
        stalls.reduce((sum, stall) => sum + stall.toUs - stall.fromUs, 0),
      );
      let before = startUs;
      for (const { fromUs, toUs } of stalls) {
        assert.ok(Number.isInteger(fromUs) && before < fromUs && fromUs < toUs);
        before = toUs;
      }
      assert.ok(before < replyEndUs && onsets.length <= 1);
      for (const onset of onsets) assert.ok(Number.isInteger(onset) && onset >= startUs && onset < replyEndUs);
    }),
  );
});

test('when all arrives at once it does not matter how it was cut', () => {
  const outcome = (playback: Playback, parts: readonly Int16Array[]): unknown => {
    const onset = parts.map((part) => playback.chunk(70, part, 0).firstAudibleUs).find((us) => us !== undefined);
    return { onset, ...playback.finish() };
  };
  fc.assert(
    fc.property(fc.nat(300), fc.array(fc.integer({ min: 1, max: 900 })), rates, (quietMs, sizes, rateHz) => {
      const reply = Int16Array.of(...silence(quietMs), ...tone(60));
      const parts: Int16Array[] = [];
      let from = 0;
      for (const size of sizes) parts.push(reply.subarray(from, (from += size)));
      parts.push(reply.subarray(from));
      assert.deepEqual(outcome(createPlayback(rateHz), parts), outcome(createPlayback(rateHz), [reply]));
    }),
  );
});

test('a reply of silence is never audible', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2000)), (sizes) => {
      const playback = createPlayback(RATE_HZ);
      sizes.forEach((size, i) => assert.equal(playback.chunk(i, new Int16Array(size), 0).firstAudibleUs, undefined));
    }),
  );
});
