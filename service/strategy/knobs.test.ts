import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differingKnobs, KNOBS, knobsWith, touches, valuesWith } from './knobs.ts';
import { TRAITS } from './traits.ts';
import { resolveStrategy, type StrategyPatch } from './patch.ts';

test('every trait is some knob’s, a section’s trait is that of its knobs, and a knob without any has none', () => {
  for (const trait of TRAITS) assert.ok(knobsWith(trait).length > 0, trait);
  assert.ok(knobsWith('words').includes('stt.vad.silenceMs'));
  assert.deepEqual(KNOBS.find(({ path }) => path === 'tts.queue.pollMs')?.traits, []);
});

const CASES: readonly [patch: StrategyPatch, words: boolean][] = [
  [{ llm: { model: 'a/b' } }, true],
  [{ stt: { vad: { silenceMs: 300 } } }, true],
  [{ llm: { route: { sort: 'latency' } } }, true],
  [{ llm: { hedge: { afterMs: 100, model: 'a/b' } } }, true],
  [{ llm: { hedge: { afterMs: 100, ignore: ['x'] } } }, false],
  [{ llm: { hedge: 'none', sse: 'parser' } }, false],
  [{ tts: { speed: 1.15 }, stt: {} }, false],
  [{}, false],
];
for (const [patch, words] of CASES)
  test(`${JSON.stringify(patch)} ${words ? 'can' : 'cannot'} change words`, () => {
    assert.equal(touches(patch, 'words'), words);
  });

test('values with a trait differ where one of its knobs does; control: another knob changes nothing', () => {
  const of = (patch: StrategyPatch): string => valuesWith(resolveStrategy([patch], 'test'), 'connections');
  assert.notEqual(of({ network: { region: 'near' } }), of({}));
  assert.equal(of({ tts: { speed: 2 } }), of({}));
});

test('knobs with a trait that differ between two strategies; control: other knobs do not count', () => {
  const [plain, http2] = [resolveStrategy([], 'test'), resolveStrategy([{ network: { http2: true } }], 'test')];
  assert.deepEqual(differingKnobs(http2, plain, 'operator'), ['network.http2']);
  assert.deepEqual(differingKnobs(http2, http2, 'operator'), []);
  assert.deepEqual(differingKnobs(resolveStrategy([{ tts: { speed: 2 } }], 'test'), plain, 'operator'), []);
});
