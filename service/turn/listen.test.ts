import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import { turnByHand } from '../../testing/turn-by-hand.ts';
import { NO_SPEECH_LIMIT_MS, TURN_LIMIT_FRAMES, TURN_LIMIT_MS } from './listen.ts';

const RATE_HZ = 16_000;
const MINUTE = new Int16Array(60 * RATE_HZ);

interface Frames {
  count: number;
  samples: Int16Array;
  everyMs: number;
}

/** How the turn ends in which these frames arrive, and then the client's `end`. */
async function endOf({ count, samples, everyMs }: Frames): Promise<string> {
  const { summary } = await turnByHand({
    profile: flatProfile({ tts: 400 }),
    patch: { stt: { vad: { engine: 'client' } } },
    tones: {
      speech: { fromMs: 0, toMs: 0 },
      audio: (clock) => ({
        zero: 'audio',
        sampleRateHz: RATE_HZ,
        async *frames() {
          for (let sent = 0; sent < count; sent++) {
            if (everyMs > 0) await clock.sleep(everyMs);
            yield { atUs: clock.nowUs(), samples };
          }
        },
      }),
    },
  });
  return summary.failure === undefined ? 'answered' : `${summary.failure.kind}: ${summary.failure.message}`;
}

const loud = (samples: number): Int16Array =>
  Int16Array.from({ length: samples }, (_, at) => (at % 9 < 4 ? 9000 : -9000));

const CASES: readonly [name: string, frames: Frames, end: RegExp][] = [
  ['too many frames', { count: TURN_LIMIT_FRAMES + 1, samples: loud(1), everyMs: 0 }, /^oversized: .* 60000 frames/],
  [
    'control: as many as there may be',
    { count: TURN_LIMIT_FRAMES, samples: loud(1), everyMs: 0 },
    /^(answered|empty:)/,
  ],
  [
    'tiny frames for too long',
    { count: 311, samples: loud(10), everyMs: 1000 },
    /^oversized: .* taken more than 300 s/,
  ],
  ['control: tiny frames for 5 minutes', { count: 301, samples: loud(10), everyMs: 1000 }, /^(answered|empty:)/],
  ['too much audio', { count: 6, samples: loud(60 * RATE_HZ), everyMs: 0 }, /^oversized: .* more than 300 s of audio/],
  ['nobody speaks', { count: 3, samples: MINUTE, everyMs: 60_000 }, /^no-speech: nobody spoke for 120 s/],
  ['control: two minutes of silence', { count: 2, samples: MINUTE, everyMs: 60_000 }, /^(answered|empty:)/],
];

for (const [name, frames, end] of CASES) {
  test(`${name}: the turn ends as ${end.source}`, async () => {
    assert.match(await endOf(frames), end);
  });
}

test('the limits are those of the documents', () => {
  assert.deepEqual([TURN_LIMIT_MS, TURN_LIMIT_FRAMES, NO_SPEECH_LIMIT_MS], [300_000, 60_000, 120_000]);
});
