/** Rows of a comparison: the whole turn, its stages and their phases, each with an interval. Means add up. Pure. */
import { InvariantError } from '../../service/base/errors.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { sum } from '../statistics/estimates.ts';
import { intervalOver, pairsWhere, refitsOf, turnsIn, type TurnPair } from './align.ts';
import { withHolm } from '../statistics/holm-rows.ts';
import { ledgerKeys, ledgerUs } from './ledger-rows.ts';

/** Rows of a report beside those of the ledger's stages. */
export const WHOLE_TURN_ROWS = ['end to end', 'first content audible', 'reply end'] as const;

/** One compared figure. Intervals are 95 %, and repeated ones in a run until decided; they are absent with fewer than two independent units. */
export interface DiffRow {
  stage: LedgerStage | (typeof WHOLE_TURN_ROWS)[number];
  phase?: Phase;
  aMs: number;
  bMs: number;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
  /** Δ in % of A's mean. Absent where A's mean is 0. */
  deltaPct?: number;
  /** The mean of ln(B/A) over turns as a relative change in %, with its own interval. Absent where a turn has 0 ms. */
  shiftPct?: number;
  lowPct?: number;
  highPct?: number;
  /** p-value of the difference, adjusted for reading all stage and phase rows together. Paired rows of `stages` have one. */
  pHolm?: number;
  /** Distinct turns. */
  n: number;
}

/** A time of a turn in µs; absent where it was not measured. */
export type Figure = (turn: TurnSummary) => number | undefined;

export const msOf = (us: Figure, turn: TurnSummary): number => (us(turn) ?? 0) / 1000;
export const differenceOf =
  (us: Figure) =>
  ({ a, b }: TurnPair): number =>
    msOf(us, b) - msOf(us, a);

/** Undefined where no pair has the figure. `level`: the chance that an interval of the row misses. */
export function diffRow(
  about: Pick<DiffRow, 'stage' | 'phase'>,
  pairs: readonly TurnPair[],
  us: Figure,
  level: number,
): DiffRow | undefined {
  return rowWithDegrees(about, pairs, us, level)?.row;
}

function rowWithDegrees(
  about: Pick<DiffRow, 'stage' | 'phase'>,
  pairs: readonly TurnPair[],
  us: Figure,
  level: number,
): { row: DiffRow; degrees: number } | undefined {
  const measured = pairsWith(pairs, us);
  if (measured.length === 0) return undefined;
  const over = (value: (pair: TurnPair) => number) => intervalOver(measured, value, level);
  const aMs = over(({ a }) => msOf(us, a)).mean;
  const delta = over(differenceOf(us));
  const isPositive = [...measured, ...refitsOf(measured).flat()].every(
    ({ a, b }) => msOf(us, a) > 0 && msOf(us, b) > 0,
  );
  const shift = isPositive ? over(({ a, b }) => Math.log(msOf(us, b) / msOf(us, a))) : undefined;
  const percent = (log: number | undefined): number | undefined =>
    log === undefined ? undefined : (Math.exp(log) - 1) * 100;
  const row = {
    ...about,
    aMs,
    bMs: over(({ b }) => msOf(us, b)).mean,
    deltaMs: delta.mean,
    lowMs: delta.low,
    highMs: delta.high,
    deltaPct: aMs > 0 ? (delta.mean / aMs) * 100 : undefined,
    shiftPct: percent(shift?.mean),
    lowPct: percent(shift?.low),
    highPct: percent(shift?.high),
    n: turnsIn(measured),
  };
  return { row, degrees: delta.degrees ?? 0 };
}

/** Pairs in which both turns have the figure: absent is not 0, and no time is negative or without end. */
export function pairsWith(pairs: readonly TurnPair[], us: Figure): TurnPair[] {
  return pairsWhere(pairs, (turn) => isTime(us(turn)));
}

export const isTime = (value: number | undefined): boolean =>
  value !== undefined && value >= 0 && Number.isFinite(value);

/** Totals of stages (no phase) and phases, in the order of the pipeline. */
export function stageRows(pairs: readonly TurnPair[], level: number): DiffRow[] {
  const keys = ledgerKeys(pairs.flatMap(({ a, b }) => [a, b]));
  const found = keys
    .map((key) => rowWithDegrees(key, pairs, (turn) => ledgerUs(turn, key), level))
    .filter((each) => each !== undefined);
  const degrees = new Map(found.map((each) => [each.row, each.degrees]));
  const rows = [...degrees.keys()];
  checkSums(rows, pairs);
  return withHolm(rows, (row) => degrees.get(row) ?? 0, level);
}

/** A report whose rows do not add up is an error, not a warning. */
function checkSums(rows: readonly DiffRow[], pairs: readonly TurnPair[]): void {
  if (pairs.length === 0) return;
  for (const lane of ['a', 'b'] as const) {
    const e2eMs = intervalOver(pairs, (pair) => (pair[lane].e2eUs ?? 0) / 1000).mean;
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
