/** TTS: three methods, speed, concurrency. */
import { variants, type Bench } from './turns/bench.ts';
import { GROUPINGS } from './turns/metrics.ts';

export const bench: Bench = {
  name: 'tts',
  title: 'Text to speech: method, speed, concurrency, text length',
  limits:
    'Leading silence is what the audio begins with, and is part of the wait. Stalls are those of a client that plays from the first byte on; more than 0 would be heard.',
  metrics: [
    'ttfbMs',
    'ttsAudibleMs',
    'leadingSilenceMs',
    'realTimeFactor',
    'stallMs',
    'firstAudioByteMs',
    'e2eMs',
    'replyEndMs',
  ],
  stage: 'tts',
  grouping: GROUPINGS.textLength,
  arms: [
    ...variants('tts-speech'),
    { name: 'tts-speech as WAV', patches: ['tts-speech', { tts: { format: 'wav' } }] },
    ...variants(
      'tts-generate',
      'tts-generate-status-stream',
      'tts-trim-silence',
      'tts-speed-1.15',
      'tts-concurrency-1',
      'tts-concurrency-4',
    ),
    { name: 'text: clauses', patches: ['clause-chunking'], note: 'shorter pieces' },
    { name: 'text: whole reply', patches: ['reply-chunking'], note: 'one long piece' },
  ],
};
