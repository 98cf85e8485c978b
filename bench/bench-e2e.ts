/** Whole turns: today's strategy against chosen variants, by the user's wait. */
import { variants, type Bench } from './turns/bench.ts';

/** The arm beside the targets: the strategies of docs/strategies.md that go together, at once. */
export const COMBINED = 'combined';

export const bench: Bench = {
  name: 'e2e',
  title: 'Whole turns: from speech end to first audible',
  limits:
    'The client is taken to play from the first byte on; its own network and audio device are not in these figures.',
  metrics: ['sttMs', 'ttftMs', 'ttfbMs', 'firstAudioByteMs', 'e2eMs', 'firstContentMs', 'stallMs', 'replyEndMs'],
  stage: 'llm',
  arms: [
    ...variants('clause-chunking', 'keep-alive-drain', 'stt-at-pause', 'preconnect', 'model-gpt-4o-mini'),
    {
      name: COMBINED,
      patches: ['model-llama-3.1-8b-nitro', 'stt-at-pause', 'clause-chunking', 'keep-alive-drain', 'preconnect'],
      note: 'llama-3.1-8b nitro, STT at pauses, clauses, connections kept and made ahead',
    },
  ],
};
