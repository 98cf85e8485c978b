/** Guards on means: first content, equal work, equally cached prompts, words. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { boundOf, pAbove, pBeyond } from '../statistics/one-sided.ts';
import { signed } from '../statistics/rounding.ts';
import { intervalOver, pairsWhere, turnsIn, type TurnPair } from './align.ts';
import type { Figure } from './diff-rows.ts';

export const GUARD_UNITS = ['ms', 'share'] as const;

/** A guard before its family is tested together. */
export interface Tested {
  name: string;
  unit: (typeof GUARD_UNITS)[number];
  /** How much more harm B does than A, in `unit`. */
  value: number;
  /** One-sided bounds of `value`, 95 % where no other level was asked for; `low` is absent for yes/no harm, both where too few turns were measured. */
  low?: number;
  high?: number;
  /** As much more harm is no harm. */
  margin: number;
  /** The figures in words. */
  detail: string;
  /** Where the guard is open: the harm that is not ruled out, in words. */
  limit?: string;
  /** Less than A by more than the margin is harm too. */
  isTwoSided?: true;
  /** One-sided p-value of "no more harm than the margin". */
  p: number;
  /** Too many turns have the figure in one lane alone: harm there would not show, so that the guard cannot hold. */
  lacking?: string;
}

/** Two lanes did other work where reply length or audio a character differ by more. */
const EQUAL_WORK_MARGIN = 0.1;
/** Share of words. */
const TRANSCRIPT_MARGIN = 0.05;
/** Share of the prompts' tokens. */
const CACHED_MARGIN = 0.1;

/** Work that must be equal, within the margin in both directions: the ratio B/A of `top` over `bottom`. */
const RATIOS: readonly { name: string; top: Figure; bottom: Figure }[] = [
  { name: 'reply length', top: ({ replyChars }) => replyChars, bottom: () => 1 },
  // Received audio per character sent to TTS: cached pieces, and early pieces that nobody heard, are in neither.
  { name: 'audio a character', top: ({ replyAudioMs }) => replyAudioMs, bottom: ({ characters }) => characters },
];

/** Shares of words. */
const WORDS: readonly { name: string; more(pair: TurnPair): number | undefined }[] = [
  { name: 'transcript change', more: ({ b }) => b.transcriptChange },
  {
    name: 'transcript errors',
    more: ({ a, b }) =>
      a.transcriptErrorShare === undefined || b.transcriptErrorShare === undefined
        ? undefined
        : b.transcriptErrorShare - a.transcriptErrorShare,
  },
];

/** Each guard that has figures. The arguments are those of `guardsOf`. */
export function meanGuards(
  pairs: readonly TurnPair[],
  marginMs: number,
  level: number,
  isCachedAlike: boolean,
): Tested[] {
  return [
    firstContent(pairs, marginMs, level),
    ...RATIOS.map(({ name, top, bottom }) => equalWork(name, pairs, { top, bottom }, level)),
    isCachedAlike ? cachedPrompt(pairs, level) : undefined,
    ...WORDS.map(({ name, more }) => moreWords(name, pairs, more, level)),
  ].filter((guard) => guard !== undefined);
}

function firstContent(pairs: readonly TurnPair[], marginMs: number, level: number): Tested | undefined {
  const us: Figure = ({ firstContentAudibleUs }) => firstContentAudibleUs;
  const about = { name: 'first content audible', unit: 'ms' } as const;
  const { known, lacking } = knownIn(pairs, (turn) => isQuantity(us(turn)) && us(turn) !== 0);
  if (known.length === 0)
    return lacking === undefined ? undefined : { ...about, ...UNKNOWN, margin: marginMs, lacking };
  const later = intervalOver(known, ({ a, b }) => ((us(b) ?? 0) - (us(a) ?? 0)) / 1000);
  // what first audible is later by is the verdict's own matter
  const allMs = intervalOver(known, ({ a, b }) => ((b.e2eUs ?? 0) - (a.e2eUs ?? 0)) / 1000).mean;
  const margin = marginMs + Math.max(0, allMs);
  const high = boundOf(later, 1 - level);
  return {
    ...about,
    value: later.mean,
    low: boundOf(later, level),
    high,
    margin,
    detail: `${signed(later.mean)} ms`,
    limit: high === undefined ? TOO_FEW : `up to ${signed(high)} ms`,
    lacking,
    p: pAbove(later, margin),
  };
}

/**
 * The ratio B/A − 1 of two sums' quotients, with the variance of its linear part (Taylor series; Cochran, Sampling Techniques, 1977, §6.3):
 * the mean over pairs of what each adds to the ratio.
 */
