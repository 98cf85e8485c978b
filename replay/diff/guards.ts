/** Guards: harm that a faster lane must not have done. Each is broken, open or holds. Pure. */
import { holm, LEVEL } from '../statistics/estimates.ts';
import { pairedProportions, type Outcome } from '../statistics/paired-proportions.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { bySession, type Alignment, type TurnPair } from './align.ts';
import { meanGuards, type Tested } from './mean-guards.ts';

/** Broken: harm beyond the margin is shown. Holds: harm beyond the margin is ruled out. Open: neither. */
export const GUARD_STATES = ['broken', 'open', 'holds'] as const;

export interface Guard extends Omit<Tested, 'p' | 'lacking' | 'isTwoSided'> {
  state: (typeof GUARD_STATES)[number];
  /** The figures are those of a simulation's model. Broken, such a guard is no harm that anybody has seen. */
  predicted?: true;
}

/** Guards whose figures no model makes: a simulation's own code hears captured sound and cuts captured words. */
const WITHOUT_MODEL: ReadonlySet<string> = new Set(['premature ends', 'refusals', 'reply length']);

/** Two points. */
const YES_NO_MARGIN = 0.02;
/** Nobody hears a shorter stall. */
const STALL_US = 50_000;

interface GuardOptions {
  /** The chance that any guard of the comparison breaks without harm beyond its margin, and that the bound of one lies on the wrong side. */
  level?: number;
  /** A and B ask for prompts that a provider can cache alike (`cachedOtherwise`): then a difference in what was cached is luck. */
  isCachedAlike?: boolean;
  /** A lane has times that a simulation's model made. */
  isModelled?: boolean;
}

/**
 * A guard that no pair has figures for is absent. `marginMs` is that of the verdict; first content may be later by it and by what first audible is
 * later.
 */
export function guardsOf(
  { pairs, both }: Pick<Alignment, 'pairs' | 'both'>,
  marginMs: number,
  { level = LEVEL, isCachedAlike = false, isModelled = false }: GuardOptions = {},
): Guard[] {
  const tested = [
    ...YES_NO.map(({ name, of, isHarmed }) => yesNo(name, of === 'both' ? both : pairs, isHarmed, level)),
    ...meanGuards(pairs, marginMs, level, isCachedAlike),
  ].filter((guard) => guard !== undefined);
  const adjusted = holm(tested.map(({ p }) => p));
  return tested.map(({ p: _, limit, lacking, isTwoSided, ...guard }, index) => {
    const isHeld = lacking === undefined && isRuledOut({ ...guard, isTwoSided });
    const state = (adjusted[index] ?? 1) < level ? 'broken' : isHeld ? 'holds' : 'open';
    const predicted = isModelled && !WITHOUT_MODEL.has(guard.name) ? true : undefined;
    return { ...guard, state, predicted, limit: state === 'open' ? (lacking ?? limit) : undefined };
  });
}

function isRuledOut({ isTwoSided, low, high, margin }: Omit<Tested, 'p'>): boolean {
  if (high === undefined || high > margin) return false;
  return isTwoSided !== true || (low !== undefined && low >= -margin);
}

/** Harm that a turn has or has not. Failures and cut-off users are harm in turns that were not measured too. */
const YES_NO: readonly { name: string; of: 'both' | 'pairs'; isHarmed(turn: TurnSummary): boolean }[] = [
  { name: 'failed turns', of: 'both', isHarmed: ({ failure }) => failure !== undefined },
  { name: 'premature ends', of: 'both', isHarmed: ({ premature }) => premature },
  { name: 'refusals', of: 'pairs', isHarmed: ({ refused }) => refused === true },
  { name: 'stalls of 50 ms or more', of: 'pairs', isHarmed: ({ stallUs = 0 }) => stallUs >= STALL_US },
];

function yesNo(
  name: string,
  pairs: readonly TurnPair[],
  isHarmed: (turn: TurnSummary) => boolean,
  level: number,
): Tested | undefined {
  if (pairs.length === 0) return undefined;
  const outcome = ({ a, b }: TurnPair): Outcome => (isHarmed(a) === isHarmed(b) ? 0 : isHarmed(b) ? 1 : -1);
  const { value, high, p } = pairedProportions(
    bySession(pairs).map((session) => session.map(outcome)),
    YES_NO_MARGIN,
    level,
  );
  const [worse, better] = [1, -1].map((wanted) => pairs.filter((pair) => outcome(pair) === wanted).length);
  const harmed = pairs.filter(({ b }) => isHarmed(b)).length;
  const detail = `${harmed} of ${pairs.length}, ${worse} more and ${better} fewer than A`;
  return {
    name,
    unit: 'share',
    value,
    high,
    margin: YES_NO_MARGIN,
    detail,
    limit: `up to ${Math.ceil(high * 100)} more in 100`,
    p,
  };
}
