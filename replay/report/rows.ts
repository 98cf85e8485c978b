/** The ledger table as numbers to print: rounded so that what is printed adds up to what is printed. Pure. */
import type { DiffRow } from '../diff.ts';
import { roundToSum } from '../stats.ts';

export interface PrintedRow {
  stage: string;
  phase: string;
  a: string;
  b: string;
  delta: string;
  interval: string;
}

/** Phase rows, then end to end: the printed A and B columns add up to their last line, and each Δ is B − A as printed. */
export function printedLedger(stages: readonly DiffRow[], primaryE2e: DiffRow): PrintedRow[] {
  const phases = stages.filter(({ phase }) => phase !== undefined);
  const a = roundToSum(
    phases.map(({ aMs }) => aMs),
    1,
  );
  const b = roundToSum(
    phases.map(({ bMs }) => bMs),
    1,
  );
  const rows = phases.map((row, index) => printed(row, a[index] ?? 0, b[index] ?? 0));
  const total = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + Math.round(value * 10), 0) / 10;
  return [...rows, printed({ ...primaryE2e, stage: 'end to end' }, total(a), total(b))];
}

function printed(row: DiffRow, a: number, b: number): PrintedRow {
  return {
    stage: row.stage,
    phase: row.phase === undefined || row.phase === row.stage ? '' : row.phase,
    a: a.toFixed(1),
    b: b.toFixed(1),
    delta: signed(Math.round(b * 10) / 10 - Math.round(a * 10) / 10),
    interval: intervalText(row),
  };
}

export function intervalText({ lowMs, highMs }: Pick<DiffRow, 'lowMs' | 'highMs'>): string {
  return lowMs === undefined || highMs === undefined ? '–' : `[${signed(lowMs)}, ${signed(highMs)}]`;
}

/** One decimal with its sign; a true minus, and never −0.0. */
export function signed(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  if (rounded === 0) return '0.0';
  return `${rounded > 0 ? '+' : '−'}${Math.abs(rounded).toFixed(1)}`;
}
