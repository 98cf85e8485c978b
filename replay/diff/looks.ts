/** Looks at a run that ends when its verdicts are decided: how strict each is, and when the last comes. Pure. */
import { keyedRandom } from '../../service/base/random.ts';
import { normalDraw, studentTwoSided } from '../statistics/distributions.ts';
import { mean } from '../statistics/estimates.ts';
import { nominalLevels } from '../statistics/sequential.ts';
import { wordOf, type Verdict } from './verdict.ts';

/** With fewer sessions an interval says little. */
export const FIRST_LOOK = 4;

/** One look at a run until decided. */
export interface Look {
  /** Looks so far, this one included; 0 where the budget ended before the first. */
  looks: number;
  /** Sessions whose turns have all been run. */
  sessions: number;
  /** Turns that the look saw, of all lanes. */
  turns: number;
  /** The boundary is that of so many sessions, however many are run. */
  maxSessions: number;
  /** Two-sided nominal level of the look: that of its intervals and guards. */
  level: number;
}

const DECIDED: ReadonlySet<Verdict> = new Set(['worse', 'slower', 'faster', 'same']);

/** Whether no further session could be needed. */
export const isDecided = (verdict: Verdict): boolean => DECIDED.has(verdict);

/** The look after so many sessions and turns, with a boundary for `maxSessions`. */
export function createLooks(maxSessions: number): (sessions: number, turns: number) => Look {
  const levels = nominalLevels(
    Array.from({ length: maxSessions - FIRST_LOOK + 1 }, (_, index) => (FIRST_LOOK + index) / maxSessions),
  );
  const [strictest = 0] = levels;
  return (sessions, turns) => {
    const looks = Math.max(0, sessions - FIRST_LOOK + 1);
    return { looks, sessions, turns, maxSessions, level: levels[looks - 1] ?? strictest };
  };
}

/** Imagined runs behind `expectedSessions`; its answer is printed in whole sessions. */
const RUNS = 400;

/** The mean number of sessions after which a run is decided, or has used all, if the true difference is `effectMs`. Seeded. */
export function expectedSessions(
  effectMs: number,
  sdOfSessionsMs: number,
  { marginMs, maxSessions }: { marginMs: number; maxSessions: number },
): number {
  const lookAfter = createLooks(maxSessions);
  const random = keyedRandom('expected sessions');
  const used = Array.from({ length: RUNS }, () => {
    let [total, squares] = [0, 0];
    for (let sessions = 1; sessions < maxSessions; sessions++) {
      const ms = effectMs + sdOfSessionsMs * normalDraw(random);
      total += ms;
      squares += ms * ms;
      const { looks, level } = lookAfter(sessions, 0);
      if (looks === 0) continue;
      const deltaMs = total / sessions;
      const variance = Math.max(0, squares / sessions - deltaMs ** 2) / (sessions - 1);
      const half = studentTwoSided(level, sessions - 1) * Math.sqrt(variance);
      if (wordOf({ deltaMs, lowMs: deltaMs - half, highMs: deltaMs + half }, marginMs) !== undefined) return sessions;
    }
    return maxSessions;
  });
  return mean(used);
}
