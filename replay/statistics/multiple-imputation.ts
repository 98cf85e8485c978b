/**
 * One interval from estimates under several models, each drawn from what is known of the model (D. B. Rubin, "Multiple Imputation for
 * Nonresponse in Surveys", 1987, §3.1). Estimate: their mean. Total variance: T = W + (1 + 1/M)·B, with W the mean of the variances within and
 * B the variance between the M estimates. Degrees of freedom: Barnard & Rubin, "Small-sample degrees of freedom with multiple imputation", 1999.
 */
import { intervalOf, LEVEL, mean, type Interval } from './estimates.ts';

/** What one model gives: an estimate, its squared standard error and that one's degrees of freedom. */
export interface ModelEstimate {
  estimate: number;
  variance: number;
  degrees: number;
}

export interface Combined {
  estimate: number;
  /** Squared standard error. */
  variance: number;
  degrees: number;
}

/** Undefined without two estimates: one says nothing of the model's own uncertainty. Degrees of freedom are 1 at least. */
export function combinedEstimate(estimates: readonly ModelEstimate[]): Combined | undefined {
  const count = estimates.length;
  if (count < 2) return undefined;
  const estimate = mean(estimates.map((each) => each.estimate));
  const within = mean(estimates.map(({ variance }) => variance));
  const between = estimates.reduce((sum, each) => sum + (each.estimate - estimate) ** 2, 0) / (count - 1);
  const added = (1 + 1 / count) * between;
  const variance = within + added;
  const complete = Math.min(...estimates.map(({ degrees }) => degrees));
  if (added === 0) return { estimate, variance, degrees: complete };
  const share = added / variance;
  const ofModels = (count - 1) / share ** 2;
  const observed = ((complete + 1) / (complete + 3)) * complete * (1 - share);
  return { estimate, variance, degrees: Math.max(1, (ofModels * observed) / (ofModels + observed)) };
}

/**
 * The interval of an estimate, widened by how far estimates under refits of the model lie apart. The estimate stays that of the fit to all
 * sessions, so that every row of a report still adds up. Unchanged without two refits, or where all refits agree.
 */
export function withModels(own: Interval, refitted: readonly number[], level = LEVEL): Interval {
  const { error, degrees } = own;
  if (error === undefined || degrees === undefined) return own;
  const combined = combinedEstimate(refitted.map((estimate) => ({ estimate, variance: error ** 2, degrees })));
  if (combined === undefined || combined.variance === error ** 2) return own;
  return intervalOf(own.mean, Math.sqrt(combined.variance), combined.degrees, level);
}
