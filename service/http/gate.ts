/** At most so many pieces of work at once: others wait their turn, and too many that wait are refused. */
import { ProblemError } from './problem.ts';

export interface Gate {
  /** Does the work when its turn comes. Throws `ProblemError` (503) where too many wait already. */
  pass<Result>(work: () => Promise<Result>): Promise<Result>;
}

export function createGate({
  atOnce,
  waitingLimit,
  what,
}: {
  atOnce: number;
  waitingLimit: number;
  what: string;
}): Gate {
  const waiting: (() => void)[] = [];
  let working = 0;
  return {
    async pass(work) {
      if (working >= atOnce) {
        if (waiting.length >= waitingLimit) {
          throw new ProblemError({
            status: 503,
            title: 'Too many requests of this kind',
            detail: `${atOnce + waitingLimit} requests ${what} already; try again in a second`,
            limit: `${atOnce + waitingLimit} requests`,
            headers: { 'retry-after': '1' },
          });
        }
        await new Promise<void>((resolve) => waiting.push(resolve)); // whoever ends hands its place on
      } else working++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) working--;
        else next();
      }
    },
  };
}
