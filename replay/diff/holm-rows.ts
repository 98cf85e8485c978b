/** The secondary rows of a diff, read together: which of them differ when all are looked at. Pure. */
import { holm, studentT975, tTestP } from './stats.ts';

interface Compared {
  deltaMs: number;
  highMs?: number;
}
interface Adjusted {
  pHolm?: number;
}

/** Below it a row differs, all rows being read together. */
const LEVEL = 0.05;

/**
 * Adds `pHolm` to every row that has an interval: the two-sided p of its t-interval with `degrees` degrees of freedom, adjusted by
 * Holm over all such rows. Stages and phases are one family; a stage with one phase counts twice, which only makes it stricter.
 */
export function withHolm<Row extends Compared>(rows: readonly Row[], degrees: number): (Row & Adjusted)[] {
  const family = rows.flatMap(({ deltaMs, highMs }, index) =>
    highMs === undefined ? [] : [{ index, p: pOf(deltaMs, highMs - deltaMs, degrees) }],
  );
  const adjusted = holm(family.map(({ p }) => p));
  const pHolm = new Map(family.map(({ index }, place) => [index, Math.round((adjusted[place] ?? 1) * 1e4) / 1e4]));
  return rows.map((row, index) => {
    const p = pHolm.get(index);
    return p === undefined ? row : { ...row, pHolm: p };
  });
}

/** Of a mean with the 95 % interval ± `half`. */
function pOf(mean: number, half: number, degrees: number): number {
  if (half === 0) return mean === 0 ? 1 : 0;
  return tTestP((mean / half) * studentT975(degrees), degrees);
}

/** Whether the row differs when all are read together; its mark in every report. */
export const differs = ({ pHolm }: Adjusted): boolean => pHolm !== undefined && pHolm < LEVEL;
