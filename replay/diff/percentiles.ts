/**
 * The parts of a quantile of end to end. Quantiles of stages are of different turns, so they do not add up. A part contributes
 * its mean over the turns around the quantile, rescaled to the quantile. This is Euler allocation, E[part | total = quantile]
 * (Tasche 1999), estimated in a window of ranks. Pure.
 */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { studentTwoSided } from '../statistics/distributions.ts';
import { bySession, turnsIn, type TurnPair } from './align.ts';
import { ledgerKeys, ledgerUs, type LedgerKey } from './ledger-rows.ts';
import { LEVEL, mean, P95_TURNS, sum } from '../statistics/estimates.ts';
import { quantile } from '../../service/base/quantile.ts';

export interface PercentileRow extends LedgerKey {
  aMs: number;
  bMs: number;
}

/**
 * One quantile of both lanes. The phase rows add up to the total, and so do the rows of stages. The lanes' quantiles are of different turns,
 * so a row has no difference.
 */
export interface Percentile {
  /** 0.5 is the median. */
  q: number;
  aMs: number;
  bMs: number;
  rows: readonly PercentileRow[];
}

/** The 95th percentile of the primary metric in both lanes, and the difference with its 95 % interval. */
export interface P95 {
  aMs: number;
  bMs: number;
  deltaMs: number;
  lowMs: number;
  highMs: number;
}

/** Turns on each side of the quantile, as a share of all turns; at least one turn. */
const WINDOW_SHARE = 0.02;

/** Of measured turns. Undefined when a lane has none. */
export function percentileOf(a: readonly TurnSummary[], b: readonly TurnSummary[], q: number): Percentile | undefined {
  const [left, right] = [aroundQuantile(a, q), aroundQuantile(b, q)];
  if (left === undefined || right === undefined) return undefined;
  const rows = ledgerKeys([...left.turns, ...right.turns]).map((key) => {
    return { ...key, aMs: left.contributionMs(key), bMs: right.contributionMs(key) };
  });
  return { q, aMs: left.quantileMs, bMs: right.quantileMs, rows };
}

/** The median of the pairs, and their 95th percentile from 72 distinct turns on. */
export function percentilesOf(pairs: readonly TurnPair[]): Percentile[] {
  const [a, b] = [pairs.map((pair) => pair.a), pairs.map((pair) => pair.b)];
  const quantiles = turnsIn(pairs) < P95_TURNS ? [0.5] : [0.5, 0.95];
  return quantiles.map((q) => percentileOf(a, b, q)).filter((each) => each !== undefined);
}

const RESAMPLES = 400;

/**
 * Undefined below 72 distinct turns or two sessions. The interval is ± t · the standard deviation of 400 bootstrap differences, each of as many
 * sessions drawn whole and with replacement (Davison & Hinkley, Bootstrap Methods, 1997, §3.8); seeded.
 */
export function p95Of(
  pairs: readonly TurnPair[],
  us: (turn: TurnSummary) => number | undefined,
  level = LEVEL,
): P95 | undefined {
  const sessions = bySession(pairs);
  if (turnsIn(pairs) < P95_TURNS || sessions.length < 2) return undefined;
  const sorted = (lane: 'a' | 'b'): { ms: number; session: number }[] =>
    sessions
      .flatMap((session, index) => session.map((pair) => ({ ms: (us(pair[lane]) ?? 0) / 1000, session: index })))
      .sort((left, right) => left.ms - right.ms);
  const [a, b] = [sorted('a'), sorted('b')];
  const once = sessions.map(() => 1);
  const random = keyedRandom('p95');
  const differences = Array.from({ length: RESAMPLES }, () => {
    const times = sessions.map(() => 0);
    for (let draw = 0; draw < sessions.length; draw++) {
      const picked = Math.floor(random() * sessions.length);
      times[picked] = (times[picked] ?? 0) + 1;
    }
    return weightedP95(b, times) - weightedP95(a, times);
  });
  const centre = mean(differences);
  const error = Math.sqrt(sum(differences.map((each) => (each - centre) ** 2)) / (RESAMPLES - 1));
  const [aMs, bMs] = [weightedP95(a, once), weightedP95(b, once)];
  const half = studentTwoSided(level, sessions.length - 1) * error;
  return { aMs, bMs, deltaMs: bMs - aMs, lowMs: bMs - aMs - half, highMs: bMs - aMs + half };
}

/** 95th percentile of sorted values that count as often as their session was drawn; between two ranks, linear. */
function weightedP95(sorted: readonly { ms: number; session: number }[], times: readonly number[]): number {
  const total = sum(sorted.map(({ session }) => times[session] ?? 0));
  const position = (total - 1) * 0.95;
  const [below, share] = [Math.floor(position), position - Math.floor(position)];
  let [rank, low] = [-1, 0];
  for (const { ms, session } of sorted) {
    const before = rank;
    rank += times[session] ?? 0;
    if (before < below && rank >= below) low = ms;
    if (rank >= below + 1) return low + share * (ms - low);
  }
  return low;
}

function aroundQuantile(
  lane: readonly TurnSummary[],
  q: number,
): { turns: readonly TurnSummary[]; quantileMs: number; contributionMs(key: LedgerKey): number } | undefined {
  const sorted = lane
    .flatMap((turn) => (turn.e2eUs === undefined ? [] : [{ turn, e2eUs: turn.e2eUs }]))
    .sort((a, b) => a.e2eUs - b.e2eUs);
  if (sorted.length === 0) return undefined;
  const quantileMs =
    quantile(
      sorted.map(({ e2eUs }) => e2eUs),
      q,
    ) / 1000;
  const position = (sorted.length - 1) * q;
  const reach = Math.max(1, WINDOW_SHARE * sorted.length);
  const window = sorted.slice(Math.max(0, Math.ceil(position - reach)), Math.floor(position + reach) + 1);
  const windowMs = mean(window.map(({ e2eUs }) => e2eUs)) / 1000;
  const scale = windowMs === 0 ? 0 : quantileMs / windowMs;
  return {
    turns: window.map(({ turn }) => turn),
    quantileMs,
    contributionMs: (key) => (mean(window.map(({ turn }) => ledgerUs(turn, key))) / 1000) * scale,
  };
}
