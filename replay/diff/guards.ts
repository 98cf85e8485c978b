/** Guards: harm that a faster lane must not have done. Each is broken, open or holds. Pure. */
import { holm, LEVEL, sum } from '../statistics/estimates.ts';
import { pairedProportions } from '../statistics/paired-proportions.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { bySession, turnsIn, type Alignment, type TurnPair } from './align.ts';
import { isQuantity, knownIn, meanGuards, UNKNOWN, type Tested } from './mean-guards.ts';

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
 * A guard that no pair has figures for is absent: what nobody knows is no "holds". `marginMs` is that of the verdict; first content may be later by it and by what first audible is
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

/** Harm that a turn has or has not; undefined where nobody knows. Failures and cut-off users are harm in turns that were not measured too. */
const YES_NO: readonly { name: string; of: 'both' | 'pairs'; isHarmed(turn: TurnSummary): boolean | undefined }[] = [
  { name: 'failed turns', of: 'both', isHarmed: ({ failure }) => failure !== undefined },
  { name: 'premature ends', of: 'both', isHarmed: ({ premature }) => premature },
  { name: 'refusals', of: 'pairs', isHarmed: ({ refused }) => refused },
  {
    name: 'stalls of 50 ms or more',
    of: 'pairs',
    isHarmed: ({ stallUs }) => (stallUs !== undefined && isQuantity(stallUs) ? stallUs >= STALL_US : undefined),
  },
];

function yesNo(
  name: string,
  pairs: readonly TurnPair[],
  isHarmed: (turn: TurnSummary) => boolean | undefined,
  level: number,
): Tested | undefined {
  const about = { name, unit: 'share', margin: YES_NO_MARGIN } as const;
  const { known, lacking } = knownIn(pairs, (turn) => isHarmed(turn) !== undefined);
  if (known.length === 0) return lacking === undefined ? undefined : { ...about, ...UNKNOWN, lacking };
  const sessions = bySession(known).map((session) =>
    [...Map.groupBy(session, ({ a }) => a.turnIndex).values()].map((runs) => {
      const shareOf = (has: (pair: TurnPair) => boolean): number => runs.filter(has).length / runs.length;
      return {
        worse: shareOf(({ a, b }) => isHarmed(b) === true && isHarmed(a) === false),
        better: shareOf(({ a, b }) => isHarmed(a) === true && isHarmed(b) === false),
        harmed: shareOf(({ b }) => isHarmed(b) === true),
      };
    }),
  );
  const { value, high, p } = pairedProportions(sessions, YES_NO_MARGIN, level);
  const turns = sessions.flat();
  const total = (figure: 'harmed' | 'worse' | 'better'): string => countText(sum(turns.map((turn) => turn[figure])));
  const unknown = turnsIn(pairs) - turns.length;
  const detail = `${total('harmed')} of ${turns.length}, ${total('worse')} more and ${total('better')} fewer than A`;
  return {
    ...about,
    value,
    high,
    detail: unknown === 0 ? detail : `${detail}; unknown in ${unknown} more`,
    limit: `up to ${Math.ceil(high * 100)} more in 100`,
    lacking,
    p,
  };
}

/** A turn that was harmed in some of its runs counts as that share. */
const countText = (count: number): string => String(Math.round(count * 100) / 100);
