import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figureOf } from './empirical.ts';
import { FIT_EXCHANGES } from './fit.ts';
import type { Observation } from './observed.ts';
import type { DrawContext, Facts } from './plan.ts';
import { createPlanner } from './planner.ts';
import { loadProfile, parseProfile, medianOf, valueAt, type Profile } from './profile.ts';
import { fitProfile, leftOutError } from './profile-fit.ts';

const seed = loadProfile('seed');
const zero = loadProfile('zero');
const MODEL = 'google/gemini-2.5-flash';

/** What a capture would have seen of a provider with these latencies: texts of 20 to 99 characters, 2 to 4 s of speech. */
function observed(profile: Profile, count: number): Observation[] {
  const planner = createPlanner({ profile, seed: 'capture' });
  return Array.from({ length: count }, (_, turnIndex) => {
    const size = 20 + ((turnIndex * 7) % 80);
    const facts: Facts[] = [
      { operation: 'stt', method: 'transcriptions', audioBytes: 32 * 40 * size, audioMs: 40 * size, uploadBytes: 1000 },
      { operation: 'llm', model: MODEL, messages: 2, promptChars: 20 * size, maxTokens: 500, text: 'x'.repeat(200), uploadBytes: 0 },
      { operation: 'tts', method: 'stream', speed: 1, text: 'x'.repeat(size), uploadBytes: 0 },
    ]; // prettier-ignore
    return facts.map((fact): Observation => {
      const stage = fact.operation === 'other' ? 'tts' : fact.operation;
      const context: DrawContext = { sessionId: 's', turnIndex, stage, ordinal: 0, attempt: 0, fetchIndex: 0, arm: '' };
      const plan = { ...planner.planOf(context, fact), reused: turnIndex % 2 === 1 };
      const size = fact.operation === 'stt' ? fact.audioMs : fact.operation === 'llm' ? fact.promptChars : fact.operation === 'tts' ? fact.text.length : 0; // prettier-ignore
      const what = fact.operation === 'stt' ? 'transcriptions' : fact.operation === 'llm' ? MODEL : 'stream';
      const anchorUs = 1_767_225_600_000_000 + turnIndex * 3_600_000_000;
      return { sessionId: 's', turnIndex, exchange: `${stage}.0.0.0`, anchorUs, operation: stage, what, size, uploadBytes: fact.uploadBytes, speed: 1, plan }; // prettier-ignore
    });
  }).flat();
}

const near = (actual: number, expected: number, share: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= share * expected, `${what}: ${actual}, expected ${expected}`);

test("a profile fitted to the draws of another one has the other's quantiles, tails included", () => {
  const { profile, kinds, setUps } = fitProfile(observed(seed, 400), seed, 'again');
  assert.deepEqual(parseProfile(JSON.parse(JSON.stringify(profile)), 'again.json'), profile);
  for (const [p, share] of [
    [0.5, 0.08],
    [0.9, 0.12],
    [0.99, 0.3],
  ] as const) {
    near(valueAt(profile.tts.stream.waitMs, p), valueAt(seed.tts.stream.waitMs, p), share + 0.1, `tts ${p}`);
    const content = profile.llm.models[MODEL]?.firstContentMs;
    near(content === undefined ? 0 : valueAt(content, p), valueAt(seed.llm.firstContentMs, p), share, `llm ${p}`);
    const tls = profile.network.setUps?.fal?.tlsMs;
    near(tls === undefined ? 0 : valueAt(tls, p), valueAt(seed.network.tlsMs, p), share, `tls ${p}`);
  }
  assert.deepEqual(
    kinds.map(({ kind, n, reused, from, to, fitted }) => [kind, n, reused, from, to, fitted]),
    [
      [`llm ${MODEL}`, 400, 200, '2026-01-01', '2026-01-17', true],
      ['stt transcriptions', 400, 200, '2026-01-01', '2026-01-17', true],
      ['tts stream', 400, 200, '2026-01-01', '2026-01-17', true],
    ],
  );
  assert.deepEqual(setUps, [
    { provider: 'fal', n: 400 },
    { provider: 'openrouter', n: 200 },
  ]);
  assert.match(
    profile.tts.stream.waitMs.source,
    /^fitted: n 400 \(line through 200 of them\), 2026-01-01 to 2026-01-17, left-out error of the fitted line p50 ±\d.* first audio are drawn independently$/,
  );
  assert.equal(profile.tts.generate, seed.tts.generate, 'what was not seen is the base’s');
});

test('the fit error compares quantiles of the exchanges left out: small for many exchanges, large for few', () => {
  const error = (count: number): number => fitProfile(observed(seed, count), zero, 'x').kinds[0]?.errorP90Pct ?? 0;
  const [many, few] = [error(300), error(12)];
  assert.ok(many < 15 && few > many, `of 300: ${many} %, of 12: ${few} %`);
});

test('where the exchanges show no growth with size the base’s stands, and the table says that none was seen', () => {
  const stt = (grows: boolean): ReturnType<typeof fitProfile> =>
    fitProfile(
      observed(seed, 40).flatMap((each) =>
        each.operation === 'stt' ? [{ ...each, size: grows ? each.plan.waitUs / 1000 : each.size }] : [],
      ),
      seed,
      'x',
    );
  const [noise, grown] = [stt(false), stt(true)];
  assert.equal(noise.kinds[0]?.slopeMs, undefined);
  assert.equal(medianOf(noise.profile.stt.perAudioSecondMs), medianOf(seed.stt.perAudioSecondMs));
  near(grown.kinds[0]?.slopeMs ?? 0, 1, 0.05, 'control: growth that is seen is fitted');
});

test('the error of a large capture is that of some of it: all pairs of 100,000 are more than an array holds', () => {
  const some = observed(seed, 40).filter(({ operation }) => operation === 'tts');
  const { p50, p90 } = leftOutError(Array.from({ length: 2500 }, () => some).flat());
  assert.ok(p50 < 15 && p90 < 15, `${p50} %, ${p90} %`);
});

test('control: of too few exchanges the base’s figures stay', () => {
  const few = fitProfile(observed(seed, FIT_EXCHANGES - 1), zero, 'few');
  assert.equal(few.profile.tts.stream, zero.tts.stream);
  assert.deepEqual(
    few.kinds.map(({ fitted }) => fitted),
    [false, false, false],
  );
});

test('a table holds every value of few and rising quantiles of many', () => {
  assert.deepEqual(figureOf([3, 1, 2], 's').quantiles, [[0, 1], [0.5, 2], [1, 3]]); // prettier-ignore
  const many = figureOf(Array.from({ length: 1001 }, (_, index) => 1000 - index), 's').quantiles; // prettier-ignore
  assert.equal(many.length, 101);
  assert.deepEqual([many[0], many[50], many[100]], [[0, 0], [0.5, 500], [1, 1000]]); // prettier-ignore
});
