/** What each turn of a replay is expected to cost. Only replies have known prices: speech is not counted, and the plan says so. Pure. */
import { InputError } from '../service/errors.ts';
import { estimateUsd, tokensOf } from '../service/models.ts';
import type { TurnLog } from '../service/events.ts';
import type { Strategy } from '../service/strategy.ts';
import type { ExperimentOptions, ExperimentPlan } from './experiment-plan.ts';
import { turnKey, type PlannedRun } from './plan.ts';

const attrOf = (log: TurnLog, kind: string, name: string): number => {
  const value = log.events.find((event) => event.kind === kind)?.attrs?.[name];
  return typeof value === 'number' ? value : 0;
};

/**
 * What the turn's reply will cost, in USD, by the captured turn's lengths: one answer of the model, and one of the hedge's where
 * there is one. Undefined where a model has no known price (never 0). Retries and early replies are not foreseen.
 */
export function replyUsd(log: TurnLog, { llm }: Strategy): number | undefined {
  const models = [llm.model, ...(llm.hedge === 'none' ? [] : [llm.hedge.model ?? llm.model])];
  const promptTokens = tokensOf(attrOf(log, 'llm.start', 'promptChars'));
  const done = log.events.some(({ kind }) => kind === 'llm.done');
  const replyTokens = done ? tokensOf(attrOf(log, 'llm.done', 'chars')) : llm.maxTokens; // a turn that failed says no length
  return models
    .map((model) => estimateUsd(model, promptTokens, replyTokens))
    .reduce((sum, each) => (sum === undefined || each === undefined ? undefined : sum + each), 0);
}

/** What each planned turn is expected to cost. Throws `InputError` when there is a budget and a model has no known price. */
export function pricesOf(
  { sessions, budgetUsd }: Pick<ExperimentOptions, 'sessions' | 'budgetUsd'>,
  { lanes }: Pick<ExperimentPlan, 'lanes'>,
): (planned: PlannedRun) => number | undefined {
  const prices = new Map<string, number>();
  const keyOf = ({ sessionId, turnIndex, lane, variant }: Omit<PlannedRun, 'run'>): string =>
    turnKey({ sessionId, turnIndex, lane, variant, run: 0 });
  for (const { sessionId, strategy: captured, turns } of sessions) {
    for (const { lane, variant, strategyOf } of lanes) {
      const strategy = strategyOf(captured);
      for (const log of turns) {
        const usd = replyUsd(log, strategy);
        if (usd !== undefined) prices.set(keyOf({ sessionId, turnIndex: log.identity.turnIndex, lane, variant }), usd);
        else if (budgetUsd !== undefined)
          // no limit at all otherwise: what has no price never exceeds it
          throw new InputError(
            `--budget-usd ${budgetUsd}: the price of ${strategy.llm.model} (${variant}), or of its hedge, is not known; add it to service/models.ts or leave the budget out`,
          );
      }
    }
  }
  return (planned) => prices.get(keyOf(planned));
}
