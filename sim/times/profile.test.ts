import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DrawContext, ExchangePlan, Facts } from './plan.ts';
import { createPlanner } from './planner.ts';
import { loadProfile, meanOf, parseProfile, valueAt, type Figure } from './profile.ts';

const DRAWS = 20_000;
const STT: Facts = {
  operation: 'stt',
  method: 'transcriptions',
  audioBytes: 128_044,
  audioMs: 4000,
  uploadBytes: 128_600,
};
const LLM: Facts = {
  operation: 'llm',
  model: 'google/gemini-2.5-flash',
  messages: 3,
  promptChars: 2000,
  maxTokens: 500,
  text: 'x'.repeat(200),
  uploadBytes: 3000,
};
const TTS: Facts = {
  operation: 'tts',
  method: 'stream',
  speed: 1,
  text: 'x'.repeat(60),
  uploadBytes: 400,
};

const contextOf = (turnIndex: number, stage: DrawContext['stage'], more: Partial<DrawContext> = {}): DrawContext => ({
  sessionId: `s${turnIndex % 97}`,
  turnIndex,
  stage,
  ordinal: 0,
  attempt: 0,
  fetchIndex: 0,
  arm: 'a',
  ...more,
});

/** New connection, upload, wait, and the items up to the one that the stage's service time ends with. */
function serviceMs(plan: ExchangePlan, stage: string): number {
  const { queue, dns = 0, connect = 0, tls = 0, send } = plan.networkUs;
  let us = queue + dns + connect + tls + send + plan.waitUs;
  for (const item of plan.items) {
    us += item.gapUs;
    if (item.kind === 'data' || stage === 'stt') break;
  }
  return us / 1000;
}

function sample(stage: DrawContext['stage'], facts: Facts): { meanMs: number; tail: number } {
  const planner = createPlanner({ profile: loadProfile('seed'), seed: 1 });
  const all = Array.from({ length: DRAWS }, (_, turn) =>
    serviceMs(planner.planOf(contextOf(turn, stage), facts), stage),
  );
  all.sort((a, b) => a - b);
  const at = (p: number): number => all[Math.floor(p * DRAWS)] ?? 0;
  return { meanMs: all.reduce((sum, ms) => sum + ms, 0) / DRAWS, tail: at(0.95) / at(0.5) };
}

for (const [stage, facts, targetMs, low, high] of [
  ['stt', STT, 800, 1.45, 1.75],
  ['llm', LLM, 1500, 2, 2.5],
  ['tts', TTS, 500, 1.45, 1.75],
] as const) {
  // over the fixtures' mix of new and reused connections the means are today's: npm run verify -- profile
  test(`profile seed: ${stage} over new connections alone exceeds today's ${targetMs} ms, with a heavy tail`, () => {
    const { meanMs, tail } = sample(stage, facts);
    assert.ok(meanMs > targetMs * 0.98 && meanMs < targetMs * 1.25, `mean ${meanMs}`);
    assert.ok(tail > low && tail < high, `p95/p50 ${tail}`);
  });
}

test('control: a shorter text and another model have other means', () => {
  assert.ok(sample('tts', { ...TTS, text: 'x'.repeat(20) }).meanMs < sample('tts', TTS).meanMs * 0.97);
  assert.ok(sample('llm', { ...LLM, model: 'openai/gpt-4o-mini' }).meanMs < 1500 * 0.75);
});

test('a draw depends on its key alone; the arm counts only for independent draws', () => {
  const profile = loadProfile('seed');
  const common = createPlanner({ profile, seed: 1 });
  const again = createPlanner({ profile, seed: 1 });
  again.planOf(contextOf(9, 'tts'), TTS);
  const key = contextOf(3, 'llm');
  assert.deepEqual(common.planOf(key, LLM), again.planOf({ ...key, arm: 'b' }, LLM));
  assert.notDeepEqual(common.planOf(key, LLM), common.planOf({ ...key, ordinal: 1 }, LLM));
  assert.notDeepEqual(common.planOf(key, LLM), createPlanner({ profile, seed: 2 }).planOf(key, LLM));
  const independent = createPlanner({ profile, seed: 1, draws: 'independent' });
  assert.notDeepEqual(independent.planOf(key, LLM), independent.planOf({ ...key, arm: 'b' }, LLM));
});

