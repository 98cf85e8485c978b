/** OpenRouter's JSON: errors, generations, models. */
import type { MODELS } from '../../service/strategy/models.ts';
import { isObject } from '../../service/base/json.ts';
import type { ExchangePlan } from '../times/plan.ts';

export interface Generation {
  id: string;
  model: string;
  providerName: string;
  created: number;
  text: string;
  finishReason: 'stop' | 'length';
  usage: {
    prompt_tokens: number;
    completion_tokens: number;
    total_tokens: number;
    cost: number;
    [more: string]: unknown;
  };
}

export function openRouterFailure(code: number, message: string): unknown {
  const metadata = code === 502 ? { provider_name: 'Stand-in', raw: message } : {};
  return { error: { code, message, metadata } };
}

/** The answer to `GET /generation`. */
export function generationRecord(generation: Generation, plan: ExchangePlan): Record<string, unknown> {
  const bodyUs = plan.items.reduce((sum, { gapUs }) => sum + gapUs, 0);
  return {
    id: generation.id,
    model: generation.model,
    provider_name: generation.providerName,
    latency: Math.round(plan.waitUs / 1000),
    generation_time: Math.round(bodyUs / 1000),
    tokens_prompt: generation.usage.prompt_tokens,
    tokens_completion: generation.usage.completion_tokens,
    native_tokens_prompt: generation.usage.prompt_tokens,
    native_tokens_completion: generation.usage.completion_tokens,
    provider_responses: [
      { provider_name: generation.providerName, status: 200, latency: Math.round(plan.waitUs / 1000) },
    ],
    total_cost: generation.usage.cost,
    streamed: true,
    cancelled: false,
    finish_reason: generation.finishReason,
  };
}

/** A model as `GET /models` lists it. */
export function modelRecord({ id, usdPerMInput, usdPerMOutput }: (typeof MODELS)[number]): Record<string, unknown> {
  return { id, name: id, pricing: { prompt: String(usdPerMInput / 1e6), completion: String(usdPerMOutput / 1e6) } };
}

/** Whether `provider` of a request asks for the same as a model's suffix `:nitro`. */
export function sortedByThroughput(provider: unknown): boolean {
  return isObject(provider) && provider['sort'] === 'throughput';
}
