/** Whether latency drifted while the lanes were recorded, and whether the drift could have made the verdict. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { studentQuantile } from '../statistics/distributions.ts';
import { intervalOf, mean, sum } from '../statistics/estimates.ts';
import { signed } from '../statistics/rounding.ts';
import { bySession, intervalOver, type TurnPair } from './align.ts';
import { wordOf, type Effect } from './verdict.ts';

/** When a turn ran, in any unit that grows with time. Undefined where that is not known. */
export type PositionOf = (turn: TurnSummary) => number | undefined;
type Figure = (turn: TurnSummary) => number | undefined;

/** How much longer turns took at the end than at the start, alike in both lanes; with a 95 % interval. */
export interface Trend {
  deltaMs: number;
  lowMs: number;
  highMs: number;
}

export interface TrendFound {
  /** Absent where the times of turns are unknown or all equal, or with fewer than four sessions. */
  trend?: Trend;
  /** Why the trend forbids a verdict, a line each. */
  doubts: readonly string[];
}

const FEWEST_SESSIONS = 4;

interface Placed {
  sessionId: string;
  position: number;
  ms: number;
}

/** `pairs` are measured and have the figure. */
export function trendOf(pairs: readonly TurnPair[], us: Figure, positionOf: PositionOf, marginMs: number): TrendFound {
  const placed = pairs.flatMap((pair) => {
    const [atA, atB] = [positionOf(pair.a), positionOf(pair.b)];
    return atA === undefined || atB === undefined ? [] : [{ pair, atA, atB }];
  });
  if (placed.length < pairs.length || bySession(pairs).length < FEWEST_SESSIONS) return { doubts: [] };
  const ms = (turn: TurnSummary): number => (us(turn) ?? 0) / 1000;
  const a = placed.map(({ pair, atA }) => ({ sessionId: pair.a.sessionId, position: atA, ms: ms(pair.a) }));
  const b = placed.map(({ pair, atB }) => ({ sessionId: pair.a.sessionId, position: atB, ms: ms(pair.b) }));
  const inOrder = placed.toSorted((left, right) => left.atA + left.atB - right.atA - right.atB).map(({ pair }) => pair);
  const differenceMs = (pair: TurnPair): number => ms(pair.b) - ms(pair.a);
  const slope = commonSlope([a, b]);
  // turns that all ran at once have no order
  if (slope === undefined) return { doubts: [] };
  const halves = halvesDoubt(inOrder, differenceMs, marginMs);
  const positions = [...a, ...b].map(({ position }) => position);
  const spread = positions.reduce((x, y) => Math.max(x, y)) - positions.reduce((x, y) => Math.min(x, y));
  const trend = { deltaMs: slope.mean * spread, lowMs: (slope.low ?? 0) * spread, highMs: (slope.high ?? 0) * spread };
  const isSure = trend.lowMs > 0 || trend.highMs < 0;
  const gap = mean(placed.map(({ atA, atB }) => atB - atA));
  const byTrendMs = slope.mean * gap;
  const overall = effectOf(inOrder, differenceMs);
  const doubts = isSure
    ? [...interleavingDoubt(a, b, byTrendMs, marginMs), ...positionDoubt(overall, byTrendMs, marginMs), ...halves]
    : halves;
  return { trend, doubts };
}

/** Least squares over all lanes, each with a level of its own; the error is over sessions, whose residuals belong together. */
function commonSlope(lanes: readonly (readonly Placed[])[]): ReturnType<typeof intervalOf> | undefined {
  const centred = lanes.flatMap((lane) => {
    const [position, ms] = [mean(lane.map((each) => each.position)), mean(lane.map((each) => each.ms))];
    return lane.map((each) => ({ sessionId: each.sessionId, x: each.position - position, y: each.ms - ms }));
  });
  const squares = sum(centred.map(({ x }) => x * x));
  if (squares === 0) return undefined;
  const slope = sum(centred.map(({ x, y }) => x * y)) / squares;
  const scores = [...Map.groupBy(centred, ({ sessionId }) => sessionId).values()].map((own) =>
    sum(own.map(({ x, y }) => x * (y - slope * x))),
  );
  const count = scores.length;
  const error = Math.sqrt((count / (count - 1)) * sum(scores.map((score) => score ** 2))) / squares;
  return intervalOf(slope, error, count - 1);
}

function effectOf(pairs: readonly TurnPair[], differenceMs: (pair: TurnPair) => number): Effect {
  const { mean: deltaMs, low: lowMs, high: highMs } = intervalOver(pairs, differenceMs);
  return { deltaMs, lowMs, highMs };
}

/** One lane ran before the other, so that the trend between them is in the difference. */
function interleavingDoubt(a: readonly Placed[], b: readonly Placed[], byTrendMs: number, marginMs: number): string[] {
  const ends = (lane: readonly Placed[]): [number, number] => [
    lane.reduce((least, { position }) => Math.min(least, position), Infinity),
    lane.reduce((most, { position }) => Math.max(most, position), -Infinity),
  ];
  const [[firstA, lastA], [firstB, lastB]] = [ends(a), ends(b)];
  const isApart = lastA < firstB || lastB < firstA;
  if (!isApart || Math.abs(byTrendMs) <= marginMs / 2) return [];
  return [
    `A and B were not interleaved, and a trend common to both makes ${signed(byTrendMs)} ms between them: run them side by side`,
  ];
}

function positionDoubt(overall: Effect, byTrendMs: number, marginMs: number): string[] {
  const adjusted = {
    deltaMs: overall.deltaMs - byTrendMs,
    lowMs: (overall.lowMs ?? 0) - byTrendMs,
    highMs: (overall.highMs ?? 0) - byTrendMs,
  };
  if (overall.lowMs === undefined || wordOf(adjusted, marginMs) === wordOf(overall, marginMs)) return [];
  return [
    `adjusted for when the turns ran the difference is ${signed(adjusted.deltaMs)} ms, which is another verdict: run the lanes side by side`,
  ];
}

/** The difference itself changed while it was measured: the halves differ with 99 % confidence, and in their words. */
function halvesDoubt(
  inOrder: readonly TurnPair[],
  differenceMs: (pair: TurnPair) => number,
  marginMs: number,
): string[] {
  const middle = inOrder.length >> 1;
  const [first, second] = [inOrder.slice(0, middle), inOrder.slice(middle)].map((half) =>
    intervalOver(half, differenceMs),
  );
  if (first?.error === undefined || second?.error === undefined) return [];
  const error = Math.hypot(first.error, second.error);
  const degrees = Math.min(first.degrees ?? 1, second.degrees ?? 1);
  const apartMs = second.mean - first.mean;
  if (Math.abs(apartMs) <= studentQuantile(0.995, degrees) * error) return [];
  const words = [first, second].map(({ mean: deltaMs, low: lowMs, high: highMs }) =>
    wordOf({ deltaMs, lowMs, highMs }, marginMs),
  );
  if (words[0] === words[1]) return [];
  return [
    `the difference changed while it was measured: ${signed(first.mean)} ms in the first half of the turns, ${signed(second.mean)} ms in the second`,
  ];
}
