/** Distribution functions and their quantiles. Pure. Each formula names its source. */

/** 97.5 % quantile of Student's t: half of a 95 % interval, in standard errors. */
export const studentT975 = (degrees: number): number => studentTwoSided(0.05, degrees);

/** Half of an interval that misses with chance `level`, in standard errors: the 1 − `level`/2 quantile of Student's t. */
export function studentTwoSided(level: number, degrees: number): number {
  const ofLevel = TWO_SIDED.get(level) ?? new Map<number, number>();
  const known = ofLevel.get(degrees);
  if (known !== undefined) return known;
  const quantile = -studentQuantile(level / 2, degrees);
  if (TWO_SIDED.size < 1000) TWO_SIDED.set(level, ofLevel);
  if (ofLevel.size < 1000) ofLevel.set(degrees, quantile);
  return quantile;
}

/** By level and degrees: a report asks for the same quantile in every row. */
const TWO_SIDED = new Map<number, Map<number, number>>();

/**
 * Quantile of Student's t for 0 < p < 1, by bisection on its distribution function. `degrees` > 0 need not be whole. A small p keeps its
 * digits.
 */
export function studentQuantile(p: number, degrees: number): number {
  if (p > 0.5) return -studentQuantile(1 - p, degrees);
  let high = 1;
  while (studentCdf(-high, degrees) > p && high < 1e300) high *= 2;
  return -bisected((t) => studentCdf(-t, degrees) > p, high / 2 === 0.5 ? 0 : high / 2, high);
}

/** Two-sided p-value of a t statistic (Student 1908). */
export function tTestP(t: number, degrees: number): number {
  return 2 * studentCdf(-Math.abs(t), degrees);
}

/** Student's distribution function (Abramowitz & Stegun 26.5.27). */
export function studentCdf(t: number, degrees: number): number {
  const tail = regularizedBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;
  return t < 0 ? tail : 1 - tail;
}

/**
 * Standard normal distribution function. The square of a normal variable follows χ² with one degree (A&S 26.4.19). The lower tail keeps its
 * digits.
 */
export function normalCdf(z: number): number {
  const tail = regularizedGamma(0.5, (z * z) / 2).upper / 2;
  return z < 0 ? tail : 1 - tail;
}

/** Density of the standard normal distribution. */
export function normalDensity(z: number): number {
  return Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/** A draw from the standard normal distribution (Box & Muller 1958). */
export function normalDraw(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Standard normal quantile for 0 < p < 1, by bisection. */
export function normalQuantile(p: number): number {
  return bisected((z) => normalCdf(z) < p, -40, 40);
}

/** Quantile of χ² with `degrees` > 0 degrees of freedom, by bisection on its distribution function (A&S 26.4.19). */
export function chiSquareQuantile(p: number, degrees: number): number {
  let high = Math.max(1, degrees);
  while (regularizedGamma(degrees / 2, high / 2).lower < p) high *= 2;
  return bisected((x) => regularizedGamma(degrees / 2, x / 2).lower < p, 0, high);
}

/**
 * One-sided upper bound of a share (Clopper & Pearson 1934): the share at which so few of `n` happen with chance 1 − `level`.
 * Counts need not be whole. 1 where all happened, or where `n` is 0.
 */
export function clopperPearsonUpper(count: number, n: number, level = 0.95): number {
  if (n <= 0 || count >= n) return 1;
  return bisected((share) => regularizedBeta(share, count + 1, n - count) < level, 0, 1);
}

/** Where `isBelow` turns from true to false, between `low` and `high`. */
export function bisected(isBelow: (value: number) => boolean, low: number, high: number): number {
  let [from, to] = [low, high];
  for (let step = 0; step < 200; step++) {
    const middle = (from + to) / 2;
    if (middle === from || middle === to) break;
    if (isBelow(middle)) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

/**
 * Regularized incomplete gamma functions: the lower P(a, x) by its series (A&S 6.5.29), or the upper Q = 1 − P by Lentz's continued fraction
 * (A&S 6.5.31).
 */
function regularizedGamma(a: number, x: number): { lower: number; upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 };
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let [term, total] = [1 / a, 1 / a];
    for (let n = 1; n < 10_000 && term > total * 1e-16; n++) {
      term *= x / (a + n);
      total += term;
    }
    return { lower: front * total, upper: 1 - front * total };
  }
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 10_000; n++) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / (numerator * d + b || tiny);
    c = b + numerator / c || tiny;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return { lower: 1 - front * fraction, upper: front * fraction };
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
