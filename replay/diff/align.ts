/** Pairs of turns to compare, by session and turn, and what was left out, by cause. Pure. */
import { InputError } from '../../service/base/errors.ts';
import { turnKey } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { highest } from '../../service/base/quantile.ts';
import { clusteredMean, LEVEL, mean, sum, type Interval } from '../statistics/estimates.ts';
import { withModels } from '../statistics/multiple-imputation.ts';

export interface TurnPair {
  a: TurnSummary;
  b: TurnSummary;
  /** The same turn under each refit of a simulation's model; undefined where a lane did not measure it there. */
  refits?: readonly (TurnPair | undefined)[];
}

/** Why a turn is in no measured pair, or in none that has the primary figure. */
export const LOSS_CAUSES = [
  'missing',
  'failed',
  'no first audible',
  'end to end is no positive time',
  'no ledger',
  'parts do not add up',
  'no primary figure',
] as const;
type LossCause = (typeof LOSS_CAUSES)[number];

/** Turns of one lane that are in no measured pair. */
export interface Lost {
  lane: 'a' | 'b';
  cause: LossCause;
  turns: number;
  /** Of missing turns: mean end to end of the other lane, which has them. */
  otherMeanMs?: number;
}

export interface Alignment {
  /** Both turns are measured. */
  pairs: readonly TurnPair[];
  /** Both lanes ran the turn, and each run is measured or failed. */
  both: readonly TurnPair[];
  /** Usable turns of A that B lacks. */
  onlyA: readonly TurnSummary[];
  /** Of each lane's turns, those in `both`; the smaller of both shares. 0 for an empty lane. */
  matchedShare: number;
  lost: readonly Lost[];
}

/** A turn counts where it was measured, or failed: a failure is a result. Undefined for such a turn, else why not. */
export function unusable(turn: TurnSummary): LossCause | undefined {
  const { failure, e2eUs, ledger } = turn;
  if (failure !== undefined) return undefined;
  if (e2eUs === undefined) return 'no first audible';
  if (!Number.isFinite(e2eUs) || e2eUs <= 0) return 'end to end is no positive time';
  if (ledger.length === 0) return 'no ledger';
  if (ledger.some(({ us }) => !(us >= 0)) || sum(ledger.map(({ us }) => us)) !== e2eUs) return 'parts do not add up';
  return undefined;
}

/** Measured: usable, and not failed. */
export const isMeasured = (turn: TurnSummary): boolean => turn.failure === undefined && unusable(turn) === undefined;

/** Turns of one lane that cannot be compared, by cause. */
export function lossesOf(lane: Lost['lane'], turns: readonly TurnSummary[]): Lost[] {
  const causes = turns.flatMap((turn) => unusable(turn) ?? (turn.failure === undefined ? [] : ['failed' as const]));
  return [...Map.groupBy(causes, (cause) => cause)].map(([cause, of]) => ({ lane, cause, turns: of.length }));
}

/** Pairs turns by session, index and repetition. Throws `InputError` where a turn's lanes measure from different zeros. */
export function alignTurns(a: readonly TurnSummary[], b: readonly TurnSummary[]): Alignment {
  const losses = new Map<string, { lane: Lost['lane']; cause: LossCause; others: TurnSummary[]; turns: number }>();
  const lose = (lane: Lost['lane'], cause: LossCause, other?: TurnSummary): void => {
    const key = `${lane} ${cause}`;
    const known = losses.get(key) ?? { lane, cause, others: [], turns: 0 };
    known.turns++;
    if (other !== undefined) known.others.push(other);
    losses.set(key, known);
  };
  const usableOf = (lane: Lost['lane'], turns: readonly TurnSummary[]): TurnSummary[] =>
    turns.filter((turn) => {
      const cause = unusable(turn);
      if (cause !== undefined) lose(lane, cause);
      return cause === undefined;
    });
  const [left, right] = [keyed(usableOf('a', a)), keyed(usableOf('b', b))];
  const all = { a: keyed(a), b: keyed(b) };
  const both: TurnPair[] = [];
  const pairs: TurnPair[] = [];
  const onlyA: TurnSummary[] = [];
  for (const [key, turnA] of left) {
    const turnB = right.get(key);
    if (turnB === undefined) {
      onlyA.push(turnA);
      if (!all.b.has(key)) lose('b', 'missing', turnA);
      continue;
    }
    if (turnA.zero !== turnB.zero) {
      throw new InputError(
        `session ${turnA.sessionId}, turn ${turnA.turnIndex}: zero is "${turnA.zero}" in A and "${turnB.zero}" in B; turns of different zeros are never paired: compare streamed turns with streamed ones`,
      );
    }
    both.push({ a: turnA, b: turnB });
    if (turnA.failure !== undefined) lose('a', 'failed');
    if (turnB.failure !== undefined) lose('b', 'failed');
    if (turnA.failure === undefined && turnB.failure === undefined) pairs.push({ a: turnA, b: turnB });
  }
  for (const [key, turnB] of right) if (!all.a.has(key)) lose('a', 'missing', turnB);
  const matchedShare = a.length === 0 || b.length === 0 ? 0 : both.length / Math.max(a.length, b.length);
  return { pairs, both, onlyA, matchedShare, lost: [...losses.values()].map(lostOf) };
}

