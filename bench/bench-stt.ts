/** STT: what is sent, how, and when. */
import type { Bench } from './bench.ts';
import { GROUPINGS } from './metrics.ts';

export const bench: Bench = {
  name: 'stt',
  title: 'Speech to text: method, upload, format, rate, trimming',
  limits:
    'Freya gives no word times and no confidence; the stand-in transcribes by audio time, so a cut word shows as another transcript. On production audio only the change of the transcript is known, never its error rate.',
  metrics: [
    'sttMs',
    'sttWaitMs',
    'endpointingMs',
    'prematureCount',
    'uploadKb',
    'transcriptChange',
    'transcriptChars',
    'e2eMs',
  ],
  stage: 'stt',
  grouping: GROUPINGS.audioLength,
  // a browser's microphone, so that lower rates are lower; turns of one to three recordings
  speech: { recordings: [1, 2, 3], rateHz: 48_000 },
  arms: [
    { name: 'stt-generate', patches: ['stt-generate'] },
    { name: 'stt-24khz', patches: ['stt-24khz'] },
    { name: 'stt-16khz', patches: ['stt-16khz'] },
    { name: 'stt-webm-opus', patches: ['stt-webm-opus'] },
    { name: 'opus at 16 kHz', patches: ['stt-webm-opus', 'stt-16khz'] },
    { name: 'stt-trim', patches: ['stt-trim'] },
    { name: 'stt-at-pause', patches: ['stt-at-pause'] },
    { name: 'stt-growing', patches: ['stt-growing'] },
    { name: 'vad-webrtc', patches: ['vad-webrtc'] },
    { name: 'vad-silence-300', patches: ['vad-silence-300'] },
    { name: 'client-frame-100', patches: ['client-frame-100'] },
  ],
};
