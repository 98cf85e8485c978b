/** Progress of a replay on the terminal. */
import { createRealClock } from '../../service/base/clock.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import type { ExperimentOptions } from '../../replay/plan/plan.ts';

/** A turn of `wire` takes seconds, a thousand of `sim` take one. */
const TELL_EVERY_US = 1e6;

/** Tells of turns as they end. */
export function tellTurns({ progress }: CommandContext): NonNullable<ExperimentOptions['onTurn']> {
  const clock = createRealClock();
  let toldUs = Number.NEGATIVE_INFINITY;
  return (_turn, done, all) => {
    if (done < all && clock.nowUs() - toldUs < TELL_EVERY_US) return;
    toldUs = clock.nowUs();
    progress(`replaying: ${done} of ${all} turns`);
  };
}
