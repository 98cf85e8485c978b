/** The ledger table as numbers to print: rounded so that what is printed adds up to what is printed. Pure. */
import type { DiffRow } from '../diff/diff.ts';
import { differs } from '../diff/holm-rows.ts';
import { roundToSum } from '../diff/stats.ts';

export interface PrintedRow {
  stage: string;
  phase: string;
  a: string;
  b: string;
  delta: string;
  interval: string;
}

/** What adds up: a row of means, or of one quantile. */
export type AddingRow = Pick<DiffRow, 'stage' | 'phase' | 'aMs' | 'deltaMs' | 'lowMs' | 'highMs' | 'pHolm'>;

/**
 * Phase rows, then end to end. The A and Δ columns are rounded to their sums and B is A + Δ, so that all three printed
 * columns add up to their last line, every printed Δ is B − A, and a row that did not change says 0.0.
 */
export function printedLedger(stages: readonly AddingRow[], total: Omit<AddingRow, 'stage'>): PrintedRow[] {
  const phases = stages.filter(({ phase }) => phase !== undefined);
  const a = tenths(phases.map(({ aMs }) => aMs));
  const delta = tenths(phases.map(({ deltaMs }) => deltaMs));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return [
    ...phases.map((row, index) => printed(row, a[index] ?? 0, delta[index] ?? 0)),
    printed({ ...total, stage: 'end to end' }, sum(a), sum(delta)),
  ];
}

/** In whole tenths of a millisecond, rounded so that they add up. */
function tenths(valuesMs: readonly number[]): number[] {
  return roundToSum(valuesMs, 1).map((value) => Math.round(value * 10));
}

function printed(row: AddingRow, aTenths: number, deltaTenths: number): PrintedRow {
  return {
    stage: row.stage,
    phase: row.phase === undefined || row.phase === row.stage ? '' : row.phase,
    a: (aTenths / 10).toFixed(1),
    b: ((aTenths + deltaTenths) / 10).toFixed(1),
    delta: signed(deltaTenths / 10),
    interval: markedInterval(row),
  };
}

export function intervalText({ lowMs, highMs }: Pick<DiffRow, 'lowMs' | 'highMs'>): string {
  return lowMs === undefined || highMs === undefined ? '–' : `[${signed(lowMs)}, ${signed(highMs)}]`;
}

/** The interval, with a star where the row differs when all rows are read together. */
export function markedInterval(row: Pick<DiffRow, 'lowMs' | 'highMs' | 'pHolm'>): string {
  return `${intervalText(row)}${differs(row) ? ' *' : ''}`;
}

/** Heads the column of marked intervals. */
export function intervalTitle(rows: readonly Pick<DiffRow, 'pHolm'>[]): string {
  return rows.some(({ pHolm }) => pHolm !== undefined) ? '95 % interval, * by Holm' : '95 % interval';
}

/** One decimal with its sign; a true minus, and never −0.0. */
export function signed(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  if (rounded === 0) return '0.0';
  return `${rounded > 0 ? '+' : '−'}${Math.abs(rounded).toFixed(1)}`;
}
