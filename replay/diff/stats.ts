/** Statistics of paired replays. Pure. Each formula names its source; docs/statistics.md tells how they are used. */
import { InvariantError } from '../../service/base/errors.ts';

export interface Interval {
  mean: number;
  /** 95 %; absent with fewer than two units. */
  low?: number;
  high?: number;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The fewest turns that have a 95th percentile with a two-sided 95 % bound: the smallest n with 0.95ⁿ ≤ 0.025. */
export const P95_TURNS = 72;

/**
 * Mean of all values with a 95 % Student-t interval over the means of their clusters (sessions). The centre is the mean of the
 * cluster means, weighted by cluster size: the mean of all values. The variance is the between-cluster variance of the ratio
 * estimator (Cochran, Sampling Techniques, 1977, §6.4), with clusters − 1 degrees of freedom.
 */
export function clusteredMean(clusters: readonly (readonly number[])[]): Interval {
  const filled = clusters.filter((cluster) => cluster.length > 0);
  const total = sum(filled.map((cluster) => cluster.length));
  const overall = mean(filled.flat());
  const count = filled.length;
  if (count < 2) return { mean: overall };
  const averageSize = total / count;
  const squares = sum(filled.map((cluster) => ((cluster.length / averageSize) * (mean(cluster) - overall)) ** 2));
  const halfWidth = studentT975(count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { mean: overall, low: overall - halfWidth, high: overall + halfWidth };
}

/**
 * Hodges–Lehmann estimate of a shift: the median of all pairwise averages (Hodges & Lehmann 1963). The median is selected
 * without making all averages: one pass over the sorted values counts those below a bound (Johnson & Mizoguchi 1978).
 */
export function hodgesLehmann(differences: readonly number[]): number {
  const sorted = Float64Array.from(differences).sort();
  const averages = (sorted.length * (sorted.length + 1)) / 2;
  const upper = kthPairSum(sorted, Math.floor(averages / 2));
  const lower = averages % 2 === 1 ? upper : kthPairSum(sorted, averages / 2 - 1);
  return (lower / 2 + upper / 2) / 2;
}

/** The `k`th smallest (from 0) of all sums of two values, a value and itself included. */
function kthPairSum(sorted: Float64Array, k: number): number {
  if (sorted.length === 0) return Number.NaN;
  let [low, high] = [2 * (sorted[0] ?? 0), 2 * (sorted.at(-1) ?? 0)];
  let [countLow, countHigh] = [pairSumsUpTo(sorted, low), pairSumsUpTo(sorted, high)];
  if (k < countLow) return low;
  // the answer lies in (low, high]: halve the range until few sums, or no number, lie between
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    const count = pairSumsUpTo(sorted, middle);
    if (count > k) [high, countHigh] = [middle, count];
    else [low, countLow] = [middle, count];
    if (countHigh - countLow <= 2 * sorted.length) break;
  }
  if (countHigh - countLow > 2 * sorted.length) return high; // equal sums
  const sums: number[] = [];
  for (let left = 0; left < sorted.length; left++) {
    const value = sorted[left] ?? 0;
    for (let right = Math.max(left, firstAbove(sorted, low - value) - 1); right < sorted.length; right++) {
      const sum = value + (sorted[right] ?? 0);
      if (sum > high) break;
      if (sum > low) sums.push(sum);
    }
  }
  return sums.sort((a, b) => a - b)[k - countLow] ?? high;
}

function pairSumsUpTo(sorted: Float64Array, bound: number): number {
  let count = 0;
  let right = sorted.length - 1;
  for (let left = 0; left < sorted.length; left++) {
    while (right >= 0 && (sorted[left] ?? 0) + (sorted[right] ?? 0) > bound) right--;
    if (right < left) break;
    count += right - left + 1;
  }
  return count;
}

/** Index of the first value above `bound`. A caller's rounding may put the index one off. */
function firstAbove(sorted: Float64Array, bound: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** 97.5 % quantile of Student's t, by bisection on its distribution function. */
export function studentT975(degrees: number): number {
  return studentQuantile(0.975, degrees);
}

/** For p ≥ 0.5. */
function studentQuantile(p: number, degrees: number): number {
  let [low, high] = [0, 1000];
  for (let step = 0; step < 200 && high - low > 1e-10; step++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, degrees) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Two-sided p-value of a t statistic (Student 1908). */
export function tTestP(t: number, degrees: number): number {
  return 2 * (1 - studentCdf(Math.abs(t), degrees));
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

/** Standard normal 80 % quantile. */
const Z80 = 0.8416212335729143;

/**
 * The effect that a plan detects with 80 % power: the interval excludes 0, and the estimate is beyond the margin. The standard
 * error of s sessions is sd/√s. The estimate must lie above t₀.₉₇₅ · se and above the margin, each with 80 % chance. The first
 * is (t₀.₉₇₅ + t₀.₈) · se (Cohen 1988, §2.4, with t for z). Undefined with fewer than two sessions.
 */
export function minimumDetectable(sdOfSessions: number, sessions: number, margin: number): number | undefined {
  if (sessions < 2) return undefined;
  const error = sdOfSessions / Math.sqrt(sessions);
  const degrees = sessions - 1;
  return Math.max((studentQuantile(0.975, degrees) + studentQuantile(0.8, degrees)) * error, margin + Z80 * error);
}

/** Student's distribution function for t ≥ 0 (Abramowitz & Stegun 26.5.27). */
function studentCdf(t: number, degrees: number): number {
  return 1 - regularizedBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;
}

/** Regularized incomplete beta function by its continued fraction (A&S 26.5.8), evaluated by Lentz's method. */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log(1 - x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let fraction = d;
  for (let m = 1; m <= 300; m++) {
    for (const numerator of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 + numerator * d;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = 1 + numerator / c;
      if (Math.abs(c) < tiny) c = tiny;
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** log Γ(z), z > 0: Lanczos' approximation (Lanczos 1964; coefficients for g = 7, n = 9). */
function logGamma(z: number): number {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (z < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * z)) - logGamma(1 - z);
  const base = z + 6.5;
  const series = coefficients.reduce((sum, each, index) => sum + each / (z + index), 0.99999999999980993);
  return 0.5 * Math.log(2 * Math.PI) + (z - 0.5) * Math.log(base) - base + Math.log(series);
}

/**
 * McNemar's exact test, one-sided (McNemar 1947, binomial tail): the probability of at least `worse` of `worse + better`
 * discordant pairs when both outcomes are equally likely.
 */
export function mcNemarWorse(worse: number, better: number): number {
  const pairs = worse + better;
  let tail = 0;
  for (let k = worse; k <= pairs; k++)
    tail += Math.exp(logGamma(pairs + 1) - logGamma(k + 1) - logGamma(pairs - k + 1) - pairs * Math.LN2);
  return pairs === 0 ? 1 : Math.min(1, tail);
}

/**
 * Rounds values to `decimals` so that printed values add up to their printed total. Each is rounded down, and the missing units
 * go to the largest remainders (Hamilton's method). Ties go to the earlier value.
 */
export function roundToSum(values: readonly number[], decimals: number): number[] {
  const scale = 10 ** decimals;
  const units = values.map((value) => value * scale);
  const floors = units.map(Math.floor);
  const missing = Math.round(sum(units)) - sum(floors);
  if (missing < 0 || missing > values.length)
    throw new InvariantError(`cannot round ${values.length} values to their sum`);
  const order = units
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of order.slice(0, missing)) floors[index] = (floors[index] ?? 0) + 1;
  return floors.map((value) => value / scale);
}

/** `+1.5`, `−1.5`, and `0.0` for what rounds to 0: a true minus, and never −0.0. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '−'}${text}`;
}
