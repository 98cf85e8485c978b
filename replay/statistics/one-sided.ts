/** One-sided bounds and tests of a mean, by Student's t. Pure. */
import { studentCdf, studentQuantile } from './distributions.ts';
import type { Interval } from './estimates.ts';

/** The p-quantile of the mean. Undefined without an interval: one turn shows nothing. */
export function boundOf({ mean, error, degrees }: Interval, p: number): number | undefined {
  if (error === undefined || degrees === undefined) return undefined;
  return error === 0 ? mean : mean + studentQuantile(p, degrees) * error;
}

/** One-sided p-value of "the mean is at most `margin`". 1 without an interval. */
export function pAbove({ mean, error, degrees }: Interval, margin: number): number {
  if (error === undefined || degrees === undefined) return 1;
  if (error === 0) return mean > margin ? 0 : 1;
  return studentCdf((margin - mean) / error, degrees);
}

/** The same of "the mean lies within ±`margin`": the smaller one of both sides. */
export function pBeyond({ mean, error, degrees }: Interval, margin: number): number {
  return Math.min(pAbove({ mean, error, degrees }, margin), pAbove({ mean: -mean, error, degrees }, margin));
}
