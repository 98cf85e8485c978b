import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseWav } from './pcm.ts';
import { createVad, type VadOptions } from './vad.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const RATE_HZ = 16_000;
const PER_MS = RATE_HZ / 1000;
const TOLERANCE_MS = 60;

const json = (path: string): unknown => JSON.parse(readFileSync(join(fixtures, path), 'utf8'));
const interviews = json('interviews.json') as { name: string; turns: { audio: string; speechEndMs: number }[] }[];
/** Every fixture turn, and the longest pause in it. */
const turns = interviews.flatMap(({ name, turns }) => {
  const script = json(`scripts/${name}.json`) as { turns: { utterance: (string | number)[] }[] };
  return turns.map((turn, index) => ({
    ...turn,
    pauseMs: Math.max(0, ...script.turns[index]!.utterance.filter((part) => typeof part === 'number')),
  }));
});
const read = (file: string): Int16Array => parseWav(readFileSync(join(fixtures, 'audio', file))).samples;

interface Outcome {
  /** When `ended` became true, to the 20 ms frame. */
  endedMs?: number;
  quietSinceMs?: number;
}

function listen(samples: Int16Array, options: VadOptions, frameMs = 20): Outcome {
  const vad = createVad(options, RATE_HZ);
  let outcome: Outcome = {};
  for (let from = 0; from < samples.length; from += frameMs * PER_MS) {
    const { ended, quietSinceSample } = vad.push(samples.subarray(from, from + frameMs * PER_MS));
    const quiet = quietSinceSample === undefined ? {} : { quietSinceMs: quietSinceSample / PER_MS };
    if (ended) return { endedMs: from / PER_MS + frameMs, ...quiet };
    outcome = quiet;
  }
  return outcome;
}

/** 1 s of noise at about −55 dBFS, with a tone in the given spans. */
const scene = (lengthMs: number, tones: readonly [number, number][]): Int16Array =>
  Int16Array.from({ length: lengthMs * PER_MS }, (_, i) => {
    const loud = tones.some(([from, to]) => i >= from * PER_MS && i < to * PER_MS);
    return ((i * 7919) % 201) - 100 + (loud ? 3000 * Math.sin(i / 5) : 0);
  });
const energy = (silenceMs: number): VadOptions => ({ engine: 'energy', silenceMs });

test('500 and 800 ms of silence end every fixture after its speech, never in a hesitation', () => {
  for (const silenceMs of [500, 800]) {
    for (const { audio, speechEndMs } of turns) {
      const { endedMs = NaN, quietSinceMs = NaN } = listen(read(audio), energy(silenceMs));
      const lateMs = endedMs - speechEndMs - silenceMs;
      assert.ok(Math.abs(lateMs) <= TOLERANCE_MS, `${audio}: ended at ${endedMs} ms, ${lateMs} ms off`);
      assert.ok(Math.abs(quietSinceMs - speechEndMs) <= TOLERANCE_MS, `${audio}: quiet since ${quietSinceMs} ms`);
    }
  }
});

test('control: 250 ms of silence end every fixture in a hesitation of 280 ms and more, none in one of 200 ms', () => {
  const long = turns.filter(({ pauseMs }) => pauseMs >= 280);
  const short = turns.filter(({ pauseMs }) => pauseMs <= 200);
  assert.ok(long.length > 0 && short.length > 0);
  for (const { audio, speechEndMs } of long) {
    const { endedMs = NaN } = listen(read(audio), energy(250));
    assert.ok(endedMs < speechEndMs, `${audio}: ended at ${endedMs} ms, spoke until ${speechEndMs} ms`);
  }
  for (const { audio, speechEndMs } of short) {
    const { endedMs = NaN } = listen(read(audio), energy(250));
    assert.ok(endedMs > speechEndMs, `${audio}: ended at ${endedMs} ms, spoke until ${speechEndMs} ms`);
  }
});

test('human recordings, with silence appended, end after their speech', () => {
  const annotations = json('audio/human/annotations.json') as { file: string; speechEndMs: number }[];
  for (const { file, speechEndMs } of annotations) {
    const { endedMs = NaN } = listen(Int16Array.of(...read(`human/${file}`), ...scene(600, [])), energy(500));
    assert.ok(Math.abs(endedMs - speechEndMs - 500) <= 80, `${file}: ended at ${endedMs} ms`);
  }
});

test('a gap shorter than silenceMs does not end the turn; one as long does', () => {
  const gap = (ms: number): Outcome =>
    listen(
      scene(3000, [
        [200, 800],
        [800 + ms, 1600 + ms],
      ]),
      energy(400),
    );
  assert.ok((gap(380).endedMs ?? NaN) >= 1980 + 400);
  assert.equal(gap(440).endedMs, 1200);
});

test('the client engine reports but never ends', () => {
  const samples = scene(5000, [[200, 800]]);
  assert.deepEqual(listen(samples, { engine: 'client', silenceMs: 400 }), { quietSinceMs: 800 });
  assert.equal(listen(samples, energy(400)).endedMs, 1200);
});

test('a click ends no turn and breaks no silence; less than 100 ms is no speech', () => {
  assert.deepEqual(listen(scene(3000, [[500, 520]]), energy(400)), {});
  assert.equal(listen(scene(3000, [[500, 580]]), energy(400)).endedMs, undefined);
  assert.equal(listen(scene(3000, [[500, 620]]), energy(400)).endedMs, 1020);
  assert.equal(
    listen(
      scene(3000, [
        [200, 800],
        [1000, 1020],
      ]),
      energy(400),
    ).endedMs,
    1200,
  );
  assert.equal(
    listen(
      scene(3000, [
        [200, 800],
        [1000, 1050],
      ]),
      energy(400),
    ).endedMs,
    1460,
  );
});

test('one push of everything decides as many do, and the silence that ended the turn stays', () => {
  const samples = scene(4000, [
    [200, 800],
    [2000, 3000],
  ]);
  const decision = createVad(energy(400), RATE_HZ).push(samples);
  assert.deepEqual(decision, {
    speaking: false,
    speechFromSample: 200 * PER_MS,
    quietSinceSample: 800 * PER_MS,
    quietMs: 1000,
    ended: true,
  });
  assert.equal(createVad(energy(400), RATE_HZ).push(samples.subarray(0, 500 * PER_MS)).speaking, true);
});
