import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { asksOf } from './asks.ts';

const CASES: readonly [patch: StrategyPatch, asks: readonly string[]][] = [
  [{}, []],
  [{ stt: { vad: { silenceMs: 300 } } }, []],
  [{ network: { preconnect: true } }, []],
  [{ tts: { voice: 'zeynep' } }, []],
  [{ tts: { concurrency: 3 } }, ['more calls at once (tts.concurrency)']],
  [{ tts: { concurrency: 1 } }, []],
  [{ llm: { hedge: { afterMs: 300, ignore: ['x'] } } }, ['more calls at once (llm.hedge)']],
  [{ llm: { model: 'openai/gpt-4o-mini' } }, ['another model (llm.model)']],
  [{ tts: { method: 'speech' } }, ['another method (tts.method)']],
  [{ pipeline: { chunking: 'clause' } }, ['other sizes (pipeline.chunking)']],
  [
    {
      llm: { model: 'openai/gpt-4o-mini', maxTokens: 200 },
      pipeline: { prefetch: 'partial' },
      stt: { upload: { atPause: { pauseMs: 300 } } },
    },
    ['more calls at once (stt.upload, pipeline.prefetch)', 'another model (llm.model)', 'other sizes (llm.maxTokens)'],
  ],
];
for (const [patch, asks] of CASES)
  test(`${JSON.stringify(patch)} asks for ${asks.length === 0 ? 'nothing new' : asks.join(', ')}`, () => {
    const base = { ...DEFAULT_STRATEGY, tts: { ...DEFAULT_STRATEGY.tts, concurrency: 2 } };
    assert.deepEqual(asksOf(base, resolveStrategy([patch], 'test', base)), asks);
  });

test('fewer calls than the capture has shown are nothing new', () => {
  const hedged = resolveStrategy([{ llm: { hedge: { afterMs: 300, ignore: ['x'] } } }], 'test');
  assert.deepEqual(asksOf(hedged, resolveStrategy([{ llm: { hedge: 'none' } }], 'test', hedged)), []);
});
