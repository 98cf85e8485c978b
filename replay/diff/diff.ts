/** Two lanes of turns → a verdict, and a row per stage and phase. Pure. */
import { highest, median } from '../../service/base/quantile.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import {
  alignTurns,
  bySession,
  intervalOver,
  isMeasured,
  turnsIn,
  unusable,
  type Alignment,
  type Lost,
  type TurnPair,
} from './align.ts';
import { diffRow, differenceOf, msOf, pairsWith, stageRows, type DiffRow, type Figure } from './diff-rows.ts';
import { brokenFacts, readLagDoubt, meanReadLag, type ReadLag } from './facts.ts';
import { guardsOf, type Guard } from './guards.ts';
import { percentilesOf, p95Of, type P95, type Percentile } from './percentiles.ts';
import { modelUncertainty, withRefits, type ModelUncertainty, type Refit } from './refits.ts';
import { repetitionOf, repetitionDoubt, type Repetition } from './repetition.ts';
import { settleOf, type Settle } from './settle.ts';
import { LEVEL } from '../statistics/estimates.ts';
import { matchedBy, worstCaseOf, type Matched } from './unmatched.ts';
import { trendOf, type PositionOf, type Trend } from './trend.ts';
import { DEFAULT_BOUNDS, judge, type Bounds, type Evidence, type Judged, type Verdict } from './verdict.ts';

/** The metrics by which a variant can be judged. */
export const PRIMARY_METRICS = ['first-audible', 'first-content-audible', 'reply-end'] as const;
export type PrimaryMetric = (typeof PRIMARY_METRICS)[number];

export interface Diff {
  verdict: Verdict;
  /** Why the verdict is what it is, in words. */
  reasons: readonly string[];
  /** Absent where no turn was measured in both lanes. */
  primary?: DiffRow;
  /** The primary metric may be another one. */
  endToEnd?: DiffRow;
  /** Totals of stages (no phase) and phases, in the order of the pipeline. Phase rows add up to `endToEnd`. */
  stages: readonly DiffRow[];
  marginMs: number;
  /** A against A once more. Absent without a baseline2 lane, or where both lanes hold the same captured times. */
  repetition?: Repetition;
  /** Latency that changed while the turns ran, alike in both lanes: pairing removes it. */
  trend?: Trend;
  /** Beside end to end, which it is no part of. */
  readLag?: ReadLag;
  p95?: P95;
  /** The median of end to end and, where n allows, the 95th percentile, with their parts. */
  percentiles: readonly Percentile[];
  guards: readonly Guard[];
  matched: Matched;
  /** What would settle an open verdict. */
  settle?: Settle;
  /** Pairs of measured turns, repetitions included. */
  pairs: number;
  /** Distinct turns among them. */
  turns: number;
  sessions: number;
  /** Of the interval of the primary figure; absent where no refit was made. */
  model?: ModelUncertainty;
  /** A and B share no turn. */
  observational?: true;
  /** False with one conversation only: the interval is then over turns. */
  generalizes: boolean;
}

const MARGIN_MS = 30;
const MARGIN_SHARE = 0.03;

/** Smaller differences do not matter: max(30 ms, 3 % of A's median). */
export function marginMsOf(aMs: readonly number[]): number {
  return aMs.length === 0 ? MARGIN_MS : Math.max(MARGIN_MS, MARGIN_SHARE * median(aMs));
}

export const PRIMARY_FIGURES: Readonly<Record<PrimaryMetric, { stage: DiffRow['stage']; us: Figure }>> = {
  'first-audible': { stage: 'end to end', us: (turn) => turn.e2eUs },
  'first-content-audible': { stage: 'first content audible', us: (turn) => turn.firstContentAudibleUs },
  'reply-end': { stage: 'reply end', us: (turn) => turn.replyEndUs },
};

export interface DiffOptions {
  primary?: PrimaryMetric;
  /** A run once more. */
  a2?: readonly TurnSummary[];
  bounds?: Partial<Bounds>;
  /** The chance that an interval misses, and that a guard breaks without harm; by default 0.05. One look of several has less. */
  level?: number;
  /** Models that B's strategy allows to answer; absent where the strategy is not known. */
  allowedModels?: readonly string[];
  /** B changes nothing that decides what of a prompt a provider has cached: then the guard on it is tested (`cachedOtherwise`). */
  isCachedAlike?: boolean;
  simulated?: Evidence['simulated'];
  /** By which a trend over time is sought; absent in virtual time. */
  positionOf?: PositionOf;
  /** Further bounds of validity that are broken, a line each. */
  invalid?: readonly string[];
  /** A simulation's lanes under refits of its model. */
  refits?: readonly Refit[];
}

