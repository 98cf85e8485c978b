import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_STRATEGY, patchFromSet, resolveStrategy, strategyDiff, strategyHash } from './strategy.ts';

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
  ['llm.modle=openai/gpt-4o-mini', /--set: there is no knob "llm.modle"; knobs there: model, maxTokens/],
  ['lmm.model=x/y', /there is no knob "lmm"; sections: stt, llm, tts, pipeline, network/],
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
  ['llm.model=gpt', /knob "llm.model" must match pattern/],
];
for (const [set, message] of REFUSED) {
  test(`--set ${set} is refused by name`, () => {
    assert.throws(() => resolveStrategy([patchFromSet(set)], '--set'), message);
  });
}

test('an assignment without a value says how to write one', () => {
  assert.throws(() => patchFromSet('llm.model'), /expected knob=value/);
});

test('the hash does not depend on the order of keys, and does on every value', () => {
  const { stt, llm, tts, pipeline, network } = DEFAULT_STRATEGY;
  assert.equal(strategyHash({ network, pipeline, tts, llm, stt }), strategyHash(DEFAULT_STRATEGY));
  assert.notEqual(strategyHash(resolveStrategy([{ tts: { speed: 1.15 } }], 't')), strategyHash(DEFAULT_STRATEGY));
});
