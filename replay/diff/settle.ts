/** What would settle an open verdict: sessions, and their price. Pure. */
import { sum, type Interval } from '../statistics/estimates.ts';
import { bySession, type TurnPair } from './align.ts';
import { sessionsToSettle } from './power.ts';
import { wordOf, worstCaseDoubts, type Evidence, type Verdict } from './verdict.ts';

export interface Settle {
  /** Sessions in all, those at hand included. */
  sessions: number;
  /** Of the LLM, both lanes, at the cost of the turns at hand. Absent where their cost is not known. */
  usd?: number;
}

/**
 * Undefined for a settled verdict, and where more sessions settle nothing, as where the estimate lies at the margin. Four in five experiments of
 * so many sessions are decided, if the true difference is the estimate.
 */
export function settleOf({
  verdict,
  evidence,
  interval,
  pairs,
}: {
  verdict: Verdict;
  evidence: Evidence;
  interval: Interval;
  pairs: readonly TurnPair[];
}): Settle | undefined {
  const { marginMs, sessions, bounds } = evidence;
  if (verdict !== 'inconclusive' || isBeyondSessions(evidence)) return undefined;
  const needed = sessionsFor(interval, sessions, marginMs);
  if (needed === undefined) return undefined;
  const wanted = Math.max(Math.ceil(needed), bounds.minSessions, sessions + 1);
  return { sessions: wanted, usd: usdOf(pairs, wanted) };
}

/**
 * Sessions in all that decide four in five experiments, if the true difference is the interval's mean. Sessions of unequal size count as fewer
 * equal ones: as many as the degrees of freedom tell. So do those to come. Undefined where no number of them would do.
 */
export function sessionsFor(
  { mean, error, degrees }: Interval,
  sessions: number,
  marginMs: number,
): number | undefined {
  if (error === undefined || degrees === undefined) return 0;
  const equal = Math.min(degrees + 1, sessions);
  const needed = sessionsToSettle(mean, error * Math.sqrt(equal), marginMs);
  return needed && (needed * sessions) / equal;
}

/** Whether as many more sessions of the same kind would leave the verdict open. */
function isBeyondSessions(evidence: Evidence): boolean {
  const { effect, marginMs, matchedShare, bounds, invalid, observational, worstCase, guards, simulated } = evidence;
  const word = effect && wordOf(effect, marginMs);
  return (
    observational ||
    effect === undefined ||
    matchedShare < bounds.matchedShare ||
    invalid.length > 0 ||
    (worstCase !== undefined && wordOf(worstCase, marginMs) === 'slower') ||
    (worstCase !== undefined &&
      (word === 'same' || word === 'faster') &&
      worstCaseDoubts(worstCase, word, marginMs).length > 0) ||
    (simulated !== undefined && guards.some(({ state }) => state === 'broken'))
  );
}

function usdOf(pairs: readonly TurnPair[], sessions: number): number | undefined {
  const costs = pairs.flatMap(({ a, b }) => [a.costUsd, b.costUsd]);
  const known = costs.filter((cost) => cost !== undefined);
  return known.length < costs.length || known.length === 0
    ? undefined
    : (sum(known) / bySession(pairs).length) * sessions;
}
