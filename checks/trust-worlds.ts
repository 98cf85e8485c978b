/** The worlds in which predictions are made and then measured, one row each: the kind one whole, the unkind ones with few sessions. */
import { namedVariants } from '../replay/variants/variants.ts';
import type { UNKIND_PROFILES } from '../sim/times/profile.ts';

/** A capture at one hour of the day, a measurement at another. */
export interface TrustHours {
  captured: number;
  measured: number;
}

export interface TrustWorld {
  /** The profile of its stand-ins, which is its name. */
  profile: (typeof UNKIND_PROFILES)[number] | 'seed';
  sessions: number;
  turns: number;
  /** Sessions of the capture that the model is fitted to. They run at once, so more take no longer. */
  captured: number;
  hours?: TrustHours;
  /** Only these strategies; absent: all that can be judged. */
  variants?: readonly string[];
  /** Strategies that only this world can show. */
  visible?: readonly string[];
}

/** What a real user of `--rank` would try first, of every class. */
const FEW = [
  'clause-chunking',
  'hedge-other-provider',
  'history-4-turns',
  'keep-alive-drain',
  'model-gpt-4o-mini',
  'model-mistral-small',
  'preconnect',
  'reply-chunking',
  'speculation-prefill',
  'stt-at-pause',
  'tts-concurrency-1',
  'tts-concurrency-4',
  'tts-speech',
  'vad-silence-300',
] as const;

const modelVariants = (): string[] => namedVariants().flatMap(({ name }) => (name.startsWith('model-') ? [name] : []));

const SMALL = { sessions: 6, turns: 2, captured: 24 } as const;

/** Predictions ask profile `seed` everywhere: nobody knows the habits of the world in which he captures. */
export const PREDICTED_WITH = 'seed';

export const TRUST_WORLDS: readonly TrustWorld[] = [
  { profile: 'seed', sessions: 24, turns: 3, captured: 36 },
  { profile: 'cold-starts', ...SMALL, variants: FEW },
  { profile: 'by-hour', ...SMALL, variants: FEW, hours: { captured: 8, measured: 20 } },
  { profile: 'crowded', ...SMALL, variants: FEW },
  { profile: 'prompt-cache', ...SMALL, variants: [...FEW, 'prefetch-prompt'], visible: ['prefetch-prompt'] },
  { profile: 'slower-models', ...SMALL, variants: [...new Set([...FEW, ...modelVariants()])] },
];
