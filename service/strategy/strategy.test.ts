import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promptOfFile, readPromptFile } from './prompt-file.ts';
import { DEFAULT_STRATEGY, strategyDiff, strategyHash } from './strategy.ts';
import { patchFromSet, resolveStrategy } from './patch.ts';

test('the defaults satisfy the schema', () => {
  assert.deepEqual(resolveStrategy([], 'defaults'), DEFAULT_STRATEGY);
});

test('patches merge knob by knob, later ones winning', () => {
  const strategy = resolveStrategy(
    [{ llm: { maxTokens: 300 } }, { llm: { maxTokens: 200 } }, { tts: { speed: 1.15 } }],
    'test',
  );
  assert.equal(strategy.llm.maxTokens, 200);
  assert.equal(strategy.llm.model, DEFAULT_STRATEGY.llm.model);
  assert.deepEqual(strategyDiff(DEFAULT_STRATEGY, strategy), [
    ['llm.maxTokens', 500, 200],
    ['tts.speed', 1, 1.15],
  ]);
});

test('keepAlive goes from an object to false and back', () => {
  const off = resolveStrategy([patchFromSet('network.keepAlive=false')], 'test');
  assert.equal(off.network.keepAlive, false);
  const on = resolveStrategy([{ network: { keepAlive: { idleMs: 60_000, drain: true } } }], 'test', off);
  assert.deepEqual(on.network.keepAlive, { idleMs: 60_000, drain: true });
});

