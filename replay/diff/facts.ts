/** Facts that must hold before a difference means anything. They are counted, not tested. Pure. */
import type { TurnPair } from './align.ts';

/** A line for each fact that does not hold. `allowedModels`: those that B's strategy lets answer, where it is known. */
export function brokenFacts(pairs: readonly TurnPair[], allowedModels: readonly string[] = []): string[] {
  return [substitutedModels(pairs, allowedModels), inheritedConnections(pairs)].filter((each) => each !== undefined);
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
