/** STT: what is sent, how, and when. */
import type { Bench } from './engine.ts';

export const bench: Bench = {
  name: 'stt',
  title: 'Speech to text: method, upload, format, rate, trimming',
  limits:
    'Freya gives no word times and no confidence; the stand-in transcribes by audio time, so a cut word shows as another transcript. On production audio only the change of the transcript is known, never its error rate.',
  metrics: ['sttMs', 'sttWaitMs', 'endpointingMs', 'prematureCount', 'uploadKb', 'transcriptChars', 'e2eMs'],
  stage: 'stt',
  arms: [
    { name: 'stt-at-pause', patches: ['stt-at-pause'] },
    { name: 'stt-growing', patches: ['stt-growing'] },
  ],
};
