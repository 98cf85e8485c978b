/** The order of turns and lanes. Pure and seeded: equal arguments give equal plans. */
import { keyedRandom } from '../../service/base/random.ts';
import { pairKey, type PlannedLane, type PlannedRun } from '../arms/planned.ts';

export interface PlannedSession {
  sessionId: string;
  turns: readonly number[];
}

/**
 * Sessions in random order, the turns of a session in order, and the lanes of a turn back to back in random order. So drift over time
 * hits every lane alike (docs/statistics.md#order-and-draws).
 */
export function planRuns(options: {
  sessions: readonly PlannedSession[];
  lanes: readonly PlannedLane[];
  runs: number;
  seed: string;
}): PlannedRun[] {
  const { sessions, lanes, runs, seed } = options;
  const planned: PlannedRun[] = [];
  for (let run = 0; run < runs; run++) {
    for (const { sessionId, turns } of shuffled(sessions, seed, 'sessions', run)) {
      for (const turnIndex of turns) {
        for (const lane of shuffled(lanes, seed, 'lanes', run, sessionId, turnIndex)) {
          planned.push({ ...lane, sessionId, turnIndex, run });
        }
      }
    }
  }
  return planned;
}

/** The runs of each turn in all its lanes, in order. */
export function plannedPairs(plan: readonly PlannedRun[]): PlannedRun[][] {
  return [...Map.groupBy(plan, pairKey).values()];
}

/** Fisher–Yates (Durstenfeld 1964) with a keyed stream. */
function shuffled<T>(items: readonly T[], ...key: readonly (string | number)[]): T[] {
  const random = keyedRandom(...key);
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const pick = Math.floor(random() * (last + 1));
    const [a, b] = [order[last], order[pick]];
    if (a === undefined || b === undefined) continue;
    order[last] = b;
    order[pick] = a;
  }
  return order;
}
