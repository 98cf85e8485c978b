/** Another capture of as many sessions, drawn from those at hand: what a fit might have been. Pure. */
import { keyedRandom } from '../../service/base/random.ts';
import type { Observation } from './observed.ts';

export interface Redraw {
  /** The exchanges of the drawn sessions, a session as often as it was drawn; all where none of these exchanges was drawn. */
  sample(all: readonly Observation[]): readonly Observation[];
  /**
   * For each exchange the drawn one in its place when both are sorted by time. So one random number draws alike from every capture, and
   * captures differ by their times, not by luck.
   */
  inPlace(all: readonly Observation[], usOf: (each: Observation) => number): readonly Observation[];
  /** By how much all times of a kind are longer together. */
  levelOf(kind: string): number;
}

/** The capture itself. */
export const AS_CAPTURED: Redraw = { sample: (all) => all, inPlace: (all) => all, levelOf: () => 1 };

/**
 * Draws sessions whole, with replacement: one fewer than there are, so that means vary as much as those of other captures do (J. N. K. Rao &
 * C. F. J. Wu, "Resampling inference with complex survey data", 1988). One session is drawn as itself.
 */
export function redrawnSessions(observations: readonly Observation[], ...key: readonly (string | number)[]): Redraw {
  const sessions = [...new Set(observations.map(({ sessionId }) => sessionId))];
  const random = keyedRandom(...key, 'sessions');
  const drawn = sessions.slice(1).flatMap(() => sessions[Math.floor(random() * sessions.length)] ?? []);
  const sample: Redraw['sample'] = (all) => {
    const bySession = Map.groupBy(all, ({ sessionId }) => sessionId);
    const some = drawn.flatMap((sessionId) => bySession.get(sessionId) ?? []);
    return some.length === 0 ? all : some;
  };
  return {
    sample,
    levelOf: () => 1,
    inPlace(all, usOf) {
      const sorted = sample(all).toSorted((a, b) => usOf(a) - usOf(b));
      const places = all.map((_, index) => index).sort((a, b) => timeAt(a) - timeAt(b));
      const found = [...all];
      for (const [rank, index] of places.entries()) {
        const there = sorted[Math.floor(((rank + 0.5) / all.length) * sorted.length)];
        if (there !== undefined) found[index] = there;
      }
      return found;

      function timeAt(index: number): number {
        const each = all[index];
        return each === undefined ? 0 : usOf(each);
      }
    },
  };
}
