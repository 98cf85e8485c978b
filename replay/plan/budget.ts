/** The expected price of each turn. Only replies have known prices; the plan names speech as unpriced. Pure. */
import { InputError } from '../../service/base/errors.ts';
import { estimateUsd, modelFacts, tokensOf } from '../../service/strategy/models.ts';
import { capturedCosts, type CostOf } from '../../sim/times/captured-costs.ts';
import type { TurnLog } from '../../service/base/events.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { ReplayLane } from './lanes.ts';
import { runKey, type PlannedRun } from '../arms/planned.ts';

const attrOf = (log: TurnLog, kind: string, name: string): number => {
  const value = log.events.find((event) => event.kind === kind)?.attrs?.[name];
  return typeof value === 'number' ? value : 0;
};

/** The model of the reply, and that of the hedge where there is one. */
const repliers = ({ llm }: Strategy): string[] => [
  llm.model,
  ...(llm.hedge === 'none' ? [] : [llm.hedge.model ?? llm.model]),
];

/**
 * The price of the turn's reply in USD, by the lengths of the captured turn: one answer each of the model and of the hedge's model.
 * What captured answers of a model cost beats the table. Undefined where a model has no known price. Retries and early replies are not foreseen.
 */
export function replyUsd(log: TurnLog, strategy: Strategy, costOf: CostOf = () => undefined): number | undefined {
  const promptTokens = tokensOf(attrOf(log, 'llm.start', 'promptChars'));
  const done = log.events.some(({ kind }) => kind === 'llm.done');
  const replyTokens = done ? tokensOf(attrOf(log, 'llm.done', 'chars')) : strategy.llm.maxTokens; // a turn that failed says no length
  return repliers(strategy)
    .map((model) => costOf(model, promptTokens, replyTokens) ?? estimateUsd(model, promptTokens, replyTokens))
    .reduce((sum, each) => (sum === undefined || each === undefined ? undefined : sum + each), 0);
}

export interface Prices {
  /** Undefined where a model has no known price. */
  usdOf(planned: PlannedRun): number | undefined;
  /** Models without a known price. */
  unpriced: readonly string[];
  /** Models priced by the table, since no captured answer of theirs named a cost. */
  fromTable: readonly string[];
}

/** Throws `InputError` when there is a budget and a model without a known price. */
export function pricesOf(
  { sessions, budgetUsd }: { sessions: readonly CapturedSession[]; budgetUsd?: number },
  { lanes }: { lanes: readonly ReplayLane[] },
): Prices {
  const prices = new Map<string, number>();
  const [unpriced, fromTable] = [new Set<string>(), new Set<string>()];
  const costOf = capturedCosts(sessions.flatMap(({ turns }) => turns));
  const keyOf = ({ sessionId, turnIndex, lane, variant }: Omit<PlannedRun, 'run'>): string =>
    runKey({ sessionId, turnIndex, lane, variant, run: 0 });
  for (const { sessionId, strategy: captured, turns } of sessions) {
    for (const { lane, variant, strategyOf } of lanes) {
      const strategy = strategyOf(captured);
      for (const model of repliers(strategy)) {
        if (costOf(model, 1, 1) !== undefined) continue;
        if (modelFacts(model) !== undefined) {
          fromTable.add(model);
          continue;
        }
        unpriced.add(model);
        if (budgetUsd !== undefined)
          // a model without a price would never exceed the budget
          throw new InputError(
            `--budget-usd ${budgetUsd}: the price of ${model} (${variant}) is not known; add the price to service/strategy/models.ts, or leave the budget out`,
          );
      }
      for (const log of turns) {
        const usd = replyUsd(log, strategy, costOf);
        if (usd !== undefined) prices.set(keyOf({ sessionId, turnIndex: log.identity.turnIndex, lane, variant }), usd);
      }
    }
  }
  return { usdOf: (planned) => prices.get(keyOf(planned)), unpriced: [...unpriced], fromTable: [...fromTable] };
}
