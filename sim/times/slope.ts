/** How an answer's time grows with the size of its request. Pure. */

/** Size and time of one exchange. */
export type Point = readonly [x: number, y: number];

/** Two-sided 5 %. */
const NORMAL_95 = 1.96;

/** Theil–Sen: the median of the slopes of all pairs. Outliers do not move it. 0 without two sizes. */
export function middleSlope(points: readonly Point[]): number {
  return middle(slopesOf(points)) ?? 0;
}

/**
 * The same slope where its 95 % interval lies above 0. Undefined where noise alone may have made the growth.
 * The interval is Sen's (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968). Its ends are the (N − C)/2th
 * and the (N + C)/2th of the N sorted slopes. C = 1.960·√((n(n−1)(2n+5) − Σ t(t−1)(2t+5)) / 18); t counts points that share a size.
 */
export function shownSlope(points: readonly Point[]): number | undefined {
  const slopes = slopesOf(points);
  const pairings = (n: number): number => n * (n - 1) * (2 * n + 5);
  const shared = Map.groupBy(points, ([x]) => x);
  const ties = [...shared.values()].reduce((sum, { length }) => sum + pairings(length), 0);
  const spread = NORMAL_95 * Math.sqrt((pairings(points.length) - ties) / 18);
  const lowest = slopes[Math.floor((slopes.length - spread) / 2) - 1];
  return lowest !== undefined && lowest > 0 ? middle(slopes) : undefined;
}

function slopesOf(points: readonly Point[]): number[] {
  return points
    .flatMap(([x, y], index) =>
      points.slice(index + 1).flatMap(([otherX, otherY]) => (otherX === x ? [] : [(otherY - y) / (otherX - x)])),
    )
    .sort((a, b) => a - b);
}

const middle = (sorted: readonly number[]): number | undefined => sorted[Math.floor(sorted.length / 2)];
