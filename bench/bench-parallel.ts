/** Stages that overlap: interleaving, speculation, prefetch, hedging, caches; alone and together, over today's strategy. */
import { variants, type Bench } from './turns/bench.ts';

export const bench: Bench = {
  name: 'parallel',
  title: 'Overlap: interleaving, clauses, early STT, alone and together',
  limits:
    'Gains are ledger time, not service time: what overlaps another stage costs nothing on the path. No turn here is a greeting: what its cache is worth is in docs/strategies.md.',
  metrics: ['sttMs', 'sttWaitMs', 'ttftMs', 'ttfbMs', 'e2eMs', 'firstContentMs', 'uploadKb', 'llmCost'],
  stage: 'tts',
  arms: [
    {
      name: 'reply-chunking',
      patches: ['reply-chunking'],
      note: 'control: what today’s interleaving by sentence is worth',
    },
    ...variants(
      'clause-chunking',
      'stt-at-pause',
      'prefetch-connect',
      'prefetch-prompt',
      'prefetch-partial',
      'speculation-predict',
      'speculation-prefill',
      'hedge-gpt-4o-mini',
      'cache-responses',
    ),
    { name: 'clauses and early STT', patches: ['clause-chunking', 'stt-at-pause'] },
    {
      name: 'all that go together',
      patches: ['clause-chunking', 'stt-at-pause', 'prefetch-connect', 'speculation-predict', 'keep-alive-drain'],
    },
  ],
};
