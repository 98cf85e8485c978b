/** What STT is sent: bytes added up on paper, sound compared with what was said. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { joinSamples, parseWav, rmsDbfs } from './pcm.ts';
import { createOpusEncoder, decodeWebm, opusRate, webmOf } from './opus.ts';
import type { UserAudio } from '../base/ports.ts';
import { createResampler } from './resample.ts';
import { DEFAULT_STRATEGY } from '../strategy/strategy.ts';
import type { StrategyPatch } from '../strategy/patch.ts';
import { createRealClock } from '../base/clock.ts';
import { createUploadAudio as createWith, type UploadAudio } from './upload-audio.ts';

const speech = parseWav(readFileSync(new URL('../../fixtures/audio/human/cards-005.wav', import.meta.url)));
const sine = (rateHz: number, ms: number, hz: number): Int16Array =>
  Int16Array.from({ length: (rateHz * ms) / 1000 }, (_, i) =>
    Math.round(8000 * Math.sin((2 * Math.PI * hz * i) / rateHz)),
  );
const portions = (samples: Int16Array, size: number): Int16Array[] =>
  Array.from({ length: Math.ceil(samples.length / size) }, (_, i) => samples.subarray(i * size, (i + 1) * size));
function resample(fromHz: number, toHz: number, samples: Int16Array, portion = fromHz / 50): Int16Array {
  const resampler = createResampler(fromHz, toHz);
  const blocks = portions(samples, portion).flatMap((part) => resampler.push(part));
  return joinSamples([...blocks, resampler.rest()]);
}

test('resampling keeps frequencies that the lower rate can hold, 75 dB above its errors', () => {
  for (const [fromHz, toHz] of [
    [48_000, 16_000],
    [48_000, 24_000],
    [44_100, 16_000],
  ] as const) {
    const output = resample(fromHz, toHz, sine(fromHz, 1000, 1000));
    assert.equal(output.length, toHz);
    const ideal = sine(toHz, 1000, 1000);
    const error = output.map((sample, i) => sample - (ideal[i] ?? 0)).subarray(toHz / 20, -toHz / 20);
    assert.ok(rmsDbfs(output, 0, toHz) - rmsDbfs(error, 0, error.length) > 75, `${fromHz} → ${toHz}`);
  }
});

test('frequencies that the lower rate cannot hold are gone; control: leaving samples out folds them into the audible', () => {
  const high = sine(48_000, 1000, 12_000);
  const output = resample(48_000, 16_000, high).subarray(800, -800);
  assert.ok(rmsDbfs(output, 0, output.length) < -85);
  const folded = Int16Array.from({ length: 16_000 }, (_, i) => high[3 * i + 1] ?? 0);
  assert.ok(rmsDbfs(folded, 0, folded.length) > -20);
});

test('how audio is portioned changes not one sample', () => {
  const whole = resample(48_000, 16_000, sine(48_000, 500, 440), 24_000);
  for (const portion of [1, 7, 960, 1111])
    assert.deepEqual(resample(48_000, 16_000, sine(48_000, 500, 440), portion), whole);
});

test('Opus in WebM comes back as the speech that went in, at a tenth of the bytes', async () => {
  const encoder = createOpusEncoder(opusRate(speech.sampleRateHz));
  for (const part of portions(speech.samples, 333)) encoder.push(part);
  encoder.finish();
  const webm = await webmOf(encoder.packets, speech.sampleRateHz);
  assert.ok(webm.length < speech.samples.length * 2 * 0.12, `${webm.length} of ${speech.samples.length * 2} bytes`);
  const back = await decodeWebm(webm);
  const heard = resample(back.sampleRateHz, speech.sampleRateHz, back.samples);
  const level = (samples: Int16Array, at: number): number => rmsDbfs(samples, at, at + 4800);
  for (let at = 4000; at + 4800 < speech.samples.length; at += 800) {
    const [said, got] = [level(speech.samples, at), level(heard, at)];
    if (said > -28) assert.ok(Math.abs(said - got) < 4, `at ${at}: ${said} → ${got} dBFS`);
  }
  assert.deepEqual(await webmOf(encoder.packets, speech.sampleRateHz), webm);
});

test('bytes that are no WebM with Opus are refused with what they are', async () => {
  await assert.rejects(decodeWebm(new Uint8Array(100)), /WebM of 100 bytes cannot be read/);
  const long = await webmOf(
    Array.from({ length: 15_100 }, () => new Uint8Array([0xf8, 0xff, 0xfe])),
    48_000,
  );
  await assert.rejects(decodeWebm(long), /holds more than 301 s of audio/);
  await assert.rejects(decodeWebm(new Uint8Array([0x1a, 0x45, 0xdf, 0xa3, 0x80])), /WebM of 5 bytes/);
});

const givesWay = { clock: createRealClock(), signal: new AbortController().signal };
const createUploadAudio = (stt: typeof DEFAULT_STRATEGY.stt, audio: UserAudio): UploadAudio =>
  createWith(stt, audio, givesWay);
const of = (patch: object): typeof DEFAULT_STRATEGY.stt => ({ ...DEFAULT_STRATEGY.stt, ...patch });
const user = (more: object = {}): UserAudio => ({
  zero: 'upload',
  sampleRateHz: 48_000,
  async *frames() {},
  ...more,
});

test('a browser recording is passed on as it came; trimming encodes it again', async () => {
  const recorded = new Uint8Array([1, 2, 3]);
  const utterance = { samples: 48_000, speechFromSample: 19_200, quietSinceSample: 28_800 };
  const passed = createUploadAudio(of({ format: 'webm-opus' }), user({ recorded }));
  assert.deepEqual((await passed.encode(utterance, true)).bytes, recorded);
  const trim = createUploadAudio(
    of({ format: 'webm-opus', vad: { ...DEFAULT_STRATEGY.stt.vad, trim: true } }),
    user({ recorded }),
  );
  await trim.push(sine(48_000, 1000, 440));
  assert.equal((await trim.encode(utterance, true)).audioMs, 600); // 400 to 600 ms of speech, 200 ms on each side
});

test('a browser recording is encoded again for another rate than its own; control: at its own it is passed on', async () => {
  const recorded = new Uint8Array([1, 2, 3]);
  for (const [sampleRateHz, isPassed] of [
    [16_000, false],
    [48_000, true],
    ['received', true],
  ] as const) {
    const upload = createUploadAudio(of({ format: 'webm-opus', sampleRateHz }), user({ recorded }));
    await upload.push(sine(48_000, 1000, 440));
    const sent = await upload.encode({ samples: 48_000 }, true);
    assert.equal(sent.sampleRateHz, isPassed ? 48_000 : 16_000);
    assert.equal(sent.bytes.byteLength === recorded.byteLength, isPassed);
  }
});

test('an early cut leaves the packet out that is not full; the last upload holds it', async () => {
  const upload = createUploadAudio(of({ format: 'webm-opus' }), user());
  await upload.push(sine(48_000, 110, 440));
  assert.equal((await upload.encode({ samples: 5280 }, false)).audioMs, 100);
  assert.equal((await upload.encode({ samples: 5280 }, true)).audioMs, 120);
});

test('long audio is worked on in pieces, between which others go on; control: what needs no work is taken at once', async () => {
  const sentence = sine(48_000, 3000, 440);
  for (const [patch, leastRounds] of [
    [{ sampleRateHz: 16_000 }, 3],
    [{ format: 'webm-opus' }, 3],
    [{ format: 'webm-opus', sampleRateHz: 16_000 }, 3],
    [{}, 0],
  ] as const) {
    let rounds = 0;
    const loop = (): void => {
      rounds++;
      again = setImmediate(loop);
    };
    let again = setImmediate(loop);
    const upload = createUploadAudio(of(patch), user());
    await upload.push(sentence);
    clearImmediate(again);
    assert.ok(rounds >= leastRounds && (leastRounds > 0 || rounds === 0), `${JSON.stringify(patch)}: ${rounds} rounds`);
    const { audioMs } = await upload.encode({ samples: sentence.length }, true);
    assert.equal(audioMs, 3000);
  }
});

test('work on audio ends when its turn does', async () => {
  const gone = new AbortController();
  const upload = createWith(of({ sampleRateHz: 16_000 }), user(), { ...givesWay, signal: gone.signal });
  const pushed = upload.push(sine(48_000, 3000, 440));
  gone.abort(new Error('the client went away'));
  await assert.rejects(Promise.resolve(pushed), /went away/);
});

const SEND_MS_PER_KB = 2;
const profile = flatProfile({ stt: 400, llm: 100, sendPerKb: SEND_MS_PER_KB });
const at48 = tones(6000, [[200, 1200]], { rateHz: 48_000 });
const run = (patch: StrategyPatch) => turnByHand({ profile, tones: at48, patch });

test('16 and 24 kHz send a third and half of the bytes of 48 kHz, and save their time in send', async () => {
  const whole = await run({});
  assert.equal(whole.summary.uploadedBytes, 44 + 1700 * 96);
  for (const [sampleRateHz, bytesPerMs] of [
    [16_000, 32],
    [24_000, 48],
    [48_000, 96],
  ] as const) {
    const lower = await run({ stt: { sampleRateHz } });
    assert.equal(lower.summary.uploadedBytes, 44 + 1700 * bytesPerMs);
    const savedUs = (whole.summary.e2eUs ?? 0) - (lower.summary.e2eUs ?? 0);
    const lessDigits = String(whole.summary.uploadedBytes).length - String(lower.summary.uploadedBytes).length;
    assert.ok(Math.abs(savedUs - 1700 * (96 - bytesPerMs) * SEND_MS_PER_KB) <= 2 * lessDigits);
    assert.equal(lower.transcript, whole.transcript);
  }
});

test('webm-opus sends less and is heard the same; control: at once it saves nothing where sending takes no time', async () => {
  const whole = await run({});
  const opus = await run({ stt: { format: 'webm-opus' } });
  assert.ok((opus.summary.uploadedBytes ?? Infinity) < 1700 * 4, `${opus.summary.uploadedBytes} bytes`);
  const savedUs = (whole.summary.e2eUs ?? 0) - (opus.summary.e2eUs ?? 0);
  const fewerBytes = (whole.summary.uploadedBytes ?? 0) - (opus.summary.uploadedBytes ?? 0);
  assert.ok(Math.abs(savedUs - fewerBytes * SEND_MS_PER_KB) < 50, `${savedUs} µs for ${fewerBytes} bytes`);
  assert.equal(opus.transcript, whole.transcript);
  const free = flatProfile({ stt: 400, llm: 100 });
  const [a, b] = [
    await turnByHand({ profile: free, tones: at48 }),
    await turnByHand({ profile: free, tones: at48, patch: { stt: { format: 'webm-opus' } } }),
  ];
  assert.equal(a.summary.e2eUs, b.summary.e2eUs);
});

test('frames of 300 ms: the silence of 500 ms after 1200 is heard when the frame that ends at 1800 arrives', async () => {
  const whole = await run({});
  const larger = await run({ client: { frameMs: 300 } });
  assert.equal((larger.summary.e2eUs ?? 0) - (whole.summary.e2eUs ?? 0), 100_000 + 100 * 96 * SEND_MS_PER_KB);
  const same = await run({ client: { frameMs: 20 } });
  assert.equal(same.summary.e2eUs, whole.summary.e2eUs);
});
