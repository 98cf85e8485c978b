import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseWav } from './pcm.ts';
import { createSpeechEndDetector, REFERENCE_DETECTOR, type SpeechBounds } from './speech-end.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const RATE_HZ = 16_000;
const TOLERANCE_MS = 60;

const json = (path: string): unknown => JSON.parse(readFileSync(join(fixtures, path), 'utf8'));
const interviews = json('interviews.json') as { turns: { audio: string; speechEndMs: number }[] }[];
const human = json('audio/human/annotations.json') as { file: string; speechStartMs: number; speechEndMs: number }[];
const annotated = [
  ...interviews.flatMap(({ turns }) => turns.map((turn) => ({ file: turn.audio, speechEndMs: turn.speechEndMs }))),
  ...human.map(({ file, speechEndMs }) => ({ file: `human/${file}`, speechEndMs })),
];

const read = (file: string): Int16Array => parseWav(readFileSync(join(fixtures, 'audio', file))).samples;
const detect = (samples: Int16Array): SpeechBounds => {
  const detector = createSpeechEndDetector(RATE_HZ);
  detector.push(samples);
  return detector.result();
};
const msAfter = (sample: number | undefined): number => ((sample ?? NaN) + 1) / (RATE_HZ / 1000);

/** A tone of given loudness in noise of given loudness, both as amplitudes. */
function scene(lengthMs: number, tones: readonly { fromMs: number; toMs: number }[], noise: number): Int16Array {
  let state = 1;
  return Int16Array.from({ length: (lengthMs * RATE_HZ) / 1000 }, (_, i) => {
    state = (state * 48271) % 2147483647;
    const ms = (i * 1000) / RATE_HZ;
    const loud = tones.some(({ fromMs, toMs }) => ms >= fromMs && ms < toMs);
    return (state / 1073741824 - 1) * noise + (loud ? 3000 * Math.sin(i / 5) : 0);
  });
}

test('the end of speech is within 60 ms of every annotation, and the fixtures are annotated', () => {
  assert.equal(annotated.length, 82);
  for (const { file, speechEndMs } of annotated) {
    const errorMs = msAfter(detect(read(file)).endSample) - speechEndMs;
    assert.ok(Math.abs(errorMs) <= TOLERANCE_MS, `${file}: ${errorMs} ms off`);
  }
  for (const { file, speechStartMs } of human) {
    const startMs = (detect(read(`human/${file}`)).startSample ?? NaN) / (RATE_HZ / 1000);
    assert.ok(Math.abs(startMs - speechStartMs) <= TOLERANCE_MS, `${file} starts at ${startMs} ms`);
  }
});

test('control: with the last 200 ms of speech muted, no fixture is within 60 ms', () => {
  for (const { file, speechEndMs } of annotated) {
    const samples = read(file).slice();
    samples.fill(0, (speechEndMs - 200) * (RATE_HZ / 1000));
    assert.ok(speechEndMs - msAfter(detect(samples).endSample) > TOLERANCE_MS, file);
  }
});

test('twenty times the noise does not move the end; noise alone is no speech', () => {
  const speech = [{ fromMs: 500, toMs: 1500 }];
  for (const noise of [0, 20, 60, 200, 400]) {
    const { startSample, endSample } = detect(scene(3000, speech, noise));
    assert.ok(Math.abs(msAfter(endSample) - 1500) <= 10, `noise ${noise}: ${msAfter(endSample)} ms`);
    assert.ok(Math.abs((startSample ?? NaN) / 16 - 500) <= 10);
    if (noise <= 200) assert.deepEqual(detect(scene(3000, [], noise)), {}); // −49 dBFS
  }
});

test('a click is no speech; a run of 60 ms is', () => {
  const speech = { fromMs: 200, toMs: 900 };
  const click = detect(scene(2500, [speech, { fromMs: 1500, toMs: 1540 }], 20));
  assert.ok(Math.abs(msAfter(click.endSample) - 900) <= 10);
  const word = detect(scene(2500, [speech, { fromMs: 1500, toMs: 1570 }], 20));
  assert.ok(Math.abs(msAfter(word.endSample) - 1570) <= 10);
});

test('speech without a pause is not taken for noise', () => {
  assert.ok(msAfter(detect(scene(3000, [{ fromMs: 0, toMs: 3000 }], 20)).endSample) >= 2990);
});

test('the answer does not depend on how the audio was cut', () => {
  const samples = read('tr-veri-5.wav');
  const whole = detect(samples);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), (sizes) => {
      const detector = createSpeechEndDetector(RATE_HZ);
      for (let from = 0, i = 0; from < samples.length; i += 1) {
        const size = sizes[i % sizes.length] ?? 1;
        detector.push(samples.subarray(from, from + size));
        from += size;
      }
      assert.deepEqual(detector.result(), whole);
    }),
    { numRuns: 20 },
  );
});

test('probabilities: one per 10 ms, high in speech, low in noise', () => {
  const detector = createSpeechEndDetector(RATE_HZ);
  detector.push(scene(2000, [{ fromMs: 500, toMs: 1500 }], 30));
  const { speechProbability: probabilities } = detector.probabilities();
  assert.equal(probabilities.length, 2000 / REFERENCE_DETECTOR.frameMs);
  assert.ok(probabilities.every((p) => p >= 0 && p <= 1));
  assert.ok((probabilities[100] ?? 0) > 0.9 && (probabilities[180] ?? 1) < 0.1);
  assert.deepEqual(createSpeechEndDetector(RATE_HZ).result(), {});
});
