/** OpenRouter's own account of one answer, which it has some seconds after it: `GET /generation?id=…`. */
import type { Call } from '../base/ports.ts';
import { successful } from './failure.ts';
import { fieldOf, listIn, numberIn, textIn } from '../base/json.ts';
import { readJson } from './json.ts';

/** What of it becomes attributes; each is absent where OpenRouter does not say it. Times are OpenRouter's own, in ms. */
export interface GenerationRecord {
  /** Its `latency`, called total latency; whether that is the time to the first token is not confirmed. */
  gatewayMs?: number;
  /** Its `generation_time`. */
  generationMs?: number;
  moderationMs?: number;
  /** `latency` of the provider's answer that was used: the last one with status 200. */
  providerMs?: number;
  /** Providers that were tried. */
  providers?: number;
  /** In the model's own tokens, which are what is billed. */
  nativePromptTokens?: number;
  nativeCompletionTokens?: number;
  nativeReasoningTokens?: number;
  nativeCachedTokens?: number;
  totalCostUsd?: number;
}

/** Reads the record of generation `id`; undefined while there is none. Throws for any other answer. */
export type ReadGeneration = (id: string, call: Call) => Promise<GenerationRecord | undefined>;

/** The one place that asks; its key goes to OpenRouter alone. */
export function createGenerationRecord(config: { openRouterUrl: string; openRouterKey: string }): ReadGeneration {
  return async function generationRecord(id, call) {
    const response = await call.fetch(`${config.openRouterUrl}/generation?id=${encodeURIComponent(id)}`, {
      headers: { authorization: `Bearer ${config.openRouterKey}`, accept: 'application/json' },
      signal: call.signal,
    });
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    const answer = await readJson(await successful(response), 'OpenRouter /generation', 'llm');
    const data = fieldOf(answer, 'data');
    return textIn(data, 'id') === id ? recordFrom(data) : undefined;
  };
}

/** Lists of a provider's answers are longer only by mistake. */
const ANSWERS_LIMIT = 20;

function recordFrom(data: unknown): GenerationRecord {
  const answers = listIn(data, 'provider_responses').slice(0, ANSWERS_LIMIT);
  const used = answers.findLast((each) => numberIn(each, 'status') === 200);
  const record: GenerationRecord = {};
  const put = (name: keyof GenerationRecord, value: number | undefined): void => {
    if (value !== undefined && value >= 0) record[name] = value;
  };
  put('gatewayMs', numberIn(data, 'latency'));
  put('generationMs', numberIn(data, 'generation_time'));
  put('moderationMs', numberIn(data, 'moderation_latency'));
  put('providerMs', numberIn(used, 'latency'));
  put('providers', answers.length === 0 ? undefined : answers.length);
  put('nativePromptTokens', numberIn(data, 'native_tokens_prompt'));
  put('nativeCompletionTokens', numberIn(data, 'native_tokens_completion'));
  put('nativeReasoningTokens', numberIn(data, 'native_tokens_reasoning'));
  put('nativeCachedTokens', numberIn(data, 'native_tokens_cached'));
  put('totalCostUsd', numberIn(data, 'total_cost'));
  return record;
}
