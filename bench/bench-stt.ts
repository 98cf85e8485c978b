/** STT: method, upload, format, rate, trimming. */
import { variants, type Bench } from './turns/bench.ts';
import { GROUPINGS } from './turns/metrics.ts';

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
    ...variants('stt-generate', 'stt-24khz', 'stt-16khz', 'stt-webm-opus'),
    { name: 'opus at 16 kHz', patches: ['stt-webm-opus', 'stt-16khz'] },
    ...variants('stt-trim', 'stt-at-pause', 'stt-growing', 'vad-webrtc', 'vad-silence-300', 'client-frame-100'),
    { name: 'keep-alive-drain', patches: ['keep-alive-drain'], note: 'the connection of the turn before' },
  ],
};
