/** Guards: harm that a faster lane must not have done. Each is broken, open or holds. Pure. */
import { studentCdf, studentQuantile } from '../statistics/distributions.ts';
import { holm, LEVEL, type Interval } from '../statistics/estimates.ts';
import { pairedProportions, type Outcome } from '../statistics/paired-proportions.ts';
import { signed } from '../statistics/rounding.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Figure } from './diff-rows.ts';
import { bySession, intervalOver, pairsWhere, type Alignment, type TurnPair } from './align.ts';

/** Broken: harm beyond the margin is shown. Holds: harm beyond the margin is ruled out. Open: neither. */
export const GUARD_STATES = ['broken', 'open', 'holds'] as const;
export const GUARD_UNITS = ['ms', 'share'] as const;

export interface Guard {
  name: string;
  state: (typeof GUARD_STATES)[number];
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
  /** Of an open guard: the harm that is not ruled out, in words. */
  limit?: string;
}

/** Two points. */
const YES_NO_MARGIN = 0.02;
/** Two lanes did other work where reply length or audio a character differ by more. */
const EQUAL_WORK_MARGIN = 0.1;
/** Share of words. */
const TRANSCRIPT_MARGIN = 0.05;
/** Nobody hears a shorter stall. */
const STALL_US = 50_000;

/** A guard before the family is tested together. `limit` is that of an open guard. */
interface Tested extends Omit<Guard, 'state'> {
  /** One-sided p-value of "no more harm than the margin". */
  p: number;
  /** Too many turns have the figure in one lane alone: harm there would not show, so that the guard cannot hold. */
  lacking?: string;
}

/**
 * A guard that no pair has figures for is absent. `marginMs` is that of the verdict; first content may be later by it and by what first audible is
 * later. `level`: the chance that any guard of the comparison breaks without harm beyond its margin, and that the bound of one lies on the wrong side.
 */
export function guardsOf({ pairs, both }: Pick<Alignment, 'pairs' | 'both'>, marginMs: number, level = LEVEL): Guard[] {
  const tested = [
    ...YES_NO.map(({ name, of, isHarmed }) => yesNo(name, of === 'both' ? both : pairs, isHarmed, level)),
    firstContent(pairs, marginMs, level),
    ...RATIOS.map(({ name, top, bottom }) => equalWork(name, pairs, { top, bottom }, level)),
    ...SHARES.map(({ name, more }) => moreWords(name, pairs, more, level)),
  ].filter((guard) => guard !== undefined);
  const adjusted = holm(tested.map(({ p }) => p));
  return tested.map(({ p: _, limit, lacking, ...guard }, index) => {
    const isHeld = lacking === undefined && isRuledOut(guard);
    const state = (adjusted[index] ?? 1) < level ? 'broken' : isHeld ? 'holds' : 'open';
    return { ...guard, state, limit: state === 'open' ? (lacking ?? limit) : undefined };
  });
}

function isRuledOut({ name, low, high, margin }: Omit<Guard, 'state'>): boolean {
  if (high === undefined || high > margin) return false;
  return !TWO_SIDED.has(name) || (low !== undefined && low >= -margin);
}

/** Harm that a turn has or has not. Failures and cut-off users are harm in turns that were not measured too. */
const YES_NO: readonly { name: string; of: 'both' | 'pairs'; isHarmed(turn: TurnSummary): boolean }[] = [
  { name: 'failed turns', of: 'both', isHarmed: ({ failure }) => failure !== undefined },
  { name: 'premature ends', of: 'both', isHarmed: ({ premature }) => premature },
  { name: 'refusals', of: 'pairs', isHarmed: ({ refused }) => refused === true },
  { name: 'stalls of 50 ms or more', of: 'pairs', isHarmed: ({ stallUs = 0 }) => stallUs >= STALL_US },
];

/** Work that must be equal, within the margin in both directions: the ratio B/A of `top` over `bottom`. */
const RATIOS: readonly { name: string; top: Figure; bottom: Figure }[] = [
  { name: 'reply length', top: ({ replyChars }) => replyChars, bottom: () => 1 },
  // Received audio per character sent to TTS: cached pieces, and early pieces that nobody heard, are in neither.
  { name: 'audio a character', top: ({ replyAudioMs }) => replyAudioMs, bottom: ({ characters }) => characters },
];
const TWO_SIDED: ReadonlySet<string> = new Set(RATIOS.map(({ name }) => name));