function lostOf({
  others,
  ...lost
}: {
  lane: Lost['lane'];
  cause: LossCause;
  others: TurnSummary[];
  turns: number;
}): Lost {
  const known = others.filter(isMeasured).map(({ e2eUs = 0 }) => e2eUs / 1000);
  return known.length === 0 ? lost : { ...lost, otherMeanMs: mean(known) };
}

/** Sessions in order of their first pair. */
export function bySession<Pair extends TurnPair>(pairs: readonly Pair[]): Pair[][] {
  return [...Map.groupBy(pairs, ({ a }) => a.sessionId).values()];
}

/** From so many sessions on they alone are the units: with fewer, a few lucky ones would make a narrow interval. */
const SESSIONS_ALONE = 4;

/**
 * Mean and interval of values by session and turn; repetitions of a turn are averaged first. The units are sessions; with one session they are
 * turns, and below four sessions the wider of both intervals is taken.
 */
export function meanOver(
  values: readonly { sessionId: string; turnIndex: number; value: number }[],
  level = LEVEL,
): Interval {
  const sessions = [...Map.groupBy(values, ({ sessionId }) => sessionId).values()].map((session) =>
    [...Map.groupBy(session, ({ turnIndex }) => turnIndex).values()].map((runs) =>
      mean(runs.map(({ value }) => value)),
    ),
  );
  const overSessions = clusteredMean(sessions, level);
  if (sessions.length >= SESSIONS_ALONE) return overSessions;
  const overTurns = clusteredMean(
    sessions.flat().map((turn) => [turn]),
    level,
  );
  const width = ({ low = 0, high = -1 }: Interval): number => high - low;
  return width(overSessions) >= width(overTurns) ? overSessions : overTurns;
}

/** `meanOver` of a figure of pairs. What refits differ by widens the interval. */
export function intervalOver(pairs: readonly TurnPair[], value: (pair: TurnPair) => number, level = LEVEL): Interval {
  const over = (some: readonly TurnPair[]): Interval =>
    meanOver(
      some.map((pair) => ({ sessionId: pair.a.sessionId, turnIndex: pair.a.turnIndex, value: value(pair) })),
      level,
    );
  return withModels(
    over(pairs),
    refitsOf(pairs).map((refit) => over(refit).mean),
    level,
  );
}

/** The pairs of each refit. */
export function refitsOf(pairs: readonly TurnPair[]): TurnPair[][] {
  const count = highest([0, ...pairs.map(({ refits = [] }) => refits.length)]);
  return Array.from({ length: count }, (_, index) => pairs.flatMap(({ refits }) => refits?.[index] ?? [])).filter(
    (refit) => refit.length > 0,
  );
}

/** Pairs in which both turns have a figure, under refits too. */
export function pairsWhere(pairs: readonly TurnPair[], has: (turn: TurnSummary) => boolean): TurnPair[] {
  const both = (pair: TurnPair | undefined): boolean => pair !== undefined && has(pair.a) && has(pair.b);
  return pairs
    .filter(both)
    .map((pair) =>
      pair.refits === undefined
        ? pair
        : { ...pair, refits: pair.refits.map((refit) => (both(refit) ? refit : undefined)) },
    );
}

/** Distinct turns: repetitions are no further turns. */
export function turnsIn(pairs: readonly TurnPair[]): number {
  return new Set(pairs.map(({ a }) => turnKey(a))).size;
}

/** By session, turn and repetition: the first of A meets the first of B. */
export function keyed(turns: readonly TurnSummary[]): Map<string, TurnSummary> {
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