function equalWork(
  name: string,
  pairs: readonly TurnPair[],
  { top, bottom }: { top: Figure; bottom: Figure },
  level: number,
): Tested | undefined {
  const about = { name, unit: 'share', margin: EQUAL_WORK_MARGIN, isTwoSided: true } as const;
  const { known, lacking } = knownIn(pairs, (turn) => isQuantity(top(turn)) && isQuantity(bottom(turn)));
  if (known.length === 0) return lacking === undefined ? undefined : { ...about, ...UNKNOWN, lacking };
  const lane = (side: 'a' | 'b'): { quotient: number; residual(pair: TurnPair): number } => {
    const meanOf = (figure: Figure): number => intervalOver(known, (pair) => figure(pair[side]) ?? 0).mean;
    const [tops, bottoms] = [meanOf(top), meanOf(bottom)];
    const quotient = tops / bottoms;
    return {
      quotient,
      residual: (pair) => ((top(pair[side]) ?? 0) - quotient * (bottom(pair[side]) ?? 0)) / bottoms,
    };
  };
  const [a, b] = [lane('a'), lane('b')];
  const ratio = b.quotient / a.quotient;
  if (!Number.isFinite(ratio)) return undefined;
  const change = intervalOver(known, (pair) => ratio - 1 + (b.residual(pair) - ratio * a.residual(pair)) / a.quotient);
  const [low, high] = [boundOf(change, level), boundOf(change, 1 - level)];
  return {
    ...about,
    value: ratio - 1,
    low,
    high,
    detail: `${signed((ratio - 1) * 100)} %`,
    limit: low === undefined || high === undefined ? TOO_FEW : `${signed(low * 100)} to ${signed(high * 100)} %`,
    lacking,
    p: pBeyond(change, EQUAL_WORK_MARGIN),
  };
}

/** A provider that had more of one lane's prompts cached answered that lane sooner, whatever B changes. */
function cachedPrompt(pairs: readonly TurnPair[], level: number): Tested | undefined {
  const share: Figure = ({ cachedPromptShare }) => cachedPromptShare;
  const about = { name: 'cached prompt', unit: 'share', margin: CACHED_MARGIN, isTwoSided: true } as const;
  const { known, lacking } = knownIn(pairs, (turn) => isQuantity(share(turn)));
  if (known.length === 0) return lacking === undefined ? undefined : { ...about, ...UNKNOWN, lacking };
  const change = intervalOver(known, ({ a, b }) => (share(b) ?? 0) - (share(a) ?? 0));
  const [low, high] = [boundOf(change, level), boundOf(change, 1 - level)];
  return {
    ...about,
    value: change.mean,
    low,
    high,
    detail: `${signed(change.mean * 100)} points of the prompts' tokens`,
    limit: low === undefined || high === undefined ? TOO_FEW : `${signed(low * 100)} to ${signed(high * 100)} points`,
    lacking,
    p: pBeyond(change, CACHED_MARGIN),
  };
}

function moreWords(
  name: string,
  pairs: readonly TurnPair[],
  more: (pair: TurnPair) => number | undefined,
  level: number,
): Tested | undefined {
  const known = pairs.filter((pair) => Number.isFinite(more(pair)));
  if (known.length === 0) return undefined;
  const change = intervalOver(known, (pair) => more(pair) ?? 0);
  const high = boundOf(change, 1 - level);
  const changed = known.filter((pair) => (more(pair) ?? 0) > 0);
  return {
    name,
    unit: 'share',
    value: change.mean,
    low: boundOf(change, level),
    high,
    margin: TRANSCRIPT_MARGIN,
    detail: `${signed(change.mean * 100)} points of the words, in ${turnsIn(changed)} of ${turnsIn(known)} turns`,
    limit: high === undefined ? TOO_FEW : `up to ${signed(high * 100)} points`,
    p: pAbove(change, TRANSCRIPT_MARGIN),
  };
}

const TOO_FEW = 'too few turns to rule anything out';
export const UNKNOWN = { value: 0, detail: 'not measured in both lanes', p: 1 };

export const isQuantity = (value: number | undefined): boolean =>
  value !== undefined && Number.isFinite(value) && value >= 0;

/** Of turns that have a figure in one lane alone, so many are no matter. */
const LACKING_SHARE = 0.1;

/** Pairs in which both lanes have a figure, and how many of those that have it in any lane. */
export function knownIn(
  pairs: readonly TurnPair[],
  has: (turn: TurnSummary) => boolean,
): { known: TurnPair[]; lacking?: string } {
  const known = pairsWhere(pairs, has);
  const any = pairs.filter(({ a, b }) => has(a) || has(b)).length;
  const isLacking = any - known.length > LACKING_SHARE * any;
  return { known, lacking: isLacking ? `known in both lanes in ${known.length} of ${any} turns` : undefined };
}
