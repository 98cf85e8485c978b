/** Two lanes of turns → a verdict, and a row per stage and phase whose means add up. Pure. */
import { InvariantError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';
import { alignTurns, bySession, intervalOver, type Dropped, type TurnPair } from './align.ts';
import { guardsOf, type Guard } from './guards.ts';
import { withHolm } from './holm-rows.ts';
import { ledgerKeys, ledgerUs } from './ledger-rows.ts';
import { percentileOf, type Percentile } from './percentiles.ts';
import { hodgesLehmann, mean, P95_TURNS, sum } from './stats.ts';
import { median, quantile } from '../../service/base/quantile.ts';

export const VERDICTS = ['faster', 'slower', 'same', 'inconclusive'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The metrics by which a variant can be judged. */
export const PRIMARY_METRICS = ['first-audible', 'first-content-audible', 'reply-end'] as const;
export type PrimaryMetric = (typeof PRIMARY_METRICS)[number];

/** Rows of a report beside those of the ledger's stages. */
export const WHOLE_TURN_ROWS = ['end to end', 'first content audible', 'reply end'] as const;

/** One compared figure. Intervals are 95 %; they are absent with fewer than two independent units. */
export interface DiffRow {
  stage: LedgerStage | (typeof WHOLE_TURN_ROWS)[number];
  phase?: Phase;
  aMs: number;
  bMs: number;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
  shiftPct?: number;
  lowPct?: number;
  highPct?: number;
  /** p-value of the difference, adjusted for reading all stage and phase rows together. Paired rows of `stages` have one. */
  pHolm?: number;
  n: number;
}

export interface Diff {
  verdict: Verdict;
  /** Why the verdict is what it is, in words. */
  reasons: readonly string[];
  primary: DiffRow;
  /** The primary metric may be another one. */
  endToEnd: DiffRow;
  /** Totals of stages (no phase) and phases, in the order of the pipeline. Phase rows add up to `endToEnd`. */
  stages: readonly DiffRow[];
  marginMs: number;
  /** By how much two identical arms differed: no smaller difference is claimed. Absent without a baseline2 lane. */
  noiseFloorMs?: number;
  p95?: { aMs: number; bMs: number; deltaMs: number };
  /** The median of end to end and, where n allows, the 95th percentile, with their parts. */
  percentiles: readonly Percentile[];
  guards: readonly Guard[];
  pairs: number;
  sessions: number;
  /** A and B share no turn. */
  observational?: true;
  /** False with one conversation only: the interval is then over turns. */
  generalizes: boolean;
  dropped: readonly Dropped[];
}

const MARGIN_MS = 30;
const MARGIN_SHARE = 0.03;

/** Smaller differences do not matter: max(30 ms, 3 % of A's median). */
export function marginMsOf(aMs: readonly number[]): number {
  return Math.max(MARGIN_MS, MARGIN_SHARE * median(aMs));
}

type Figure = (turn: TurnSummary) => number | undefined;

export const PRIMARY_FIGURES: Readonly<Record<PrimaryMetric, { stage: DiffRow['stage']; us: Figure }>> = {
  'first-audible': { stage: 'end to end', us: (turn) => turn.e2eUs },
  'first-content-audible': { stage: 'first content audible', us: (turn) => turn.firstContentAudibleUs },
  'reply-end': { stage: 'reply end', us: (turn) => turn.replyEndUs },
};

/** Compares lane B with lane A. `a2` is A run once more. Undefined when no turn was measured in both. */
export function diffLanes(
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  options: { primary?: PrimaryMetric; a2?: readonly TurnSummary[] } = {},
): Diff | undefined {
  const { stage, us } = PRIMARY_FIGURES[options.primary ?? 'first-audible'];
  const alignment = alignTurns(a, b);
  const { pairs } = alignment;
  const primary = row({ stage }, pairs, us);
  const endToEnd = row({ stage: 'end to end' }, pairs, (turn) => turn.e2eUs);
  if (primary === undefined || endToEnd === undefined) return undefined;
  const judged = pairsWith(pairs, us);
  const noiseFloorMs = options.a2 === undefined ? undefined : noiseFloor(alignTurns(a, options.a2).pairs, us);
  const marginMs = marginMsOf(millisecondsOf(judged, 'a', us));
  const guards = guardsOf(alignment);
  const { verdict, reasons } = judge(primary, { marginMs, noiseFloorMs, guards });
  const sessions = bySession(pairs).length;
  return {
    verdict,
    reasons,
    primary,
    endToEnd,
    stages: stageRows(pairs),
    marginMs,
    noiseFloorMs,
    p95: judged.length < P95_TURNS ? undefined : p95Of(judged, us),
    percentiles: percentilesOf(pairs),
    guards,
    pairs: pairs.length,
    sessions,
    generalizes: bySession(judged).length > 1,
    dropped: alignment.dropped,
  };
}

/** docs/reading-a-report.md#exit-codes lists all codes. */
export function verdictExitCode(verdict: Verdict): number {
  return { faster: 0, same: 0, slower: 1, inconclusive: 3 }[verdict];
}

/** The verdict of several candidates together: the worst one. */
export function verdictOfAll(verdicts: readonly Verdict[]): Verdict {
  const worstFirst = ['slower', 'inconclusive', 'same', 'faster'] as const;
  return worstFirst.find((each) => verdicts.includes(each)) ?? 'inconclusive';
}

/**
 * The verdict. `same`: the interval lies inside ± margin. `slower`, `faster`: the interval excludes 0, and the estimate is beyond
 * margin and noise floor. `faster` also needs every guard to hold. Every other result is `inconclusive`.
 */
export function judge(
  { deltaMs, lowMs, highMs }: DiffRow,
  { marginMs, noiseFloorMs = 0, guards }: Pick<Diff, 'marginMs' | 'noiseFloorMs' | 'guards'>,
): { verdict: Verdict; reasons: string[] } {
  const inconclusive = (...reasons: string[]): ReturnType<typeof judge> => ({ verdict: 'inconclusive', reasons });
  if (lowMs === undefined || highMs === undefined) return inconclusive('one turn has no interval: replay more turns');
  if (lowMs > -marginMs && highMs < marginMs)
    return { verdict: 'same', reasons: ['the interval lies inside the margin'] };
  if (lowMs <= 0 && highMs >= 0) return inconclusive('the interval includes 0 and reaches beyond the margin');
  if (Math.abs(deltaMs) <= marginMs)
    return inconclusive('the estimate is inside the margin, but the interval reaches beyond');
  if (Math.abs(deltaMs) <= noiseFloorMs)
    return inconclusive('two identical arms differ as much: the estimate is below the noise floor');
  if (deltaMs > 0)
    return { verdict: 'slower', reasons: ['the interval excludes 0, and the estimate is beyond the margin'] };
  const broken = guards.filter((guard) => !guard.holds);
  if (broken.length > 0) return inconclusive(...broken.map(({ name, detail }) => `${name}: ${detail}`));
  return {
    verdict: 'faster',
    reasons: ['the interval excludes 0, the estimate is beyond the margin, and all guards hold'],
  };
}

function row(about: Pick<DiffRow, 'stage' | 'phase'>, pairs: readonly TurnPair[], us: Figure): DiffRow | undefined {
  const measured = pairsWith(pairs, us);
  if (measured.length === 0) return undefined;
  const ms = (turn: TurnSummary): number => (us(turn) ?? 0) / 1000;
  const [aMs, bMs] = [mean(measured.map(({ a }) => ms(a))), mean(measured.map(({ b }) => ms(b)))];
  const delta = intervalOver(measured, ({ a, b }) => ms(b) - ms(a));
  const positive = measured.filter(({ a, b }) => ms(a) > 0 && ms(b) > 0);
  const logs = ({ a, b }: TurnPair): number => Math.log(ms(b) / ms(a));
  const shift = positive.length === measured.length ? intervalOver(positive, logs) : undefined;
  const percent = (log: number | undefined): number | undefined =>
    log === undefined ? undefined : (Math.exp(log) - 1) * 100;
  return {
    ...about,
    aMs,
    bMs,
    deltaMs: delta.mean,
    lowMs: delta.low,
    highMs: delta.high,
    shiftPct: shift === undefined ? undefined : percent(hodgesLehmann(positive.map(logs))),
    lowPct: percent(shift?.low),
    highPct: percent(shift?.high),
    n: measured.length,
  };
}

/** Pairs in which both turns have the figure: absent is not 0. */
function pairsWith(pairs: readonly TurnPair[], us: Figure): TurnPair[] {
  return pairs.filter(({ a, b }) => us(a) !== undefined && us(b) !== undefined);
}

function stageRows(pairs: readonly TurnPair[]): DiffRow[] {
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
      const sumMs = sum(kept.map((each) => (lane === 'a' ? each.aMs : each.bMs)));
      if (Math.abs(sumMs - e2eMs) > 1e-9 * Math.max(1, e2eMs)) {
        throw new InvariantError(`the ${what} of lane ${lane} add up to ${sumMs} ms, end to end is ${e2eMs} ms`);
      }
    }
  }
}

function millisecondsOf(pairs: readonly TurnPair[], lane: 'a' | 'b', us: Figure): number[] {
  return pairs.map((pair) => (us(pair[lane]) ?? 0) / 1000);
}

function noiseFloor(pairs: readonly TurnPair[], us: Figure): number | undefined {
  const noise = row({ stage: 'end to end' }, pairs, us);
  if (noise === undefined) return undefined;
  return Math.max(Math.abs(noise.lowMs ?? noise.deltaMs), Math.abs(noise.highMs ?? noise.deltaMs));
}

function percentilesOf(pairs: readonly TurnPair[]): Percentile[] {
  const [a, b] = [pairs.map((pair) => pair.a), pairs.map((pair) => pair.b)];
  const quantiles = pairs.length < P95_TURNS ? [0.5] : [0.5, 0.95];
  return quantiles.map((q) => percentileOf(a, b, q)).filter((each) => each !== undefined);
}

function p95Of(pairs: readonly TurnPair[], us: Figure): NonNullable<Diff['p95']> {
  const aMs = quantile(millisecondsOf(pairs, 'a', us), 0.95);
  const bMs = quantile(millisecondsOf(pairs, 'b', us), 0.95);
  return { aMs, bMs, deltaMs: bMs - aMs };
}
