import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeWav } from '../../service/audio/pcm.ts';
import { heardIn, wordsHeard, type Heard } from './heard.ts';

/** Five words of four letters in 2,000 ms of speech after 300 ms: 400 ms each. */
const TEXT = 'aaaa bbbb cccc dddd eeee';
const WHOLE = { fromMs: 300, toMs: 2300 };
const upTo = (audioMs: number, fromMs = 300): Heard => ({ audioMs, speech: { fromMs, toMs: Math.min(audioMs, 2300) } });
const heard = (upload: Heard): string => wordsHeard(TEXT, WHOLE, upload);

test('an upload that holds all the speech is heard word by word, however long its silence is', () => {
  assert.equal(heard(upTo(2300)), TEXT);
  assert.equal(heard(upTo(9000)), TEXT);
});

test('words after the edge are missing, one within 150 ms of it is garbled, the others are whole', () => {
  assert.equal(heard(upTo(300 + 400 + 150)), 'aaaa bb'); // bbbb has begun
  assert.equal(heard(upTo(300 + 400 + 149)), 'aa bb'); // aaaa ends 149 ms before the edge
  assert.equal(heard(upTo(300 + 1950)), 'aaaa bbbb cccc dddd ee');
  assert.equal(heard(upTo(300 + 1200)), 'aaaa bbbb cc');
});

test('audio that begins closer to the speech than the turn did has lost the start of its first word', () => {
  assert.equal(heard(upTo(2300, 100)), 'aa bbbb cccc dddd eeee');
  assert.equal(heard(upTo(2300, 150)), TEXT);
});

test('silence has no words; audio that cannot be decoded has all of them', async () => {
  assert.equal(heard({ audioMs: 1000, speech: 'none' }), '');
  assert.equal(heard({ audioMs: 1000, speech: 'unknown' }), TEXT);
  assert.deepEqual(await heardIn(new Uint8Array(4000)), { audioMs: 1000, speech: 'unknown' });
});

test('a WAV is listened to: its speech is found by its samples', async () => {
  const tone = Int16Array.from({ length: 32_000 }, (_, i) =>
    i >= 8000 && i < 24_000 ? 6000 * Math.sin(i / 5) : i % 9,
  );
  assert.deepEqual(await heardIn(encodeWav(tone, 16_000)), { audioMs: 2000, speech: { fromMs: 500, toMs: 1500 } });
  assert.deepEqual(await heardIn(encodeWav(tone.subarray(0, 8000), 16_000)), { audioMs: 500, speech: 'none' });
});
