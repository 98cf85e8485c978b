/** A report as one object. `report.json` is this object; the other formats are views of this object. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { World } from '../../service/base/events.ts';
import { strategyDiff, type Strategy } from '../../service/strategy/strategy.ts';
import { DRAWS, type Draws } from '../../sim/times/plan.ts';
import { alignTurns, type TurnPair } from '../diff/align.ts';
import { alignSpans, type SpanRow } from '../diff/align-spans.ts';
import { tracedTurnKey, type SpansByTurn } from '../traces/trace-tree.ts';
import { diffLanes, type Diff, type DiffOptions, type PrimaryMetric } from '../diff/diff.ts';
import { type DiffRow } from '../diff/diff-rows.ts';
import { allowedModelsIn, cachedFact, cachedOtherwise, readLateFact } from '../diff/facts.ts';
import { diffUnpaired } from '../diff/unpaired.ts';
import { verdictExitCode, type Verdict } from '../diff/verdict.ts';
import { mean } from '../statistics/estimates.ts';
import { median, quantile } from '../../service/base/quantile.ts';
import type { Percentile } from '../diff/percentiles.ts';
import type { TurnText } from '../traces/load.ts';
import type { Look } from '../diff/looks.ts';
import { targetRows, type TargetRow } from '../diff/targets.ts';

export const REPORT_FORMAT = 2;
/** What the figures rest on: `live` alone is measured, all other worlds predict. */
export const BASES = ['measured', 'predicted'] as const;
/** `as measured`: no stand-in drew anything. */
export const REPORTED_DRAWS = [...DRAWS, 'as measured'] as const;

export interface ReportArm {
  lane: string;
  variant: string;
  commit: string;
  strategyHash: string;
  strategy?: Strategy;
}

/** Captured against baseline: whether the world still behaves as it did. A warning, never a gate. */
export interface Drift {
  turns: number;
  deltaMs: number;
  medianErrorPct: number;
  p95ErrorPct: number;
}

export interface Report {
  format: typeof REPORT_FORMAT;
  basis: (typeof BASES)[number];
  world: World;
  verdict: Verdict;
  exitCode: number;
  reasons: readonly string[];
  /** Absent where no turn was measured in both lanes, as `endToEnd` is. */
  primary?: DiffRow;
  endToEnd?: DiffRow;
  stages: readonly DiffRow[];
  guards: Diff['guards'];
  matched: Diff['matched'];
  /** What would settle an open verdict, and the command that does it. */
  settle?: Diff['settle'] & { command?: string };
  turns: readonly TurnSummary[];
  /** Of each turn that both lanes ran, measured or not: the indexes of A's and B's in `turns`. */
  pairs: readonly (readonly [a: number, b: number])[];
  /** The median of end to end, and its 95th percentile where n allows, with their parts. */
  percentiles: readonly Percentile[];
  targets: readonly TargetRow[];
  /** The primary metric with both lanes on the captured words, beside a verdict on own words. Not judged. */
  sameWords?: DiffRow;
  /** What B asks of the world that the capture has not shown; simulated reports have it. */
  asks?: readonly string[];
  arms: { a: ReportArm; b: ReportArm };
  knobs: readonly { knob: string; a: unknown; b: unknown }[];
  validity: Pick<
    Diff,
    | 'marginMs'
    | 'repetition'
    | 'trend'
    | 'readLag'
    | 'p95'
    | 'pairs'
    | 'turns'
    | 'sessions'
    | 'model'
    | 'observational'
    | 'generalizes'
  > & {
    draws: (typeof REPORTED_DRAWS)[number];
    /** Of a run until decided: its last look, by whose level every interval of the report is a repeated one. */
    look?: Look;
    drift?: Drift;
    seed?: string;
    profile?: string;
    /** One line for each thing that a reader must know beside the figures. */
    notes?: readonly string[];
  };
  /** Spans of paired turns by path and ordinal. Unpaired spans are counted by side. */
  spans?: readonly SpanRow[];
  /** What was said, only when the user asked for text. */
  texts?: readonly ({ traceId: string; turnIndex: number } & TurnText)[];
  /** The command that repeats the run. */
  rerun?: string;
}

export interface ReportSide {
  arm: ReportArm;
  turns: readonly TurnSummary[];
  /** Spans of the turns, as far as known, by `tracedTurnKey`. */
  spans?: SpansByTurn;
}

export interface ReportInput {
  world: World;
  a: ReportSide;
  b: ReportSide;
  a2?: readonly TurnSummary[];
  /** By construction A2 has A's times: it shows no noise. */
  sameTimes?: boolean;
  /** Lanes that share no turn are compared by their means. */
  mayBeUnpaired?: boolean;
  captured?: readonly TurnSummary[];
  /** By `tracedTurnKey`. Only when the user asked for text. */
  texts?: ReadonlyMap<string, TurnText>;
  primary?: PrimaryMetric;
  sameWords?: DiffRow;
  draws?: Draws;
  seed?: string;
  profile?: string;
  /** Further bounds of validity that are broken: the verdict is then `inconclusive`. */
  invalid?: readonly string[];
  /** Of the report. */
  asks?: readonly string[];
  /** See `Evidence.simulated`. */
  simulated?: DiffOptions['simulated'];
  refits?: DiffOptions['refits'];
  bounds?: DiffOptions['bounds'];
  positionOf?: DiffOptions['positionOf'];
  /** Of a run until decided. */
  look?: Look;
  /** The command that replays so many sessions. */
  settleBy?(sessions: number): string;
  notes?: readonly string[];
  rerun?: string;
}

