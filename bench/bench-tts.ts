/** TTS: three methods, speed, concurrency. */
import type { Bench } from './bench.ts';
import { GROUPINGS } from './metrics.ts';

export const bench: Bench = {
  name: 'tts',
  title: 'Text to speech: method, speed, concurrency, text length',
  limits:
    'Leading silence is what the audio begins with, and is part of the wait. Stalls are those of a client that plays from the first byte on; more than 0 would be heard.',
  metrics: ['ttfbMs', 'leadingSilenceMs', 'realTimeFactor', 'stallMs', 'firstAudioByteMs', 'e2eMs', 'replyEndMs'],
  stage: 'tts',
  grouping: GROUPINGS.textLength,
  arms: [
    { name: 'tts-speech', patches: ['tts-speech'] },
    { name: 'tts-speech as WAV', patches: ['tts-speech', { tts: { format: 'wav' } }] },
    { name: 'tts-generate', patches: ['tts-generate'] },
    { name: 'tts-generate-status-stream', patches: ['tts-generate-status-stream'] },
    { name: 'tts-trim-silence', patches: ['tts-trim-silence'] },
    { name: 'tts-speed-1.15', patches: [{ tts: { speed: 1.15 } }] },
    { name: 'tts-concurrency-1', patches: ['tts-concurrency-1'] },
    { name: 'tts-concurrency-4', patches: ['tts-concurrency-4'] },
    { name: 'text: clauses', patches: ['clause-chunking'], note: 'shorter pieces' },
    { name: 'text: whole reply', patches: ['reply-chunking'], note: 'one long piece' },
  ],
};
