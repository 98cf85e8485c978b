/** How many sessions a run until decided may use. Pure. */
import { InputError } from '../../service/base/errors.ts';
import type { World } from '../../service/base/events.ts';
import { FIRST_LOOK } from '../diff/looks.ts';
import { sum } from '../statistics/estimates.ts';

/** More looks would cost seconds to plan, and save no sessions. */
const MOST_SESSIONS = 200;

export interface UntilDecided {
  /** As asked; by default all sessions of the replay. */
  maxSessions?: number;
  /** The most sessions as a journal fixed them, when its run is resumed. */
  fixed?: number;
}

/**
 * The most sessions of a run until decided: those asked for, as far as they are there and the budget pays for them. `pricesUsd`: of each session
 * in order. Throws `InputError` for a run that cannot take a look.
 */
export function mostSessions(
  { maxSessions, fixed }: UntilDecided,
  { world, budgetUsd }: { world: World; budgetUsd?: number },
  pricesUsd: readonly number[],
): number {
  if (world === 'sim')
    throw new InputError(
      '--until-decided is for wire and live: in sim time is virtual and costs nothing; leave --until-decided out',
    );
  if (fixed !== undefined) return fixed;
  const asked = Math.min(maxSessions ?? pricesUsd.length, pricesUsd.length);
  if (asked < FIRST_LOOK)
    throw new InputError(
      `--until-decided looks after each session from the ${FIRST_LOOK}th, and this run has at most ${asked}: name more sessions, or raise --max-sessions`,
    );
  if (asked > MOST_SESSIONS)
    throw new InputError(
      `--until-decided takes at most ${MOST_SESSIONS} sessions; add --max-sessions ${MOST_SESSIONS}`,
    );
  let usd = 0;
  const first = pricesUsd.findIndex((price) => (usd += price) > (budgetUsd ?? Number.POSITIVE_INFINITY));
  const paid = first === -1 ? asked : Math.min(asked, first);
  if (paid < FIRST_LOOK)
    throw new InputError(
      `--budget-usd ${budgetUsd ?? 0} pays for ${paid} sessions, and --until-decided needs ${FIRST_LOOK}: raise --budget-usd to ${(Math.ceil(sum(pricesUsd.slice(0, FIRST_LOOK)) * 1e4) / 1e4).toFixed(4)} or more`,
    );
  return paid;
}
