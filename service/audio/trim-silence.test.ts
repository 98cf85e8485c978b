import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { samplesToPcmBytes } from './pcm.ts';
import { createSilenceTrimmer } from './trim-silence.ts';

const RATE_HZ = 16_000;
const audio = (silentMs: number, loudMs: number): Uint8Array =>
  samplesToPcmBytes(
    Int16Array.from({ length: (silentMs + loudMs) * 16 }, (_, i) =>
      i < silentMs * 16 ? i % 3 : 6000 * Math.sin(i / 5),
    ),
  );

test('for any chunks: audio begins 20 ms before the first audible frame, and nothing else is missing', () => {
  const pcm = audio(130, 200);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 30 }), (sizes) => {
      const trim = createSilenceTrimmer(RATE_HZ);
      const left: Uint8Array[] = [];
      let from = 0;
      for (const size of [...sizes, pcm.length]) {
        left.push(trim(pcm.subarray(from, Math.min(pcm.length, from + 2 * size))));
        from = Math.min(pcm.length, from + 2 * size);
      }
      assert.deepEqual(Buffer.concat(left), Buffer.from(pcm.subarray(110 * 32)));
    }),
  );
});

test('speech at once loses nothing; silence alone has nothing left', () => {
  assert.deepEqual(createSilenceTrimmer(RATE_HZ)(audio(0, 100)), Buffer.from(audio(0, 100)));
  assert.equal(createSilenceTrimmer(RATE_HZ)(audio(500, 0)).length, 0);
});

test('a turn is audible earlier by the 100 ms of leading silence but for the 20 that are kept', async () => {
  const profile = flatProfile({ stt: 400, llm: 100 });
  const once = tones(6000, [[200, 1200]]);
  const whole = await turnByHand({ profile, tones: once });
  const trimmed = await turnByHand({ profile, tones: once, patch: { tts: { trimSilence: true } } });
  assert.equal((whole.summary.e2eUs ?? 0) - (trimmed.summary.e2eUs ?? 0), 80_000);
  // two pieces, 80 ms less in each
  assert.equal((whole.summary.replyEndUs ?? 0) - (trimmed.summary.replyEndUs ?? 0), 160_000);
});
