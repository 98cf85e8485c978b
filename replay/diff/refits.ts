/** Pairs with what refits of a simulation's model make of them (docs/statistics.md#model). Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { alignTurns, intervalOver, keyed, refitsOf, type TurnPair } from './align.ts';

/** The lanes under one refit, which both share. A refit may hold some of the sessions only. */
export interface Refit {
  a: readonly TurnSummary[];
  b: readonly TurnSummary[];
}

/** The pairs of lane `a`, each with itself under every refit. */
export function withRefits(
  pairs: readonly TurnPair[],
  a: readonly TurnSummary[],
  refits: readonly Refit[],
): readonly TurnPair[] {
  if (refits.length === 0) return pairs;
  const keys = new Map([...keyed(a)].map(([key, turn]) => [turn, key]));
  const found = refits.map((refit) => {
    const names = new Map([...keyed(refit.a)].map(([key, turn]) => [turn, key]));
    return new Map(alignTurns(refit.a, refit.b).pairs.map((pair) => [names.get(pair.a), pair]));
  });
  return pairs.map((pair) => ({ ...pair, refits: found.map((byKey) => byKey.get(keys.get(pair.a))) }));
}

/** How much of an interval is the model's own uncertainty. */
export interface ModelUncertainty {
  refits: number;
  /** Of the variance behind the interval, in %. */
  variancePct: number;
}

/** Undefined without refits, or without an interval. */
export function modelUncertainty(
  pairs: readonly TurnPair[],
  value: (pair: TurnPair) => number,
): ModelUncertainty | undefined {
  const refits = refitsOf(pairs).length;
  const all = intervalOver(pairs, value).error;
  const ofSessions = intervalOver(
    pairs.map(({ a, b }) => ({ a, b })),
    value,
  ).error;
  if (refits === 0 || all === undefined || ofSessions === undefined) return undefined;
  return { refits, variancePct: all === 0 ? 0 : 100 * (1 - (ofSessions / all) ** 2) };
}
