/** Pairs of turns to compare, by session and turn, and what was left out, by cause. Pure. */
import { InputError } from '../../service/base/errors.ts';
import { turnKey } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { clusteredMean, type Interval } from './stats.ts';

export interface TurnPair {
  a: TurnSummary;
  b: TurnSummary;
}

/** Why a turn is in no pair. */
export const DROP_CAUSES = ['missing', 'failed', 'no first audible'] as const;
type DropCause = (typeof DROP_CAUSES)[number];

export interface Dropped {
  lane: 'a' | 'b';
  cause: DropCause;
  turns: number;
}

export interface Alignment {
  /** Both turns are measured. */
  pairs: readonly TurnPair[];
  /** Both lanes ran the turn, measured or not. */
  both: readonly TurnPair[];
  dropped: readonly Dropped[];
}

/** Pairs turns by session, index and repetition. Throws `InputError` where a turn's lanes measure from different zeros. */
export function alignTurns(a: readonly TurnSummary[], b: readonly TurnSummary[]): Alignment {
  const left = keyed(a);
  const right = keyed(b);
  const both: TurnPair[] = [];
  const pairs: TurnPair[] = [];
  const causes = new Map<string, Dropped>();
  const drop = (lane: Dropped['lane'], cause: DropCause): void => {
    const key = `${lane} ${cause}`;
    causes.set(key, { lane, cause, turns: (causes.get(key)?.turns ?? 0) + 1 });
  };
  for (const [key, turnA] of left) {
    const turnB = right.get(key);
    if (turnB === undefined) {
      drop('b', 'missing');
      continue;
    }
    if (turnA.zero !== turnB.zero) {
      throw new InputError(
        `session ${turnA.sessionId}, turn ${turnA.turnIndex}: zero is "${turnA.zero}" in A and "${turnB.zero}" in B; turns of different zeros are never paired: compare streamed turns with streamed ones`,
      );
    }
    both.push({ a: turnA, b: turnB });
    const unmeasuredA = unmeasured(turnA);
    const unmeasuredB = unmeasured(turnB);
    if (unmeasuredA !== undefined) drop('a', unmeasuredA);
    if (unmeasuredB !== undefined) drop('b', unmeasuredB);
    if (unmeasuredA === undefined && unmeasuredB === undefined) pairs.push({ a: turnA, b: turnB });
  }
  for (const key of right.keys()) if (!left.has(key)) drop('a', 'missing');
  return { pairs, both, dropped: [...causes.values()] };
}

/** Sessions in order of their first pair. */
export function bySession(pairs: readonly TurnPair[]): TurnPair[][] {
  const sessions = new Map<string, TurnPair[]>();
  for (const pair of pairs) {
    const known = sessions.get(pair.a.sessionId);
    if (known === undefined) sessions.set(pair.a.sessionId, [pair]);
    else known.push(pair);
  }
  return [...sessions.values()];
}

/** An interval over sessions, or over turns where there is one session only. */
export function intervalOver(pairs: readonly TurnPair[], value: (pair: TurnPair) => number): Interval {
  const sessions = bySession(pairs);
  const clusters = sessions.length > 1 ? sessions : pairs.map((pair) => [pair]);
  return clusteredMean(clusters.map((cluster) => cluster.map(value)));
}

function unmeasured(turn: TurnSummary): DropCause | undefined {
  if (turn.failure !== undefined) return 'failed';
  return turn.e2eUs === undefined ? 'no first audible' : undefined;
}

/** By session, turn and repetition: the first of A meets the first of B. */
function keyed(turns: readonly TurnSummary[]): Map<string, TurnSummary> {
  const seen = new Map<string, number>();
  return new Map(
    turns.map((turn) => {
      const key = turnKey(turn);
      const run = seen.get(key) ?? 0;
      seen.set(key, run + 1);
      return [`${key}/${run}`, turn];
    }),
  );
}
