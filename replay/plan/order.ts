/** The order of turns and lanes. Pure and seeded: equal arguments give equal plans. */
import { keyedRandom } from '../../service/base/random.ts';
import { pairKey, type PlannedLane, type PlannedRun } from '../arms/planned.ts';

export interface PlannedSession {
  sessionId: string;
  turns: readonly number[];
}

/**
 * Sessions in random order, the turns of a session in order, and the lanes of a turn back to back. Within a session each lane follows each
 * other lane equally often, as far as its turns allow, so that drift and what a lane leaves behind hit every lane alike
 * (docs/statistics.md#order-and-draws).
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
      const orders = balancedOrders(shuffled(lanes, seed, 'lanes', run, sessionId));
      const first = Math.floor(keyedRandom(seed, 'first order', run, sessionId)() * orders.length);
      for (const [index, turnIndex] of turns.entries()) {
        for (const lane of orders[(first + index) % orders.length] ?? [])
          planned.push({ ...lane, sessionId, turnIndex, run });
      }
    }
  }
  return planned;
}

/** The runs of each turn in all its lanes, in order. */
export function plannedPairs(plan: readonly PlannedRun[]): PlannedRun[][] {
  return [...Map.groupBy(plan, pairKey).values()];
}

/**
 * Orders in which each item follows each other one equally often (Williams, Austral. J. Sci. Res. A 2:149–168, 1949): one for each item, or two
 * where their number is odd. An order and its reverse stand side by side, so that few turns are balanced too.
 */
export function balancedOrders<T>(items: readonly T[]): T[][] {
  const count = items.length;
  // 0, 1, n − 1, 2, n − 2, …: neighbours differ by every amount once
  const base = items.map((_, index) => (index % 2 === 1 ? (index + 1) / 2 : (count - index / 2) % count));
  const orders = items.map((_, shift) => base.flatMap((place) => items.slice((place + shift) % count).slice(0, 1)));
  if (count % 2 === 1) return orders.flatMap((order) => (count === 1 ? [order] : [order, order.toReversed()]));
  // shifted by half, an even order is its own reverse
  return orders.slice(0, count / 2).flatMap((order, index) => [order, orders[index + count / 2] ?? []]);
}

/** The runs of each session, repetitions included, in order. */
export function sessionBySession(plan: readonly PlannedRun[]): PlannedRun[][] {
  return [...Map.groupBy(plan, ({ sessionId }) => sessionId).values()];
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
