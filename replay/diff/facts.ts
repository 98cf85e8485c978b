/** Facts that must hold before a difference means anything. They are counted, not tested. Pure. */
import { fieldOf, listIn } from '../../service/base/json.ts';
import { highest } from '../../service/base/quantile.ts';
import { differingKnobs } from '../../service/strategy/knobs.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { MOST_READ_LAG_MS } from '../../service/turn-log/targets.ts';
import { mean } from '../statistics/estimates.ts';
import { percentText } from '../statistics/rounding.ts';
import type { TurnPair } from './align.ts';

/** Means of the lag with which the frame of speech end was read, over pairs in which both lanes have one. */
export interface ReadLag {
  aMs: number;
  bMs: number;
  pairs: number;
}

/** End to end of the lane that was read later is that much shorter: a difference of more is none of the change. */
const MOST_LAG_APART_MS = 10;

/** Undefined where no pair has both: uploads, virtual time, clients without a pace, older recordings. */
export function meanReadLag(pairs: readonly TurnPair[]): ReadLag | undefined {
  const both = pairs.flatMap(({ a, b }) =>
    a.readLagUs === undefined || b.readLagUs === undefined
      ? []
      : [{ aMs: a.readLagUs / 1000, bMs: b.readLagUs / 1000 }],
  );
  if (both.length === 0) return undefined;
  return { aMs: mean(both.map(({ aMs }) => aMs)), bMs: mean(both.map(({ bMs }) => bMs)), pairs: both.length };
}

/** Why the lag forbids a verdict; empty where it does not. It is never added to end to end. */
export function readLagDoubt(lag: ReadLag | undefined): string[] {
  if (lag === undefined || Math.abs(lag.bMs - lag.aMs) <= MOST_LAG_APART_MS) return [];
  return [
    `read lag: speech end was read ${lag.aMs.toFixed(1)} ms late in A and ${lag.bMs.toFixed(1)} ms in B, more than ${MOST_LAG_APART_MS} ms apart: end to end begins there; run both under the same load`,
  ];
}

/** One lane's turns that were read late: what end to end lacks of them. Undefined where there are none. */
export function readLateFact(lane: string, turns: readonly TurnSummary[]): string | undefined {
  const lags = turns.flatMap(({ readLagUs }) => readLagUs ?? []);
  const late = lags.filter((us) => us > MOST_READ_LAG_MS * 1000);
  if (late.length === 0) return undefined;
  return `${lane}: speech end was read late in ${late.length} of ${lags.length} turns (over ${MOST_READ_LAG_MS} ms, the most ${(highest(late) / 1000).toFixed(1)} ms): their end to end lacks it`;
}

/** A line for each fact that does not hold. `allowedModels`: those that B's strategy lets answer, where it is known. */
export function brokenFacts(pairs: readonly TurnPair[], allowedModels: readonly string[] = []): string[] {
  return [substitutedModels(pairs, allowedModels), inheritedConnections(pairs)].filter((each) => each !== undefined);
}

/** Models that the strategy lets answer. */
export function allowedModelsIn(strategy: Strategy): string[] {
  // a strategy read back from a report may hold anything
  const llm = fieldOf(strategy, 'llm');
  const models = [fieldOf(llm, 'model'), ...listIn(llm, 'fallback'), fieldOf(fieldOf(llm, 'hedge'), 'model')];
  return models.filter((model) => typeof model === 'string');
}

/** Both lanes asked for one model, and one that B's strategy does not allow answered in B. */
function substitutedModels(pairs: readonly TurnPair[], allowed: readonly string[]): string | undefined {
  const swapped = pairs.filter(
    ({ a, b }) =>
      a.model?.served !== undefined &&
      b.model?.served !== undefined &&
      a.model.requested === b.model.requested &&
      a.model.served !== b.model.served &&
      !allowed.includes(b.model.served),
  );
  const [example] = swapped;
  return example === undefined
    ? undefined
    : `served model: substituted in ${swapped.length} turns: ${example.b.model?.served ?? ''} for ${example.a.model?.served ?? ''}`;
}

/** In the first turn of a session every arm sets up its own connections, or none does. */
function inheritedConnections(pairs: readonly TurnPair[]): string | undefined {
  const firsts = new Map<string, TurnPair>();
  for (const pair of pairs) {
    const known = firsts.get(pair.a.sessionId);
    if (known === undefined || pair.a.turnIndex < known.a.turnIndex) firsts.set(pair.a.sessionId, pair);
  }
  const count = [...firsts.values()].filter(({ a, b }) => a.reusedFirst === false && b.reusedFirst === true).length;
  return count === 0 ? undefined : `connections: ${count} sessions began on a connection of another arm`;
}

/** In place of the commit, or of the strategy's hash, of a recording that does not tell. */
export const NOT_RECORDED = 'not recorded';

interface Asker {
  commit: string;
  strategy?: Strategy;
}

/** Why A and B need not find as much of a prompt cached; undefined where they should: then the share of cached tokens is tested as a guard. */
export function cachedOtherwise(a: Asker, b: Asker): string | undefined {
  if (a.strategy === undefined || b.strategy === undefined) return 'a strategy is not known';
  const knobs = differingKnobs(a.strategy, b.strategy, 'caches');
  if (knobs.length > 0) return `B changes ${knobs.join(', ')}`;
  if ([a.commit, b.commit].includes(NOT_RECORDED)) return 'a commit is not known';
  return a.commit === b.commit ? undefined : 'the commits differ';
}

/** What each lane found cached, where that is no guard. Undefined where no provider told, or nothing was cached. */
export function cachedFact(pairs: readonly TurnPair[], why: string | undefined): string | undefined {
  if (why === undefined) return undefined;
  const [a = [], b = []] = (['a', 'b'] as const).map((side) =>
    pairs.flatMap((pair) => pair[side].cachedPromptShare ?? []),
  );
  if ([...a, ...b].every((share) => share === 0)) return undefined;
  const of = (shares: readonly number[]): string => (shares.length === 0 ? 'not told' : percentText(mean(shares)));
  return `prompt tokens that the provider had cached: A ${of(a)}, B ${of(b)}; not tested: ${why}`;
}