test('a delay changes the boundary it names and no other', () => {
  const profile = loadProfile('seed');
  const plain = createPlanner({ profile, seed: 1 }).planOf(contextOf(1, 'llm'), LLM);
  const planner = createPlanner({ profile, seed: 1, delay: ({ item }) => (item === 2 ? 1000 : 0) });
  const late = planner.planOf(contextOf(1, 'llm'), LLM);
  assert.equal(late.items[2]?.gapUs, (plain.items[2]?.gapUs ?? 0) + 1000);
  const restored = late.items.map((item, index) => (index === 2 ? { ...item, gapUs: item.gapUs - 1000 } : item));
  assert.deepEqual({ ...late, items: restored }, plain);
});

test('profile zero takes no time at all', () => {
  const planner = createPlanner({ profile: loadProfile('zero'), seed: 1 });
  for (const [stage, facts] of [
    ['stt', STT],
    ['llm', LLM],
    ['tts', TTS],
  ] as const) {
    assert.equal(serviceMs(planner.planOf(contextOf(0, stage), facts), stage), 0);
  }
});

test('quantiles are joined by straight lines', () => {
  const figure: Figure = {
    source: 'test',
    quantiles: [
      [0, 10],
      [0.5, 20],
      [1, 100],
    ],
  };
  assert.deepEqual(
    [0, 0.25, 0.5, 0.75, 0.999999].map((u) => Math.round(valueAt(figure, u))),
    [10, 15, 20, 60, 100],
  );
  assert.equal(meanOf(figure), 37.5);
  assert.equal(valueAt({ source: 'test', quantiles: [[0, 7]] }, 0.9), 7);
});

test('a wrong profile is refused with the figure and the complaint', () => {
  const broken = (change: (copy: Record<string, Record<string, unknown>>) => void): (() => unknown) => {
    const copy = structuredClone(loadProfile('zero')) as unknown as Record<string, Record<string, unknown>>;
    change(copy);
    return () => parseProfile(copy, 'my.json');
  };
  const network = (figure: unknown) => broken((copy) => ((copy['network'] ?? {})['dnsMs'] = figure));
  assert.throws(network(undefined), /my\.json: profile\/network must have required property 'dnsMs'/);
  assert.throws(network({ quantiles: [[0, 1]] }), /profile\/network\/dnsMs must have required property 'source'/);
  assert.throws(network({ source: 'x', quantiles: [[0, 2], [1, 1]] }), /dnsMs: quantiles must rise, but \[1, 1\]/); // prettier-ignore
  assert.throws(network({ source: 'x', quantiles: [[0.1, 2], [1, 3]] }), /must begin at p = 0/); // prettier-ignore
  assert.throws(
    broken((copy) => ((copy['stt'] ?? {})['extra'] = 1)),
    /additional properties extra/,
  );
  assert.throws(
    broken((copy) => delete (copy['llm']?.['models'] as Record<string, unknown>)['default']),
    /"default"/,
  );
  assert.throws(() => loadProfile('none'), /known profiles: seed, zero/);
});

test('a profile file may build on one that comes with Retake: figures replace figures, and the rest stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retake-profile-'));
  try {
    const written = async (json: unknown): Promise<string> => {
      const file = join(folder, 'own.json');
      await writeFile(file, JSON.stringify(json));
      return file;
    };
    const waitMs = { source: 'test', quantiles: [[0, 5]] };
    const own = loadProfile(await written({ base: 'zero', name: 'own', description: 'x', stt: { waitMs } }));
    const { stt, ...zero } = loadProfile('zero');
    assert.deepEqual(own, { ...zero, name: 'own', description: 'x', stt: { ...stt, waitMs } });
    const refused = async (json: object, why: RegExp): Promise<void> => {
      const file = await written({ name: 'own', description: 'x', ...json });
      assert.throws(() => loadProfile(file), why);
    };
    await refused({ base: file('seed') }, /profile\/base must be one of seed, zero/);
    await refused({ base: ['seed'] }, /profile\/base must be one of/);
    await refused({ base: 'zero', stt: { extra: 1 } }, /additional properties extra/);
    await refused({ base: 'zero', stt: { waitMs: { source: 'x', quantiles: [[0, 2], [1, 1]] } } }, /must rise/); // prettier-ignore
  } finally {
    await rm(folder, { recursive: true });
  }
});

const file = (name: string): string => fileURLToPath(new URL(`../profiles/${name}.json`, import.meta.url));
