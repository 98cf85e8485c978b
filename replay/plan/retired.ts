/** Models that are gone by the day of a replay: live cannot ask them, stand-ins answer for them as they once did. Pure. */
import type { World } from '../../service/base/events.ts';
import { InputError } from '../../service/base/errors.ts';
import { isRetired, modelFacts } from '../../service/strategy/models.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { ReplayLane } from './lanes.ts';

interface About {
  sessions: readonly CapturedSession[];
  world: World;
  /** Of the replay, `YYYY-MM-DD`; absent: nothing is said of retirement. */
  day?: string;
}

/** `YYYY-MM-DD` in UTC. */
export function dayOf(epochUs: number): string {
  return new Date(epochUs / 1000).toISOString().slice(0, 10);
}

/** Every model that a lane may ask. */
function modelsOf({ llm: { model, hedge, fallback } }: Strategy): string[] {
  return [model, ...(hedge === 'none' || hedge.model === undefined ? [] : [hedge.model]), ...fallback];
}

const since = (model: string): string => {
  const { retires = '', retiresSource = '' } = modelFacts(model) ?? {};
  return `${model} is retired since ${retires} (${retiresSource})`;
};

/** Refuses a live lane that asks a retired model; one that has another model in its place is let through. Throws `InputError`. */
export function refuseRetired({ sessions, world, day }: About, lanes: readonly ReplayLane[]): void {
  if (world !== 'live' || day === undefined) return;
  for (const { lane, variant, strategyOf } of lanes) {
    for (const { sessionId, strategy } of sessions) {
      const gone = modelsOf(strategyOf(strategy)).find((model) => isRetired(model, day));
      if (gone === undefined) continue;
      const flag = lane === 'candidate' ? '--set' : '--baseline-set';
      throw new InputError(
        `${lane} ${variant}, session ${sessionId}: ${since(gone)}; substitute it in every lane (here by ${flag} llm.model=…), or replay in sim`,
      );
    }
  }
}

/** What a report's reader must know: models marked historical, and those that were put in the place of a retired one. */
export function retirementNotes({ sessions, world, day }: About, lanes: readonly ReplayLane[]): string[] {
  if (day === undefined) return [];
  const notes = new Set<string>();
  for (const { strategy: captured } of sessions) {
    for (const { lane, variant, strategyOf } of lanes) {
      const strategy = strategyOf(captured);
      for (const model of modelsOf(strategy).filter((each) => isRetired(each, day)))
        if (world !== 'live') notes.add(`historical: ${since(model)}; it answers here as it was captured or profiled`);
      if (isRetired(captured.llm.model, day) && strategy.llm.model !== captured.llm.model)
        notes.add(
          `${lane === 'candidate' ? variant : lane} is substituted: ${strategy.llm.model} in place of the captured ${captured.llm.model}, retired`,
        );
    }
  }
  return [...notes];
}
