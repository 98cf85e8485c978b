/** Models that are retired by the day of a replay: a warning in live, where the provider's answer decides; elsewhere stand-ins answer. Pure. */
import type { World } from '../../service/base/events.ts';
import { isRetired, modelFacts } from '../../service/strategy/models.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { ReplayLane } from './lanes.ts';

interface About {
  sessions: readonly CapturedSession[];
  world: World;
  /** Of the replay, `YYYY-MM-DD`. Absent: no model counts as retired. */
  day?: string;
}

/** `YYYY-MM-DD` in UTC. */
export function dayOf(epochUs: number): string {
  return new Date(epochUs / 1000).toISOString().slice(0, 10);
}

/** Every model that a lane may ask. */
function askedModels({ llm: { model, hedge, fallback } }: Strategy): string[] {
  return [model, ...(hedge === 'none' || hedge.model === undefined ? [] : [hedge.model]), ...fallback];
}

const since = (model: string): string => {
  const { retires = '', retiresSource = '' } = modelFacts(model) ?? {};
  return `${model} is retired since ${retires} (${retiresSource})`;
};

/** Notes of a plan and of a report: retired models, and models in the place of a retired one. */
export function retirementNotes({ sessions, world, day }: About, lanes: readonly ReplayLane[]): string[] {
  if (day === undefined) return [];
  const notes = new Set<string>();
  for (const { strategy: captured } of sessions) {
    for (const { lane, variant, strategyOf } of lanes) {
      const strategy = strategyOf(captured);
      for (const model of askedModels(strategy).filter((each) => isRetired(each, day)))
        notes.add(
          world === 'live'
            ? `warning: ${since(model)}; what the provider answers decides`
            : `historical: ${since(model)}; stand-ins answer by its capture or profile`,
        );
      if (isRetired(captured.llm.model, day) && strategy.llm.model !== captured.llm.model)
        notes.add(
          `${lane === 'candidate' ? variant : lane} is substituted: ${strategy.llm.model} in place of the captured ${captured.llm.model}, retired`,
        );
    }
  }
  return [...notes];
}
