/**
 * Group-sequential looks: how strict each look must be, so that all looks together find what is not there as rarely as a single look would.
 * Pure. Z at information t (the share of the planned sessions) is a Brownian motion at t over √t.
 */
import { normalCdf, normalDensity, normalQuantile } from './distributions.ts';
import { LEVEL } from './estimates.ts';

/**
 * The part of `level` that may be spent by information t, 0 < t ≤ 1: α*(t) = 2 − 2Φ(z_{α/2} / √t) on each side, whose α is half of `level`
 * (Lan & DeMets, Biometrika 70, 1983: close to O'Brien & Fleming's boundary).
 */
export function spentBy(t: number, level = LEVEL): number {
  return 4 * normalCdf(normalQuantile(level / 4) / Math.sqrt(t));
}

/** Points of the grid in a standard deviation of a step; more of them change no level by more than a part in 5,000. */
const POINTS = 4;

/**
 * The two-sided nominal level of each look at rising `informations`: |Z| beyond 1 − level/2 is crossed for the first time at this look with the
 * chance that `spentBy` adds there. Each look's density inside the boundaries is integrated from the one before (Armitage, McPherson & Rowe,
 * Journal of the Royal Statistical Society A 132, 1969), by Simpson's rule.
 */
export function nominalLevels(informations: readonly number[], level = LEVEL): number[] {
  const levels: number[] = [];
  let spent = 0;
  let before: { t: number; inside: Inside } | undefined;
  for (const t of informations) {
    const share = spentBy(t, level) - spent;
    spent += share;
    const sd = Math.sqrt(t - (before?.t ?? 0));
    const from = before?.inside ?? AT_ZERO;
    const bound = boundOf(share, from, sd);
    levels.push(2 * normalCdf(-bound / Math.sqrt(t)));
    before = { t, inside: insideOf(bound, from, sd) };
  }
  return levels;
}

/** The part of a density that has crossed no boundary: points, and the probability that each stands for. */
interface Inside {
  bound: number;
  at: Float64Array;
  mass: Float64Array;
}

const AT_ZERO: Inside = { bound: 0, at: Float64Array.of(0), mass: Float64Array.of(1) };

/** Where a step of `sd` from inside ends beyond ±bound with chance `share`: by Newton's method on the logarithm of the chance, which is concave. */
function boundOf(share: number, from: Inside, sd: number): number {
  let bound = from.bound === 0 ? -normalQuantile(share / 2) * sd : from.bound;
  for (let step = 0; step < 100; step++) {
    const [beyond, density] = [
      2 * over(from, (s) => normalCdf((s - bound) / sd)),
      (2 * over(from, (s) => normalDensity((s - bound) / sd))) / sd,
    ];
    const change = (beyond / density) * Math.log(beyond / share);
    bound += change;
    if (Math.abs(change) < 1e-12) break;
  }
  return bound;
}

function insideOf(bound: number, from: Inside, sd: number): Inside {
  const intervals = 2 * Math.ceil((bound * POINTS) / sd);
  const width = (2 * bound) / intervals;
  const at = Float64Array.from({ length: intervals + 1 }, (_, index) => index * width - bound);
  const mass = at.map((s, index) => {
    const weight = index === 0 || index === intervals ? 1 : index % 2 === 1 ? 4 : 2;
    return ((weight * width) / 3 / sd) * over(from, (earlier) => normalDensity((s - earlier) / sd));
  });
  return { bound, at, mass };
}

function over({ at, mass }: Inside, value: (s: number) => number): number {
  let total = 0;
  for (let index = 0; index < at.length; index++) total += (mass[index] ?? 0) * value(at[index] ?? 0);
  return total;
}
