/** The ledger table as printed numbers, rounded so that the printed rows add up to the printed total. Pure. */
import type { DiffRow } from '../diff/diff-rows.ts';
import { differs } from '../statistics/holm-rows.ts';
import { sum } from '../statistics/estimates.ts';
import { roundToSum, signed } from '../statistics/rounding.ts';

export interface PrintedRow {
  stage: string;
  phase: string;
  a: string;
  b: string;
  delta: string;
  interval: string;
}

/** A row of means. */
export type AddingRow = Pick<DiffRow, 'stage' | 'phase' | 'aMs' | 'deltaMs' | 'lowMs' | 'highMs' | 'pHolm'>;

/**
 * Phase rows, then end to end. Columns A and Δ are rounded to their sums, and B is A + Δ. So each printed column adds up to its
 * last line, every printed Δ is B − A, and an unchanged row prints 0.0. Empty where no turn was measured in
 * both lanes.
 */
export function printedLedger(stages: readonly AddingRow[], total: Omit<AddingRow, 'stage'> | undefined): PrintedRow[] {
  if (total === undefined) return [];
  const phases = stages.filter(({ phase }) => phase !== undefined);
  const a = tenths(phases.map(({ aMs }) => aMs));
  const exact = phases.map(({ deltaMs }) => deltaMs * 10);
  const delta = withoutNegatives(tenths(phases.map(({ deltaMs }) => deltaMs)), a, exact);
  return [
    ...phases.map((row, index) => printed(row, a[index] ?? 0, delta[index] ?? 0)),
    printed({ ...total, stage: 'end to end' }, sum(a), sum(delta)),
  ];
}

/** Parts of one quantile, each column rounded to its own sum; the last line is the quantile. */
export function printedQuantile(
  parts: readonly Pick<DiffRow, 'stage' | 'phase' | 'aMs' | 'bMs'>[],
): Pick<PrintedRow, 'stage' | 'phase' | 'a' | 'b'>[] {
  const phases = parts.filter(({ phase }) => phase !== undefined);
  const [a, b] = [tenths(phases.map(({ aMs }) => aMs)), tenths(phases.map(({ bMs }) => bMs))];
  const ms = (value: number): string => (value / 10).toFixed(1);
  return [
    ...phases.map(({ stage, phase }, index) => ({
      stage,
      phase: phaseName({ stage, phase }),
      a: ms(a[index] ?? 0),
      b: ms(b[index] ?? 0),
    })),
    { stage: 'end to end', phase: '', a: ms(sum(a)), b: ms(sum(b)) },
  ];
}

/** Empty where the stage has no phases of its own. */
const phaseName = ({ stage, phase }: Pick<DiffRow, 'stage' | 'phase'>): string =>
  phase === undefined || phase === stage ? '' : phase;

/** In whole tenths of a millisecond, rounded so that they add up. */
function tenths(valuesMs: readonly number[]): number[] {
  return roundToSum(valuesMs, 1).map((value) => Math.round(value * 10));
}

/** A phase of B takes no less than 0: a tenth that rounding took too much there is taken where it was rounded up most. */
function withoutNegatives(delta: readonly number[], a: readonly number[], exact: readonly number[]): number[] {
  const rounded = [...delta];
  const b = (index: number): number => (a[index] ?? 0) + (rounded[index] ?? 0);
  const up = (index: number): number => (rounded[index] ?? 0) - (exact[index] ?? 0);
  for (const index of rounded.keys()) {
    if (b(index) !== -1) continue;
    const givers = [...rounded.keys()].filter((each) => up(each) > 0 && b(each) > 0);
    if (givers.length === 0) continue;
    const giver = givers.reduce((best, each) => (up(each) > up(best) ? each : best));
    rounded[index] = (rounded[index] ?? 0) + 1;
    rounded[giver] = (rounded[giver] ?? 0) - 1;
  }
  return rounded;
}

function printed(row: AddingRow, aTenths: number, deltaTenths: number): PrintedRow {
  return {
    stage: row.stage,
    phase: phaseName(row),
    a: (aTenths / 10).toFixed(1),
    b: ((aTenths + deltaTenths) / 10).toFixed(1),
    delta: signed(deltaTenths / 10),
    interval: markedInterval(row),
  };
}

export function intervalText({ lowMs, highMs }: Pick<DiffRow, 'lowMs' | 'highMs'>): string {
  return lowMs === undefined || highMs === undefined ? '–' : `[${signed(lowMs)}, ${signed(highMs)}]`;
}

/** A star marks a row that differs when all rows are read together. */
export function markedInterval(row: Pick<DiffRow, 'lowMs' | 'highMs' | 'pHolm'>): string {
  return `${intervalText(row)}${differs(row) ? ' *' : ''}`;
}

/** The heading over `markedInterval`. */
export function intervalTitle(rows: readonly Pick<DiffRow, 'pHolm'>[]): string {
  return rows.some(({ pHolm }) => pHolm !== undefined) ? '95 % interval, * by Holm' : '95 % interval';
}
