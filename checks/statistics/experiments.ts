/** Simulated experiments whose truth is known: two arms that differ by chance, by a shift, or by harm at the margins of the guards. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Random } from '../../service/base/ports.ts';
import { marginMsOf } from '../../replay/diff/diff.ts';
import { normalQuantile } from '../../replay/statistics/distributions.ts';

export const NOISE_NAMES = ['normal', 'lognormal', 'heavy'] as const;
export type Noise = (typeof NOISE_NAMES)[number];
export const TURN_COUNT_NAMES = ['2–8 turns', '1–20 turns'] as const;
export const SPREAD_NAMES = ['quiet', 'loud'] as const;

/** Noise of mean 0 and variance 1. */
const NOISES: Readonly<Record<Noise, (random: Random) => number>> = {
  normal: (random: Random) => standard(random),
  /** Skewed as latencies are: e^(z/2), centred and scaled. */
  lognormal: (random: Random) => (Math.exp(standard(random) / 2) - Math.exp(1 / 8)) / LOGNORMAL_SD,
  /** Student's t with 3 degrees of freedom, whose variance is 3. */
  heavy: (random: Random) =>
    standard(random) /
    Math.sqrt((standard(random) ** 2 + standard(random) ** 2 + standard(random) ** 2) / 3) /
    Math.sqrt(3),
};

const LOGNORMAL_SD = Math.sqrt((Math.exp(1 / 4) - 1) * Math.exp(1 / 4));

/** Turns of a session: from, to; each number as likely. */
const TURN_COUNTS = { '2–8 turns': [2, 8], '1–20 turns': [1, 20] } as const;

/** Standard deviations of an arm's own noise in ms: of a session, and of a turn. A's median is 2,400 ms, so the margin is 72. */
const SPREADS = { quiet: [10, 40], loud: [350, 500] } as const;

export interface Cell {
  noise: Noise;
  turns: (typeof TURN_COUNT_NAMES)[number];
  spread: (typeof SPREAD_NAMES)[number];
  sessions: number;
}

/** What B does otherwise than A. */
export interface Change {
  /** Later by so much, words and all. */
  laterMs: number;
  /** Every guard's harm is at its margin. */
  isHarmAtMargin: boolean;
}

export const NO_CHANGE: Change = { laterMs: 0, isHarmAtMargin: false };

const BASE_MS = 2400;
const MARGIN_MS = marginMsOf([BASE_MS]);
/** In both arms. */
const RATES = { failed: 0.03, premature: 0.02, stalls: 0.03, refused: 0.02 } as const;
const YES_NO_MARGIN = 0.02;

export function experiment(
  { noise, turns, spread, sessions }: Cell,
  { laterMs, isHarmAtMargin }: Change,
  random: Random,
): { a: TurnSummary[]; b: TurnSummary[] } {
  const [a, b]: [TurnSummary[], TurnSummary[]] = [[], []];
  const draw = NOISES[noise];
  const [sessionMs, turnMs] = SPREADS[spread];
  const [least, most] = TURN_COUNTS[turns];
  for (let session = 0; session < sessions; session++) {
    const sharedMs = 150 * standard(random);
    const own = { a: sessionMs * draw(random), b: sessionMs * draw(random) };
    // sessions fail by their own lights: from never to twice as often
    const prone = 2 * random();
    const count = least + Math.floor(random() * (most - least + 1));
    for (let turnIndex = 0; turnIndex < count; turnIndex++) {
      const baseMs = BASE_MS + sharedMs + 200 * standard(random);
      const words = 120 + 40 * standard(random);
      for (const lane of ['a', 'b'] as const) {
        const isB = lane === 'b';
        const harm = isB && isHarmAtMargin;
        const ms = Math.max(100, baseMs + own[lane] + turnMs * draw(random) + (isB ? laterMs : 0));
        const happens = (rate: number): boolean => random() < prone * rate + (harm ? YES_NO_MARGIN : 0);
        const us = Math.round(ms * 1000);
        const chars = Math.max(10, words + 10 * standard(random)) * (harm ? 1.1 : 1);
        const turn: TurnSummary = {
          ...{ sessionId: String(session), turnIndex, traceId: '', lane: 'captured', variant: lane, world: 'live' },
          ...{ zero: 'audio', serviceUs: {}, e2eUs: us },
          ledger: [{ stage: 'our code', phase: 'our code', us }],
          firstContentAudibleUs: us + Math.round(1000 * (30 * standard(random) + (harm ? MARGIN_MS : 0))),
          premature: happens(RATES.premature),
          refused: happens(RATES.refused),
          stallUs: happens(RATES.stalls) ? 80_000 : 0,
          replyChars: chars,
          characters: chars,
          replyAudioMs: chars * 70 * (1 + 0.05 * standard(random)) * (harm ? 1.1 : 1),
          transcriptChange: isB ? Math.max(0, 0.02 + 0.02 * standard(random) + (harm ? 0.03 : 0)) : undefined,
          failure: happens(RATES.failed) ? { stage: 'tts', kind: 'timeout', message: '' } : undefined,
        };
        (isB ? b : a).push(turn);
      }
    }
  }
  return { a, b };
}

/** A standard normal number. */
function standard(random: Random): number {
  const index = Math.floor(random() * QUANTILES.length);
  return QUANTILES[index] ?? 0;
}

/** Midpoints of equal slices of probability: fast to draw from, with all moments right to four digits. */
const QUANTILES = Array.from({ length: 20_000 }, (_, index) => normalQuantile((index + 0.5) / 20_000));