const REFUSED: readonly [set: string, message: RegExp][] = [
  [
    'llm.modle=openai/gpt-4o-mini',
    /^InputError: --set llm.modle=.*: there is no knob "llm.modle"; knobs there: model, maxTokens/,
  ],
  ['lmm.model=x/y', /there is no knob "lmm"; sections: client, stt, llm, tts, /],
  ['llm.maxTokens=many', /knob "llm.maxTokens" must be integer, not "many"/],
  ['llm.maxTokens=0', /knob "llm.maxTokens" must be >= 1, not 0/],
  ['pipeline.chunking=word', /knob "pipeline.chunking" must be one of sentence, clause, reply, not "word"/],
  [
    'stt.upload=half',
    /knob "stt.upload" must be "whole" or {"atPause":{"pauseMs":…}} or {"growing":{"chunkMs":…}}, not "half"/,
  ],
  ['stt.upload.growing.chunkMs=soon', /knob "stt.upload.growing.chunkMs" must be integer, not "soon"/],
  [
    'stt.upload.atPause.pauseMs=500',
    /--set: knob "stt.upload.atPause.pauseMs" must be shorter than "stt.vad.silenceMs"/,
  ],
  ['llm.route={"sort":"speed"}', /knob "llm.route/],
  ['llm.route={"sort":"latency","zdr":true}', /there is no knob "llm.route.zdr"/],
  ['llm.route={"only":["Groq"],"ignore":["Groq"]}', /both allows only and ignores "Groq"/],
  ['llm.systemPrompt={"file":"/no/such/prompt.txt"}', /knob "llm.systemPrompt.file": .*ENOENT/],
  ['llm.seed=-1', /knob "llm.seed"/],
  ['pipeline.speculation=prefill', /cannot be prefill with google\/gemini-2.5-flash: no source says that it continues/],
  ['pipeline.prefetch=partial', /cannot be partial with "stt.upload" whole: there is no transcript before the end/],
  ['llm.hedge={"afterMs":500}', /would ask the same model again with nothing else changed; name another "model"/],
  ['llm.model=gpt', /knob "llm.model" must be: an OpenRouter model id, author\/slug, not "gpt"/],
];
for (const [set, message] of REFUSED) {
  test(`--set ${set} is refused by name`, () => {
    assert.throws(() => resolveStrategy([patchFromSet(set)], '--set'), message);
  });
}

test('a part of a union is a patch by itself: the rest comes from the base; control: it is no strategy alone', () => {
  const part = patchFromSet('llm.hedge.afterMs=500');
  const base = resolveStrategy([patchFromSet('llm.hedge={"afterMs":900,"model":"openai/gpt-4o-mini"}')], 'base');
  assert.deepEqual(resolveStrategy([part], 'part', base).llm.hedge, { afterMs: 500, model: 'openai/gpt-4o-mini' });
  assert.throws(
    () => patchFromSet('llm.hedge.aftrMs=500', '--baseline-set'),
    /^InputError: --baseline-set .*llm\.hedge\.aftrMs/,
  );
});

test('an assignment without a value says how to write one', () => {
  assert.throws(() => patchFromSet('llm.model'), /expected knob=value/);
});

test('the hash does not depend on the order of keys, and does on every value', () => {
  const { client, ...others } = DEFAULT_STRATEGY;
  assert.equal(strategyHash({ ...others, client }), strategyHash(DEFAULT_STRATEGY));
  assert.notEqual(strategyHash(resolveStrategy([{ tts: { speed: 1.15 } }], 't')), strategyHash(DEFAULT_STRATEGY));
});

test(':nitro and a sort are two ways of one thing: refused together, each allowed alone', () => {
  const nitro = { llm: { model: 'google/gemini-2.5-flash:nitro' } };
  const sorted = { llm: { route: { sort: 'latency' } } };
  assert.throws(() => resolveStrategy([nitro, sorted], '--set'), /"llm.route.sort" cannot go with .* :nitro/);
  assert.equal(resolveStrategy([nitro], '--set').llm.model, nitro.llm.model);
  assert.deepEqual(resolveStrategy([sorted], '--set').llm.route, sorted.llm.route);
});

test('a prompt file is read when the strategy is resolved, and named by its digest', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-prompt-'));
  const file = join(folder, 'prompt.txt');
  writeFileSync(file, 'Ask one question.\n');
  const { systemPrompt } = resolveStrategy([{ llm: { systemPrompt: { file } } }], 'test').llm;
  assert.ok(typeof systemPrompt === 'object');
  assert.match(systemPrompt.sha256, /^[0-9a-f]{64}$/);
  assert.equal(promptOfFile(file, systemPrompt.sha256), 'Ask one question.');
  writeFileSync(file, 'Ask two questions.\n');
  assert.throws(() => promptOfFile(file, '0'.repeat(64)), /has another text than the strategy was resolved with/);
  assert.throws(() => readPromptFile(folder, 'here'), /here: /);
  rmSync(folder, { recursive: true });
});

test('HTTP/2 without keep-alive is a contradiction, refused with its reason; each alone is fine', () => {
  const both = { network: { http2: true, keepAlive: false } };
  assert.throws(() => resolveStrategy([both], 'test'), /"network.http2" cannot go with "network.keepAlive" false/);
  resolveStrategy([{ network: { http2: true } }, { network: { preconnect: true } }], 'test');
  resolveStrategy([{ network: { keepAlive: false, preconnect: true } }], 'test');
});

test('what a model cannot do is refused with its name and the reason, and admitted with one that can', () => {
  const llama = { llm: { model: 'meta-llama/llama-3.1-8b-instruct' } };
  const prompt = { pipeline: { prefetch: 'prompt' } };
  assert.throws(
    () => resolveStrategy([llama, prompt], 't'),
    /cannot be prompt with meta-llama.*caches prompts unasked/,
  );
  assert.equal(resolveStrategy([prompt], 't').pipeline.prefetch, 'prompt');
  const prefill = { pipeline: { speculation: 'prefill' } };
  assert.equal(resolveStrategy([llama, prefill], 't').pipeline.speculation, 'prefill');
  const hedged = { llm: { ...llama.llm, hedge: { afterMs: 1, model: 'openai/gpt-4o-mini' } } };
  assert.throws(() => resolveStrategy([hedged, prefill], 't'), /"llm.hedge.model" must continue the opener/);
});
