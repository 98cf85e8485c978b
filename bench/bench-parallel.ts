/** Stages that overlap: interleaving, speculation, prefetch, hedging, caches; alone and together. */
import type { Bench } from './engine.ts';

export const bench: Bench = {
  name: 'parallel',
  title: 'Overlap: interleaving, clauses, early STT, alone and together',
  limits: 'Gains are ledger time, not service time: what overlaps another stage costs nothing on the path.',
  metrics: ['sttMs', 'sttWaitMs', 'ttftMs', 'ttfbMs', 'e2eMs', 'firstContentMs', 'uploadKb', 'llmCost'],
  stage: 'tts',
  baseline: ['reply-chunking'],
  arms: [
    { name: 'sentence interleaving', patches: [{ pipeline: { chunking: 'sentence' } }] },
    { name: 'clause chunking', patches: [{ pipeline: { chunking: 'clause' } }] },
    { name: 'early STT', patches: ['stt-at-pause'] },
    { name: 'clauses and early STT', patches: [{ pipeline: { chunking: 'clause' } }, 'stt-at-pause'] },
  ],
};
