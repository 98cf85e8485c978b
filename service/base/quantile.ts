/** Quantiles and ends of values, by the one formula that profiles, reports, benches and checks share. Pure. */

/** Quantile by linear interpolation between order statistics: type 7 of Hyndman & Fan (1996). `q` in [0, 1]; NaN of no values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** The smallest value; Infinity of none. `Math.min(...values)` ends in a stack overflow from about 100,000 values on. */
export const lowest = (values: Iterable<number>): number => {
  let least = Infinity;
  for (const value of values) least = Math.min(least, value);
  return least;
};

/** The largest value; −Infinity of none. */
export const highest = (values: Iterable<number>): number => {
  let most = -Infinity;
  for (const value of values) most = Math.max(most, value);
  return most;
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);
