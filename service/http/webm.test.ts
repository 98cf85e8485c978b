import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AudioFormatError } from '../audio/pcm.ts';
import { createRealClock } from '../base/clock.ts';
import { createOpusEncoder, webmOf } from '../audio/opus.ts';
import { keyedRandom } from '../base/random.ts';
import { decodeUploadedWebm } from './webm.ts';

const encoder = createOpusEncoder(16_000);
encoder.push(Int16Array.from({ length: 16_000 }, (_, i) => 8000 * Math.sin(i / 5)));
const webm = await webmOf(encoder.packets, 16_000);
/** Time that runs 5 times as fast: a hang is given up after 100 ms. */
const real = createRealClock();
const clock = { ...real, sleep: (ms: number, signal?: AbortSignal) => real.sleep(ms / 5, signal) };

test('a recording is decoded at 48 kHz', async () => {
  const { samples, sampleRateHz } = await decodeUploadedWebm(webm.slice(), { clock: real, client: 'a' });
  assert.deepEqual([sampleRateHz, samples.length], [48_000, 48_000]);
});

test('damaged files are answered or refused, one after the other, also those that send the library in circles', async () => {
  let refused = 0;
  let hung = 0;
  for (let index = 60; index < 85; index++) {
    const random = keyedRandom('damaged WebM', index);
    const damaged = webm.slice(0, random() < 0.3 ? Math.floor(random() * webm.length) : webm.length);
    for (let hit = 0; hit < 4; hit++) damaged[Math.floor(random() * Math.min(damaged.length, 400))] = random() * 256;
    await decodeUploadedWebm(damaged, { clock, client: 'a' }).catch((error: unknown) => {
      assert.ok(error instanceof AudioFormatError, String(error));
      refused += 1;
      if (error.message.includes('got no further')) hung += 1;
    });
  }
  assert.ok(refused > 5 && hung > 0, `${refused} refused, ${hung} of them hung: no file tried the deadline`);
  assert.equal((await decodeUploadedWebm(webm.slice(), { clock: real, client: 'a' })).samples.length, 48_000);
});
