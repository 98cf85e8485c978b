/**
 * The parts of a quantile of end to end. Quantiles of stages are of different turns, so they do not add up. A part contributes
 * its mean over the turns around the quantile, rescaled to the quantile. This is Euler allocation, E[part | total = quantile]
 * (Tasche 1999), estimated in a window of ranks. Pure.
 */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { ledgerKeys, ledgerUs, type LedgerKey } from './ledger-rows.ts';
import { mean } from './stats.ts';
import { quantile } from '../../service/base/quantile.ts';

export interface PercentileRow extends LedgerKey {
  aMs: number;
  bMs: number;
  deltaMs: number;
}

/** One quantile of both lanes. The phase rows add up to the total, and so do the rows of stages. */
export interface Percentile {
  /** 0.5 is the median. */
  q: number;
  aMs: number;
  bMs: number;
  deltaMs: number;
  rows: readonly PercentileRow[];
}

/** Turns on each side of the quantile, as a share of all turns; at least one turn. */
const WINDOW_SHARE = 0.02;

/** Of measured turns. Undefined when a lane has none. */
export function percentileOf(a: readonly TurnSummary[], b: readonly TurnSummary[], q: number): Percentile | undefined {
  const [left, right] = [aroundQuantile(a, q), aroundQuantile(b, q)];
  if (left === undefined || right === undefined) return undefined;
  const rows = ledgerKeys([...left.turns, ...right.turns]).map((key) => {
    const [aMs, bMs] = [left.contributionMs(key), right.contributionMs(key)];
    return { ...key, aMs, bMs, deltaMs: bMs - aMs };
  });
  return { q, aMs: left.quantileMs, bMs: right.quantileMs, deltaMs: right.quantileMs - left.quantileMs, rows };
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