/** Undefined when a lane has no usable turn, or the lanes share none and may not be unpaired. */
export function buildReport(input: ReportInput): Report | undefined {
  const { a, b, world } = input;
  const all = [...(input.captured ?? []), ...a.turns, ...(input.a2 ?? []), ...b.turns];
  const { both } = alignTurns(a.turns, b.turns);
  const otherwise = cachedOtherwise(a.arm, b.arm);
  const facts = [cachedFact(both, otherwise), readLateFact('A', a.turns), readLateFact('B', b.turns)];
  const notes = [...(input.notes ?? []), ...facts.filter((each) => each !== undefined)];
  const isUnpaired = both.length === 0 && input.mayBeUnpaired === true;
  const diff = isUnpaired
    ? diffUnpaired(a.turns, b.turns)
    : diffLanes(a.turns, b.turns, {
        primary: input.primary,
        a2: input.sameTimes === true ? undefined : input.a2,
        bounds: input.bounds,
        refits: input.refits,
        level: input.look?.level,
        allowedModels: b.arm.strategy && allowedModelsIn(b.arm.strategy),
        isCachedAlike: otherwise === undefined,
        simulated: input.simulated,
        positionOf: input.positionOf,
        invalid: [...(input.invalid ?? []), ...lookDoubt(input.look)],
      });
  if (diff === undefined) return undefined;
  const { verdict, reasons, primary, endToEnd, stages, percentiles, guards, matched, settle, ...validity } = diff;
  const index = new Map(all.map((turn, at) => [turn, at]));
  return {
    format: REPORT_FORMAT,
    basis: world === 'live' ? 'measured' : 'predicted',
    world,
    verdict,
    exitCode: verdictExitCode(verdict),
    reasons,
    primary,
    endToEnd,
    stages,
    guards,
    matched,
    settle: settle && { ...settle, command: input.settleBy?.(settle.sessions) },
    turns: all,
    pairs: both.map((pair): [number, number] => [index.get(pair.a) ?? 0, index.get(pair.b) ?? 0]),
    percentiles,
    targets: targetRows(a.turns, b.turns).map((row) => (isOnlyPredicted(input) ? withoutMark(row) : row)),
    sameWords: input.sameWords,
    asks: input.asks?.length === 0 ? undefined : input.asks,
    arms: { a: a.arm, b: b.arm },
    knobs: strategyDiff(a.arm.strategy, b.arm.strategy).map(([knob, left, right]) => ({ knob, a: left, b: right })),
    validity: {
      ...validity,
      draws: input.draws ?? 'as measured',
      look: input.look,
      drift: input.captured === undefined ? undefined : driftOf(input.captured, a.turns),
      seed: input.seed,
      profile: input.profile,
      notes: notes.length === 0 ? undefined : notes,
    },
    spans: a.spans === undefined || b.spans === undefined ? undefined : alignSpans(both, a.spans, b.spans),
    texts: input.texts === undefined ? undefined : reportTexts(all, input.texts),
    rerun: input.rerun,
  };
}

/** Whether B asks of the world what the capture has not shown: nothing of B is then marked as good. */
export const isOnlyPredicted = ({ asks = [] }: Pick<Report, 'asks'>): boolean => asks.length > 0;

const withoutMark = (row: TargetRow): TargetRow => ({ ...row, b: row.b && { ...row.b, met: undefined } });

/** Only looks may decide. */
function lookDoubt(look: Look | undefined): string[] {
  return look?.looks === 0 ? [`the budget ended after ${look.sessions} sessions, before the first look`] : [];
}

/** The report with rows of spans, where its turns' spans are known and it has no rows yet. */
export function withSpanRows(report: Report, spans: { a: SpansByTurn; b: SpansByTurn } | undefined): Report {
  if (spans === undefined || report.spans !== undefined) return report;
  const rows = alignSpans(pairsIn(report), spans.a, spans.b);
  return rows.length === 0 ? report : { ...report, spans: rows };
}

/** The pairs as turns, in the report's order. */
export function pairsIn({ pairs, turns }: Pick<Report, 'pairs' | 'turns'>): TurnPair[] {
  return pairs.flatMap(([left, right]) => {
    const [a, b] = [turns[left], turns[right]];
    return a === undefined || b === undefined ? [] : [{ a, b }];
  });
}

function reportTexts(
  turns: readonly TurnSummary[],
  texts: ReadonlyMap<string, TurnText>,
): NonNullable<Report['texts']> {
  return turns.flatMap((turn) => {
    const text = texts.get(tracedTurnKey(turn));
    return text === undefined ? [] : [{ traceId: turn.traceId, turnIndex: turn.turnIndex, ...text }];
  });
}

function driftOf(captured: readonly TurnSummary[], baseline: readonly TurnSummary[]): Drift | undefined {
  const { pairs } = alignTurns(captured, baseline);
  if (pairs.length === 0) return undefined;
  const errors = pairs.map(({ a, b }) => (Math.abs((b.e2eUs ?? 0) - (a.e2eUs ?? 0)) / (a.e2eUs ?? 1)) * 100);
  const deltas = pairs.map(({ a, b }) => ((b.e2eUs ?? 0) - (a.e2eUs ?? 0)) / 1000);
  return {
    turns: pairs.length,
    deltaMs: mean(deltas),
    medianErrorPct: median(errors),
    p95ErrorPct: quantile(errors, 0.95),
  };
}
