/** What would settle an open verdict: sessions, and their price. Pure. */
import { sum, type Interval } from '../statistics/estimates.ts';
import { bySession, type TurnPair } from './align.ts';
import { sessionsToSettle } from './power.ts';
import type { Evidence, Verdict } from './verdict.ts';

export interface Settle {
  /** Sessions in all, those at hand included. */
  sessions: number;
  /** Of the LLM, both lanes, at the cost of the turns at hand. Absent where their cost is not known. */
  usd?: number;
}

/**
 * Undefined for a settled verdict, and where more sessions settle nothing: no turn was measured in both lanes,
 * the estimate lies at the margin, or the lanes do not match. Four in five
 * experiments of so many sessions are decided, if the true difference is the estimate.
 */
export function settleOf({
  verdict,
  evidence: { effect, marginMs, sessions, matchedShare, bounds, invalid, observational },
  interval,
  pairs,
}: {
  verdict: Verdict;
  evidence: Evidence;
  interval: Interval;
  pairs: readonly TurnPair[];
}): Settle | undefined {
  if (verdict !== 'inconclusive' || effect === undefined || observational) return undefined;
  if (matchedShare < bounds.matchedShare || invalid.length > 0) return undefined;
  const { mean, error, degrees } = interval;
  // the spread of session means behind the standard error
  const needed =
    error === undefined || degrees === undefined
      ? bounds.minSessions
      : sessionsToSettle(mean, error * Math.sqrt(degrees + 1), marginMs);
  if (needed === undefined) return undefined;
  const wanted = Math.max(needed, bounds.minSessions, sessions + 1);
  return { sessions: wanted, usd: usdOf(pairs, wanted) };
}

function usdOf(pairs: readonly TurnPair[], sessions: number): number | undefined {
  const costs = pairs.flatMap(({ a, b }) => [a.costUsd, b.costUsd]);
  const known = costs.filter((cost) => cost !== undefined);
  return known.length < costs.length || known.length === 0
    ? undefined
    : (sum(known) / bySession(pairs).length) * sessions;
}