/** Compares lane B with lane A. Undefined when a lane has no usable turn, or the lanes share none: see `diffUnpaired`. */
export function diffLanes(
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  options: DiffOptions = {},
): Diff | undefined {
  const outcome = judgeLanes(a, b, options);
  if (outcome === undefined) return undefined;
  const { judged, evidence, alignment, pairsOfPrimary, us, repetition, trend } = outcome;
  const { pairs } = alignment;
  const { level = LEVEL } = options;
  const interval = intervalOver(pairsOfPrimary, differenceOf(us));
  return {
    ...judged,
    primary: outcome.primary,
    endToEnd: diffRow({ stage: 'end to end' }, pairs, (turn) => turn.e2eUs, level),
    stages: stageRows(pairs, level),
    marginMs: evidence.marginMs,
    repetition,
    trend,
    readLag: meanReadLag(pairsOfPrimary),
    p95: p95Of(pairsOfPrimary, us, level),
    percentiles: percentilesOf(pairs),
    guards: evidence.guards,
    matched: { share: evidence.matchedShare, lost: [...alignment.lost, ...outcome.lost] },
    settle: settleOf({ verdict: judged.verdict, evidence, interval, pairs: alignment.both }),
    pairs: pairs.length,
    turns: turnsIn(pairs),
    sessions: bySession(pairs).length,
    model: modelUncertainty(pairsOfPrimary, differenceOf(us)),
    generalizes: evidence.sessions !== 1,
  };
}

interface Outcome {
  judged: Judged;
  evidence: Evidence;
  alignment: Alignment;
  /** Measured pairs that have the primary figure. */
  pairsOfPrimary: readonly TurnPair[];
  primary?: DiffRow;
  us: Figure;
  /** Turns that lack the primary figure. */
  lost: readonly Lost[];
  repetition?: Repetition;
  trend?: Trend;
}

/** The verdict on B against A with all that it rests on, and no rows. Undefined as `diffLanes`. */
export function judgeLanes(
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  options: DiffOptions = {},
): Outcome | undefined {
  if (![a, b].every((lane) => lane.some((turn) => unusable(turn) === undefined))) return undefined;
  const aligned = alignTurns(a, b);
  const alignment = { ...aligned, pairs: withRefits(aligned.pairs, a, options.refits ?? []) };
  const { pairs, both } = alignment;
  if (both.length === 0) return undefined;
  const { level = LEVEL } = options;
  const { stage, us } = PRIMARY_FIGURES[options.primary ?? 'first-audible'];
  const primary = diffRow({ stage }, pairs, us, level);
  const judgedPairs = pairsWith(pairs, us);
  const marginMs = marginMsOf(
    judgedPairs.length > 0
      ? judgedPairs.map((pair) => msOf(us, pair.a))
      : a.filter(isMeasured).map((turn) => msOf(us, turn)),
  );
  const repetition = options.a2 === undefined ? undefined : repetitionOf(alignTurns(a, options.a2).pairs, us);
  const { trend, doubts } =
    options.positionOf === undefined ? { doubts: [] } : trendOf(judgedPairs, us, options.positionOf, marginMs);
  const sessions = bySession(judgedPairs);
  const matched = matchedBy(alignment, us, { a: a.length, b: b.length });
  const evidence: Evidence = {
    effect: primary,
    marginMs,
    guards: guardsOf(options.primary === 'first-content-audible' ? withoutContent(alignment) : alignment, marginMs, {
      level,
      isCachedAlike: options.isCachedAlike,
      isModelled: options.simulated !== undefined && options.simulated.isCaptured !== true,
    }),
    matchedShare: matched.share,
    lacking: matched.share < alignment.matchedShare ? stage : undefined,
    sessions: sessions.length,
    largestShare: highest([0, ...sessions.map((session) => turnsIn(session))]) / Math.max(1, turnsIn(judgedPairs)),
    worstCase: worstCaseOf(alignment, us, level),
    invalid: [
      ...brokenFacts(pairs, options.allowedModels),
      ...repetitionDoubt(repetition, marginMs),
      ...doubts,
      ...readLagDoubt(meanReadLag(judgedPairs)),
      ...(options.invalid ?? []),
    ],
    observational: false,
    simulated: options.simulated,
    bounds: { ...DEFAULT_BOUNDS, ...options.bounds },
  };
  return {
    ...{ judged: judge(evidence), evidence, alignment, pairsOfPrimary: judgedPairs, primary, us },
    ...{ lost: matched.lost, repetition, trend },
  };
}

/** The guard on first content says nothing beside a verdict on first content. */
function withoutContent({ pairs, both }: Alignment): Pick<Alignment, 'pairs' | 'both'> {
  const without = (turn: TurnSummary): TurnSummary => ({ ...turn, firstContentAudibleUs: undefined });
  return { pairs: pairs.map(({ a, b }) => ({ a: without(a), b: without(b) })), both };
}
