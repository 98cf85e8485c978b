/** Statistics of paired replays. Pure. Each formula names its source; docs/statistics.md tells how they are used. */
import { studentTwoSided } from './distributions.ts';

export interface Interval {
  mean: number;
  /** 95 %, where no other level was asked for; absent with fewer than two units, as `error` and `degrees` are. */
  low?: number;
  high?: number;
  /** Standard error of the mean. */
  error?: number;
  /** Degrees of freedom of the standard error. */
  degrees?: number;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The chance that an interval misses, and that a family of tests finds what is not there. */
export const LEVEL = 0.05;

/** The fewest turns that have a 95th percentile with a two-sided 95 % bound: the smallest n with 0.95ⁿ ≤ 0.025. */
export const P95_TURNS = 72;

/**
 * Mean of all values with a Student-t interval over their clusters (sessions). With h the cluster's share of all values, its
 * summed residual is divided by √(1 − h) (CR2: Bell & McCaffrey, Survey Methodology 28, 2002); degrees of freedom are
 * (Σm)²/Σm² − 1 for clusters of m values. With equal clusters both are those of the plain t-interval of cluster means.
 */
export function clusteredMean(clusters: readonly (readonly number[])[], level = LEVEL): Interval {
  const filled = clusters.filter((cluster) => cluster.length > 0);
  const total = sum(filled.map((cluster) => cluster.length));
  const overall = mean(filled.flat());
  if (filled.length < 2) return { mean: overall };
  const squares = filled.map((cluster) => {
    const residual = sum(cluster.map((value) => value - overall));
    return residual ** 2 / (1 - cluster.length / total);
  });
  const degrees = total ** 2 / sum(filled.map((cluster) => cluster.length ** 2)) - 1;
  return intervalOf(overall, Math.sqrt(sum(squares)) / total, degrees, level);
}

/**
 * The ratio of two sums of paired values, Σ top / Σ bottom, with a 95 % interval over the pairs by its linear part (Cochran, Sampling Techniques, 1977,
 * §6.3). Not the mean of ratios, in which the smallest bottoms weigh most.
 */
export function ratioOfSums(pairs: readonly (readonly [top: number, bottom: number])[]): Interval {
  const bottoms = mean(pairs.map(([, bottom]) => bottom));
  const ratio = mean(pairs.map(([top]) => top)) / bottoms;
  return clusteredMean(pairs.map(([top, bottom]) => [ratio + (top - ratio * bottom) / bottoms]));
}

/** The interval of an estimate with a standard error of so many degrees of freedom; it misses with chance `level`. */
export function intervalOf(estimate: number, error: number, degrees: number, level = LEVEL): Interval {
  const half = error === 0 ? 0 : studentTwoSided(level, degrees) * error;
  return { mean: estimate, low: estimate - half, high: estimate + half, error, degrees };
}

/**
 * p-values adjusted for being read together (Holm 1979, Scand. J. Statist. 6:65–70). In rising order, the i-th of m is multiplied
 * by m − i + 1, and none is below the one before. Returned in the order given.
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = pValues.map(() => 1);
  let floor = 0;
  for (const [rank, { p, index }] of order.entries()) {
    floor = Math.max(floor, Math.min(1, p * (pValues.length - rank)));
    adjusted[index] = floor;
  }
  return adjusted;
}
