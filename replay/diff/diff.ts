/** Two lanes of turns → a verdict, and a row per stage and phase whose means add up. Pure. */
import { InvariantError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';
import { alignTurns, bySession, intervalOver, type Dropped, type TurnPair } from './align.ts';
import { guardsOf, type Guard } from './guards.ts';
import { withHolm } from './holm-rows.ts';
import { ledgerKeys, ledgerUs } from './ledger-rows.ts';
import { percentileOf, type Percentile } from './percentiles.ts';
import { hodgesLehmann, mean } from './stats.ts';
import { median, quantile } from '../../service/base/quantile.ts';

export type Verdict = 'faster' | 'slower' | 'same' | 'inconclusive';
export type PrimaryMetric = 'first-audible' | 'first-content-audible' | 'reply-end';

/** One compared figure; intervals are 95 %. Absent bounds: fewer than two independent units. */
export interface DiffRow {
  stage: LedgerStage | 'end to end' | 'first content audible' | 'reply end';
  phase?: Phase;
  aMs: number;
  bMs: number;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
  shiftPct?: number;
  lowPct?: number;
  highPct?: number;
  /** p-value of the difference, adjusted for reading all stage and phase rows together; paired rows of `stages` only. */
  pHolm?: number;
  n: number;
}

export interface Diff {
  verdict: Verdict;
  /** Why the verdict is not better than it is, or what decided it. */
  reasons: readonly string[];
  primary: DiffRow;
  /** What the rows of `stages` add up to. The primary metric may be another one. */
  endToEnd: DiffRow;
  /** Stages' totals (no phase) and phases, in the order of the pipeline. Phase rows add up to end to end. */
  stages: readonly DiffRow[];
  marginMs: number;
  /** What two identical arms differed by: nothing below it is claimed. Absent without a baseline2 lane. */
  noiseFloorMs?: number;
  p95?: { aMs: number; bMs: number; deltaMs: number };
  /** The median of end to end, and its 95th percentile where n allows, with the parts that they are made of. */
  percentiles: readonly Percentile[];
  guards: readonly Guard[];
  pairs: number;
  sessions: number;
  /** Set where A and B share no turn. */
  observational?: true;
  /** False with one conversation only: the interval is over its turns. */
  generalizes: boolean;
  dropped: readonly Dropped[];
}

/** A difference of p95s needs this many turns: the smallest n with a finite two-sided 95 % bound (0.95ⁿ ≤ 0.025). */
const P95_TURNS = 72;
const MARGIN_MS = 30;
const MARGIN_SHARE = 0.03;

/** Differences inside of it do not matter: max(30 ms, 3 % of A's median). */
export function marginMsOf(aMs: readonly number[]): number {
  return Math.max(MARGIN_MS, MARGIN_SHARE * median(aMs));
}

/** What each primary metric is. */
export const PRIMARY_METRICS: Readonly<
  Record<PrimaryMetric, { stage: DiffRow['stage']; us: (turn: TurnSummary) => number | undefined }>
> = {
  'first-audible': { stage: 'end to end', us: (turn) => turn.e2eUs },
  'first-content-audible': { stage: 'first content audible', us: (turn) => turn.firstContentAudibleUs },
  'reply-end': { stage: 'reply end', us: (turn) => turn.replyEndUs },
};

/** Compares lane B with lane A; `a2` is A run once more. Undefined when no turn was measured in both. */
export function diffLanes(
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  options: { primary?: PrimaryMetric; a2?: readonly TurnSummary[] } = {},
): Diff | undefined {
  const { stage, us } = PRIMARY_METRICS[options.primary ?? 'first-audible'];
  const alignment = alignTurns(a, b);
  const { pairs } = alignment;
  const primary = row({ stage }, pairs, us);
  const endToEnd = row({ stage: 'end to end' }, pairs, (turn) => turn.e2eUs);
  if (primary === undefined || endToEnd === undefined) return undefined;
  const judged = measuredPairs(pairs, us);
  const noiseFloorMs = options.a2 === undefined ? undefined : noiseFloor(alignTurns(a, options.a2).pairs, us);
  const marginMs = marginMsOf(millisecondsOf(judged, 'a', us));
  const guards = guardsOf(alignment);
  const { verdict, reasons } = judge(primary, marginMs, noiseFloorMs ?? 0, guards);
  const sessions = bySession(pairs).length;
  return {
    verdict,
    reasons,
    primary,
    endToEnd,
    stages: ledgerRows(pairs),
    marginMs,
    ...(noiseFloorMs === undefined ? {} : { noiseFloorMs }),
    ...(judged.length < P95_TURNS ? {} : { p95: p95Of(judged, us) }),
    percentiles: percentilesOf(pairs),
    guards,
    pairs: pairs.length,
    sessions,
    generalizes: bySession(judged).length > 1,
    dropped: alignment.dropped,
  };
}

/** Exit code of a verdict: 0 faster or same, 1 slower, 3 inconclusive. */
export function exitCodeOf(verdict: Verdict): number {
  return { faster: 0, same: 0, slower: 1, inconclusive: 3 }[verdict];
}

/** What several candidates come to: slower if any is, else inconclusive if any is, else a pass. Their order says nothing. */
export function verdictOfAll(verdicts: readonly Verdict[]): Verdict {
  const worstFirst = ['slower', 'inconclusive', 'same', 'faster'] as const;
  return worstFirst.find((each) => verdicts.includes(each)) ?? 'inconclusive';
}

/**
 * The verdict. `same` needs the interval inside ± margin; `slower` and `faster` need an interval without 0 and an estimate beyond
 * margin and noise floor; `faster` also needs every guard to hold. Everything else is `inconclusive`.
 */
export function judge(
  { deltaMs, lowMs, highMs }: DiffRow,
  marginMs: number,
  noiseFloorMs: number,
  guards: readonly Guard[],
): { verdict: Verdict; reasons: string[] } {
  if (lowMs === undefined || highMs === undefined) {
    return { verdict: 'inconclusive', reasons: ['one turn has no interval: replay more turns'] };
  }
  if (lowMs > -marginMs && highMs < marginMs)
    return { verdict: 'same', reasons: ['the interval lies inside the margin'] };
  const clear = (lowMs > 0 || highMs < 0) && Math.abs(deltaMs) > marginMs;
  if (!clear)
    return { verdict: 'inconclusive', reasons: ['the interval reaches beyond the margin and does not settle a side'] };
  if (Math.abs(deltaMs) <= noiseFloorMs) {
    return { verdict: 'inconclusive', reasons: ['identical arms differ as much: below the noise floor'] };
  }
  if (deltaMs > 0)
    return { verdict: 'slower', reasons: ['the interval excludes 0 and the estimate is beyond the margin'] };
  const broken = guards.filter((guard) => !guard.holds);
  if (broken.length > 0)
    return { verdict: 'inconclusive', reasons: broken.map(({ name, detail }) => `${name}: ${detail}`) };
  return {
    verdict: 'faster',
    reasons: ['the interval excludes 0, the estimate is beyond the margin, and all guards hold'],
  };
}

function row(
  about: Pick<DiffRow, 'stage' | 'phase'>,
  pairs: readonly TurnPair[],
  us: (turn: TurnSummary) => number | undefined,
): DiffRow | undefined {
  const measured = measuredPairs(pairs, us);
  if (measured.length === 0) return undefined;
  const ms = (turn: TurnSummary): number => (us(turn) ?? 0) / 1000;
  const [aMs, bMs] = [mean(measured.map(({ a }) => ms(a))), mean(measured.map(({ b }) => ms(b)))];
  const delta = intervalOver(measured, ({ a, b }) => ms(b) - ms(a));
  const positive = measured.filter(({ a, b }) => ms(a) > 0 && ms(b) > 0);
  const logs = ({ a, b }: TurnPair): number => Math.log(ms(b) / ms(a));
  const shift = positive.length === measured.length ? intervalOver(positive, logs) : undefined;
  const percent = (log: number): number => (Math.exp(log) - 1) * 100;
  return {
    ...about,
    aMs,
    bMs,
    deltaMs: delta.mean,
    ...(delta.low === undefined || delta.high === undefined ? {} : { lowMs: delta.low, highMs: delta.high }),
    ...(shift === undefined ? {} : { shiftPct: percent(hodgesLehmann(positive.map(logs))) }),
    ...(shift?.low === undefined || shift.high === undefined
      ? {}
      : { lowPct: percent(shift.low), highPct: percent(shift.high) }),
    n: measured.length,
  };
}

/** Pairs in which both turns have the figure: absent is not 0. */
function measuredPairs(pairs: readonly TurnPair[], us: (turn: TurnSummary) => number | undefined): TurnPair[] {
  return pairs.filter(({ a, b }) => us(a) !== undefined && us(b) !== undefined);
}

function ledgerRows(pairs: readonly TurnPair[]): DiffRow[] {
  const keys = ledgerKeys(pairs.flatMap(({ a, b }) => [a, b]));
  const rows = keys.map((key) => row(key, pairs, (turn) => ledgerUs(turn, key))).filter((each) => each !== undefined);
  checkSums(rows, pairs);
  const sessions = bySession(pairs).length;
  return withHolm(rows, (sessions > 1 ? sessions : pairs.length) - 1);
}

/** A report whose rows do not add up is an error, not a warning. */
function checkSums(rows: readonly DiffRow[], pairs: readonly TurnPair[]): void {
  for (const lane of ['a', 'b'] as const) {
    const e2eMs = mean(pairs.map((pair) => (pair[lane].e2eUs ?? 0) / 1000));
    for (const [what, kept] of [
      ['stages', rows.filter(({ phase }) => phase === undefined)],
      ['phases', rows.filter(({ phase }) => phase !== undefined)],
    ] as const) {
      const sumMs = kept.reduce((sum, each) => sum + (lane === 'a' ? each.aMs : each.bMs), 0);
      if (Math.abs(sumMs - e2eMs) > 1e-9 * Math.max(1, e2eMs)) {
        throw new InvariantError(`the ${what} of lane ${lane} add up to ${sumMs} ms, end to end is ${e2eMs} ms`);
      }
    }
  }
}

function millisecondsOf(
  pairs: readonly TurnPair[],
  lane: 'a' | 'b',
  us: (turn: TurnSummary) => number | undefined,
): number[] {
  return pairs.map((pair) => (us(pair[lane]) ?? 0) / 1000);
}

function noiseFloor(pairs: readonly TurnPair[], us: (turn: TurnSummary) => number | undefined): number | undefined {
  const noise = row({ stage: 'end to end' }, pairs, us);
  if (noise === undefined) return undefined;
  return Math.max(Math.abs(noise.lowMs ?? noise.deltaMs), Math.abs(noise.highMs ?? noise.deltaMs));
}

function percentilesOf(pairs: readonly TurnPair[]): Percentile[] {
  const [a, b] = [pairs.map((pair) => pair.a), pairs.map((pair) => pair.b)];
  const quantiles = pairs.length < P95_TURNS ? [0.5] : [0.5, 0.95];
  return quantiles.map((q) => percentileOf(a, b, q)).filter((each) => each !== undefined);
}

function p95Of(pairs: readonly TurnPair[], us: (turn: TurnSummary) => number | undefined): NonNullable<Diff['p95']> {
  const aMs = quantile(millisecondsOf(pairs, 'a', us), 0.95);
  const bMs = quantile(millisecondsOf(pairs, 'b', us), 0.95);
  return { aMs, bMs, deltaMs: bMs - aMs };
}
