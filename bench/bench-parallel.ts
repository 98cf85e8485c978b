/** Stages that overlap: interleaving, speculation, prefetch, hedging, caches; alone and together, over today's strategy. */
import type { Bench } from './bench.ts';

export const bench: Bench = {
  name: 'parallel',
  title: 'Overlap: interleaving, clauses, early STT, alone and together',
  limits: 'Gains are ledger time, not service time: what overlaps another stage costs nothing on the path.',
  metrics: ['sttMs', 'sttWaitMs', 'ttftMs', 'ttfbMs', 'e2eMs', 'firstContentMs', 'uploadKb', 'llmCost'],
  stage: 'tts',
  arms: [
    {
      name: 'reply-chunking',
      patches: ['reply-chunking'],
      note: 'control: what today’s interleaving by sentence is worth',
    },
    { name: 'clause chunking', patches: ['clause-chunking'] },
    { name: 'early STT', patches: ['stt-at-pause'] },
    { name: 'prefetch-connect', patches: ['prefetch-connect'] },
    { name: 'prefetch-prompt', patches: ['prefetch-prompt'] },
    { name: 'prefetch-partial', patches: ['prefetch-partial'] },
    { name: 'speculation-predict', patches: ['speculation-predict'] },
    { name: 'speculation-prefill', patches: ['speculation-prefill'] },
    { name: 'hedge-gpt-4o-mini', patches: ['hedge-gpt-4o-mini'] },
    { name: 'cache-responses', patches: ['cache-responses'] },
    { name: 'clauses and early STT', patches: ['clause-chunking', 'stt-at-pause'] },
    {
      name: 'all that go together',
      patches: ['clause-chunking', 'stt-at-pause', 'prefetch-connect', 'speculation-predict', 'keep-alive-drain'],
    },
  ],
};