/** Shares of words. */
const SHARES: readonly { name: string; more(pair: TurnPair): number | undefined }[] = [
  { name: 'transcript change', more: ({ b }) => b.transcriptChange },
  {
    name: 'transcript errors',
    more: ({ a, b }) =>
      a.transcriptErrorShare === undefined || b.transcriptErrorShare === undefined
        ? undefined
        : b.transcriptErrorShare - a.transcriptErrorShare,
  },
];

function yesNo(
  name: string,
  pairs: readonly TurnPair[],
  isHarmed: (turn: TurnSummary) => boolean,
  level: number,
): Tested | undefined {
  if (pairs.length === 0) return undefined;
  const outcome = ({ a, b }: TurnPair): Outcome => (isHarmed(a) === isHarmed(b) ? 0 : isHarmed(b) ? 1 : -1);
  const { value, high, p } = pairedProportions(
    bySession(pairs).map((session) => session.map(outcome)),
    YES_NO_MARGIN,
    level,
  );
  const [worse, better] = [1, -1].map((wanted) => pairs.filter((pair) => outcome(pair) === wanted).length);
  const harmed = pairs.filter(({ b }) => isHarmed(b)).length;
  const detail = `${harmed} of ${pairs.length}, ${worse} more and ${better} fewer than A`;
  return {
    name,
    unit: 'share',
    value,
    high,
    margin: YES_NO_MARGIN,
    detail,
    limit: `up to ${Math.ceil(high * 100)} more in 100`,
    p,
  };
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
  const about = { name, unit: 'share' } as const;
  const { known, lacking } = knownIn(pairs, (turn) => isQuantity(top(turn)) && isQuantity(bottom(turn)));
  if (known.length === 0)
    return lacking === undefined ? undefined : { ...about, ...UNKNOWN, margin: EQUAL_WORK_MARGIN, lacking };
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
    margin: EQUAL_WORK_MARGIN,
    detail: `${signed((ratio - 1) * 100)} %`,
    limit: low === undefined || high === undefined ? TOO_FEW : `${signed(low * 100)} to ${signed(high * 100)} %`,
    lacking,
    p: Math.min(pAbove(change, EQUAL_WORK_MARGIN), pAbove(negated(change), EQUAL_WORK_MARGIN)),
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
  const changed = known.filter((pair) => (more(pair) ?? 0) > 0).length;
  return {
    name,
    unit: 'share',
    value: change.mean,
    low: boundOf(change, level),
    high,
    margin: TRANSCRIPT_MARGIN,
    detail: `${signed(change.mean * 100)} points of the words, in ${changed} of ${known.length} turns`,
    limit: high === undefined ? TOO_FEW : `up to ${signed(high * 100)} points`,
    p: pAbove(change, TRANSCRIPT_MARGIN),
  };
}

const TOO_FEW = 'too few turns to rule anything out';
const UNKNOWN = { value: 0, detail: 'not measured in both lanes', p: 1 };

const isQuantity = (value: number | undefined): boolean => value !== undefined && Number.isFinite(value) && value >= 0;

/** Of turns that have a figure in one lane alone, so many are no matter. */
const LACKING_SHARE = 0.1;

/** Pairs in which both lanes have a figure, and how many of those that have it in any lane. */
function knownIn(
  pairs: readonly TurnPair[],
  has: (turn: TurnSummary) => boolean,
): { known: TurnPair[]; lacking?: string } {
  const known = pairsWhere(pairs, has);
  const any = pairs.filter(({ a, b }) => has(a) || has(b)).length;
  const isLacking = any - known.length > LACKING_SHARE * any;
  return { known, lacking: isLacking ? `known in both lanes in ${known.length} of ${any} turns` : undefined };
}

function boundOf({ mean, error, degrees }: Interval, p: number): number | undefined {
  if (error === undefined || degrees === undefined) return undefined;
  return error === 0 ? mean : mean + studentQuantile(p, degrees) * error;
}

/** One-sided p-value of "the mean is at most `margin`". 1 without an interval: one turn shows nothing. */
function pAbove({ mean, error, degrees }: Interval, margin: number): number {
  if (error === undefined || degrees === undefined) return 1;
  if (error === 0) return mean > margin ? 0 : 1;
  return studentCdf((margin - mean) / error, degrees);
}

const negated = ({ mean, error, degrees }: Interval): Interval => ({ mean: -mean, error, degrees });
