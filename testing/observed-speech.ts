/** Observed syntheses of speech from a model that a test knows: µs = 200,000 + 2,000 a character, of the session, and noise. */
import { keyedRandom } from '../service/base/random.ts';
import type { Observation } from '../sim/times/observed.ts';
import type { DrawContext, Facts } from '../sim/times/plan.ts';
import { normalDraw } from '../replay/statistics/distributions.ts';

export const SPEECH_US_PER_CHAR = 2000;
const BASE_US = 200_000;
/** A session's own time a character differs by this much, an exchange by its noise. */
const [SESSION_US_PER_CHAR, NOISE_US] = [600, 15_000];
/** Characters, equally likely. */
const [LEAST_CHARS, MOST_CHARS] = [20, 120];
export const MEAN_CHARS = (LEAST_CHARS + MOST_CHARS) / 2;

/** `sessions` × `turns` exchanges, one a turn. Equal keys give equal times. */
export function observedSpeech({
  sessions,
  turns,
  key,
}: {
  sessions: number;
  turns: number;
  key: string;
}): Observation[] {
  const random = keyedRandom(key);
  return Array.from({ length: sessions }, (_, session) => {
    const usPerChar = SPEECH_US_PER_CHAR + SESSION_US_PER_CHAR * normalDraw(random);
    return Array.from({ length: turns }, (_turn, turnIndex): Observation => {
      const size = Math.round(LEAST_CHARS + (MOST_CHARS - LEAST_CHARS) * random());
      const waitUs = Math.max(0, Math.round(BASE_US + usPerChar * size + NOISE_US * normalDraw(random)));
      return {
        ...{ sessionId: `session-${session}`, turnIndex, exchange: 'tts.0.0.0', operation: 'tts', what: 'stream' },
        ...{ size, uploadBytes: 0, speed: 1 },
        plan: {
          ...{ reused: true, networkUs: { queue: 0, send: 0 }, waitUs, leadingSilenceMs: 0 },
          items: [{ gapUs: 0, kind: 'data', parts: [4800] }],
        },
      };
    });
  }).flat();
}

/** A request for so many characters of speech. */
export const speechFacts = (chars: number): Facts => ({
  ...{ operation: 'tts', method: 'stream', speed: 1, uploadBytes: 0, text: 'x'.repeat(chars) },
});

/** The place of an observed exchange, as a lane of an experiment asks for it. */
export const speechPlace = ({ sessionId, turnIndex }: Observation): DrawContext => ({
  ...{ sessionId, turnIndex, stage: 'tts', ordinal: 0, attempt: 0, fetchIndex: 0, traceId: '0'.repeat(32), arm: 'b' },
});
