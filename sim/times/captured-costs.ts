/** What captured answers said that they cost: it beats every table of prices. Pure. */
import { numberOf, stringOf } from '../../service/base/events.ts';
import { modelFacts, tokensOf } from '../../service/strategy/models.ts';
import type { CapturedTurn } from './captured-turn.ts';

/** USD of an answer. Undefined for a model whose captured answers, if any, named no cost: its cost is then not known, never 0. */
export type CostOf = (model: string, promptTokens: number, completionTokens: number) => number | undefined;

/** Prices of models that service/strategy/models.ts does not list. */
const UNLISTED = { usdPerMInput: 0.1, usdPerMOutput: 0.4 };

/** By the requested model: the answers' cost over what their lengths cost in the table, times what the asked lengths cost there. */
export function capturedCosts(turns: readonly Pick<CapturedTurn, 'events'>[]): CostOf {
  const sums = new Map<string, { saidUsd: number; tableUsd: number }>();
  for (const { events } of turns) {
    for (const done of events.filter(({ kind }) => kind === 'llm.done')) {
      const start = events.find(({ kind, exchange }) => kind === 'llm.start' && exchange === done.exchange);
      const [model, usd] = [stringOf(start, 'model'), numberOf(done, 'costUsd')];
      if (model === undefined || usd === undefined) continue;
      const tokens = [numberOf(start, 'promptChars') ?? 0, numberOf(done, 'chars') ?? 0].map(tokensOf);
      const sum = sums.get(model) ?? { saidUsd: 0, tableUsd: 0 };
      sums.set(model, {
        saidUsd: sum.saidUsd + usd,
        tableUsd: sum.tableUsd + tableUsd(model, tokens[0] ?? 0, tokens[1] ?? 0),
      });
    }
  }
  return (model, promptTokens, completionTokens) => {
    const sum = sums.get(model);
    if (sum === undefined || sum.tableUsd === 0) return undefined;
    const share = sum.saidUsd / sum.tableUsd;
    // stand-ins charge by the table: no rounding of sums makes their answers cost anything else
    return (Math.abs(share - 1) < 1e-9 ? 1 : share) * tableUsd(model, promptTokens, completionTokens);
  };
}

/** By the table of prices. */
export function tableUsd(model: string, promptTokens: number, completionTokens: number): number {
  const { usdPerMInput, usdPerMOutput } = modelFacts(model) ?? UNLISTED;
  return (promptTokens * usdPerMInput + completionTokens * usdPerMOutput) / 1e6;
}
