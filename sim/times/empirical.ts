/** Observed values as a profile's tables, and a sample of many. Pure. */
import { quantile } from '../../service/base/quantile.ts';
import { keyedRandom } from '../../service/base/random.ts';
import type { Figure } from './profile.ts';

/** A table of more values than this holds their quantiles at this many steps. */
const TABLE_ROWS = 101;

/** The values as a table, each as likely. A negative value becomes 0: it comes from a fitted line above its point. */
export function figureOf(values: readonly number[], source: string): Figure {
  const sorted = values.map((value) => Math.max(0, value)).sort((a, b) => a - b);
  const rows = Math.min(TABLE_ROWS, sorted.length);
  if (rows < 2) return { source, quantiles: [[0, round(sorted[0] ?? 0)]] };
  return {
    source,
    quantiles: Array.from({ length: rows }, (_, index) => {
      const p = index / (rows - 1);
      return [round(p), round(quantile(sorted, p))];
    }),
  };
}

const round = (value: number): number => Math.round(value * 10_000) / 10_000;

/**
 * At most `most` of them, in order: one drawn from each of as many equal stretches, the same at every call. A fixed step
 * could meet the same turn of every session.
 */
export function spread<Value>(all: readonly Value[], most: number): readonly Value[] {
  if (all.length <= most) return all;
  const random = keyedRandom('spread');
  const from = (stretch: number): number => Math.floor((stretch * all.length) / most);
  return Array.from(
    { length: most },
    (_, index) => from(index) + Math.floor(random() * (from(index + 1) - from(index))),
  ).flatMap((index) => all.slice(index, index + 1));
}
