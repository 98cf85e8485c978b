/** Yes/no outcomes of paired turns, such as failures: how many more B has than A. Pure. */
import { clopperPearsonUpper, normalCdf } from './distributions.ts';
import { LEVEL, sum } from './estimates.ts';

/** The outcome of one turn: the shares of its runs in which only B was harmed, and only A. With one run each is 0 or 1. */
export interface Outcome {
  worse: number;
  better: number;
}

export interface PairedProportions {
  /** Share harmed in B − share harmed in A. */
  value: number;
  /** One-sided upper bound of the share that B alone harms (Clopper & Pearson), wrong with chance `level`. */
  high: number;
  /** Variance of the outcomes' mean in clusters, over that of as many independent pairs; at least 1. */
  designEffect: number;
  /** One-sided p-value of "B harms at most `margin` more". */
  p: number;
}

/**
 * `margin` is a share (0.02: two points). Clusters are sessions: turns of one session fail together, so counts are divided by the
 * design effect of the outcomes (Rao & Scott, Biometrics 48, 1992) before they are tested. Means of several runs scatter less than one run does:
 * to count them as one run errs towards "not shown" and "not ruled out".
 */
export function pairedProportions(
  clusters: readonly (readonly Outcome[])[],
  margin: number,
  level = LEVEL,
): PairedProportions {
  const outcomes = clusters.flat();
  const n = outcomes.length;
  const worse = sum(outcomes.map((each) => each.worse));
  const better = sum(outcomes.map((each) => each.better));
  const designEffect = designEffectOf(clusters.map((cluster) => cluster.map((each) => each.worse - each.better)));
  const effective = (count: number): number => count / designEffect;
  return {
    value: n === 0 ? 0 : (worse - better) / n,
    high: clopperPearsonUpper(effective(worse), effective(n), 1 - level),
    designEffect,
    p: 1 - normalCdf(tangoScore(effective(worse), effective(better), effective(n), margin)),
  };
}

/**
 * Tango's score statistic (Statistics in Medicine 17:891–908, 1998) of the difference of two paired shares against `margin` ≥ 0: the
 * excess over the margin in standard errors, these at the most likely shares whose difference is the margin.
 */
export function tangoScore(worse: number, better: number, n: number, margin: number): number {
  const excess = worse - better - n * margin;
  if (excess === 0) return 0;
  const half = -worse - better + (2 * n - worse + better) * margin;
  const share = (Math.sqrt(half ** 2 + 8 * n * better * margin * (1 - margin)) - half) / (4 * n);
  return excess / Math.sqrt(n * (2 * share + margin * (1 - margin)));
}

/**
 * 1 + (m̃ − 1) · ρ, m̃ the mean cluster size seen by a value (Σm²/Σm), ρ the intraclass correlation of a one-way analysis of
 * variance (Donner & Klar, Design and Analysis of Cluster Randomization Trials, 2000, §1.4). At least 1.
 */
function designEffectOf(clusters: readonly (readonly number[])[]): number {
  const filled = clusters.filter((cluster) => cluster.length > 0);
  const n = sum(filled.map((cluster) => cluster.length));
  const k = filled.length;
  if (k < 2 || n === k) return 1;
  const overall = sum(filled.flat()) / n;
  let [between, within, squares] = [0, 0, 0];
  for (const cluster of filled) {
    const centre = sum(cluster) / cluster.length;
    between += cluster.length * (centre - overall) ** 2;
    within += sum(cluster.map((value) => (value - centre) ** 2));
    squares += cluster.length ** 2;
  }
  const [meanBetween, meanWithin] = [between / (k - 1), within / (n - k)];
  const size = (n - squares / n) / (k - 1);
  const total = meanBetween + (size - 1) * meanWithin;
  if (total <= 0) return 1;
  return Math.max(1, 1 + (squares / n - 1) * ((meanBetween - meanWithin) / total));
}
