/** Which rows of a diff differ when a reader looks at all of them. Pure. */
import { holm, LEVEL } from './estimates.ts';
import { studentTwoSided, tTestP } from './distributions.ts';

interface Compared {
  deltaMs: number;
  highMs?: number;
}
interface Adjusted {
  pHolm?: number;
}

/**
 * Adds `pHolm` to every row with an interval: the two-sided p of its t-interval (`degreesOf` freedom), adjusted by Holm's method
 * over all such rows. Stages and phases are one family. A stage with one phase counts twice, which is stricter. `level` is that of the rows'
 * intervals. At a stricter one every p grows in proportion, so that 0.05 stays the bar.
 */
export function withHolm<Row extends Compared>(
  rows: readonly Row[],
  degreesOf: (row: Row) => number,
  level = LEVEL,
): (Row & Adjusted)[] {
  const family = rows.flatMap((row, index) => {
    const { deltaMs, highMs } = row;
    if (highMs === undefined) return [];
    return [{ index, p: Math.min(1, (pOf(deltaMs, highMs - deltaMs, degreesOf(row), level) * LEVEL) / level) }];
  });
  const adjusted = holm(family.map(({ p }) => p));
  const pHolm = new Map(family.map(({ index }, place) => [index, Math.round((adjusted[place] ?? 1) * 1e4) / 1e4]));
  return rows.map((row, index) => {
    const p = pHolm.get(index);
    return p === undefined ? row : { ...row, pHolm: p };
  });
}

/** The p-value of a mean with the interval ± `half`. */
function pOf(mean: number, half: number, degrees: number, level: number): number {
  if (half === 0) return mean === 0 ? 1 : 0;
  return tTestP((mean / half) * studentTwoSided(level, degrees), degrees);
}

/** Whether every report marks the row. */
export const differs = ({ pHolm }: Adjusted): boolean => pHolm !== undefined && pHolm < LEVEL;
