/** What each turn of a replay is expected to cost. Only replies have known prices: speech is not counted, and the plan says so. Pure. */
import { InputError } from '../../service/base/errors.ts';
import { estimateUsd, modelFacts, tokensOf } from '../../service/strategy/models.ts';
import type { TurnLog } from '../../service/base/events.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { ExperimentOptions, ExperimentPlan } from './plan.ts';
import { runKey, type PlannedRun } from '../arms/planned.ts';

const attrOf = (log: TurnLog, kind: string, name: string): number => {
  const value = log.events.find((event) => event.kind === kind)?.attrs?.[name];
  return typeof value === 'number' ? value : 0;
};

/** Every model that answers: the reply's, and the hedge's where there is one. */
const repliers = ({ llm }: Strategy): string[] => [
  llm.model,
  ...(llm.hedge === 'none' ? [] : [llm.hedge.model ?? llm.model]),
];

/**
 * What the turn's reply will cost, in USD, by the captured turn's lengths: one answer of the model, and one of the hedge's where
 * there is one. Undefined where a model has no known price (never 0). Retries and early replies are not foreseen.
 */
export function replyUsd(log: TurnLog, strategy: Strategy): number | undefined {
  const promptTokens = tokensOf(attrOf(log, 'llm.start', 'promptChars'));
  const done = log.events.some(({ kind }) => kind === 'llm.done');
  const replyTokens = done ? tokensOf(attrOf(log, 'llm.done', 'chars')) : strategy.llm.maxTokens; // a turn that failed says no length
  return repliers(strategy)
    .map((model) => estimateUsd(model, promptTokens, replyTokens))
    .reduce((sum, each) => (sum === undefined || each === undefined ? undefined : sum + each), 0);
}

export interface Prices {
  /** What the planned turn is expected to cost; undefined where a model has no known price. */
  usdOf(planned: PlannedRun): number | undefined;
  /** Models of the plan that have no known price. */
  unpriced: readonly string[];
}

/** What the plan's turns are expected to cost. Throws `InputError` when there is a budget and a model has no known price. */
export function pricesOf(
  { sessions, budgetUsd }: Pick<ExperimentOptions, 'sessions' | 'budgetUsd'>,
  { lanes }: Pick<ExperimentPlan, 'lanes'>,
): Prices {
  const prices = new Map<string, number>();
  const unpriced = new Set<string>();
  const keyOf = ({ sessionId, turnIndex, lane, variant }: Omit<PlannedRun, 'run'>): string =>
    runKey({ sessionId, turnIndex, lane, variant, run: 0 });
  for (const { sessionId, strategy: captured, turns } of sessions) {
    for (const { lane, variant, strategyOf } of lanes) {
      const strategy = strategyOf(captured);
      for (const model of repliers(strategy)) {
        if (modelFacts(model) !== undefined) continue;
        unpriced.add(model);
        if (budgetUsd !== undefined)
          // no limit at all otherwise: what has no price never exceeds it
          throw new InputError(
            `--budget-usd ${budgetUsd}: the price of ${model} (${variant}) is not known; add it to service/strategy/models.ts or leave the budget out`,
          );
      }
      for (const log of turns) {
        const usd = replyUsd(log, strategy);
        if (usd !== undefined) prices.set(keyOf({ sessionId, turnIndex: log.identity.turnIndex, lane, variant }), usd);
      }
    }
  }
  return { usdOf: (planned) => prices.get(keyOf(planned)), unpriced: [...unpriced] };
}
