import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseWav } from './pcm.ts';
import { createVad } from './vad.ts';
import { createWebRtcClassifier } from './vad-webrtc.ts';

const read = (file: string): Int16Array =>
  parseWav(readFileSync(new URL(`../../fixtures/audio/${file}`, import.meta.url))).samples;
const speech = read('human/cards-005.wav'); // speech from 210 to 3240 ms

function shareOfSpeech(samples: Int16Array, fromMs: number, toMs: number): number {
  const classifier = createWebRtcClassifier(16_000);
  let frames = 0;
  let loud = 0;
  for (let atMs = 0; atMs + 10 <= samples.length / 16; atMs += 10) {
    const isSpeech = classifier.isSpeech(samples.subarray(atMs * 16, (atMs + 10) * 16));
    if (atMs < fromMs || atMs >= toMs) continue;
    frames += 1;
    if (isSpeech) loud += 1;
  }
  classifier.close();
  return loud / frames;
}

test('it hears a person, and no speech in loud hiss', () => {
  assert.ok(shareOfSpeech(speech, 210, 3240) > 0.75);
  const hiss = Int16Array.from({ length: 48_000 }, (_, i) => ((i * 7919) % 801) - 400);
  assert.ok(shareOfSpeech(hiss, 500, 3000) < 0.05);
});

test('one turn after the other, 5,000 of them, get their memory back', () => {
  for (let turn = 0; turn < 5000; turn++) {
    const classifier = createWebRtcClassifier(48_000);
    classifier.isSpeech(new Int16Array(480));
    classifier.close();
    classifier.close();
  }
  const closed = createWebRtcClassifier(8000);
  closed.close();
  assert.throws(() => closed.isSpeech(new Int16Array(80)), /after it was closed/);
});

test('a rate that it does not take is refused with the rates that it does', () => {
  assert.throws(
    () => createVad({ engine: 'webrtc', silenceMs: 500 }, 44_100),
    /8000, 16000, 32000, 48000 Hz, not 44100/,
  );
});
