/** OpenRouter's own record of one answer, there some seconds after it: `GET /generation?id=…`. */
import type { Call } from '../base/ports.ts';
import { successful } from './failure.ts';
import { fieldOf, listIn, numberIn, textIn } from '../base/json.ts';
import { readJson } from './json.ts';

/** The fields that become attributes, each absent where OpenRouter does not say it. Times are OpenRouter's, in ms. */
export interface GenerationRecord {
  /** `latency`, which OpenRouter calls total latency. No source confirms that it is the time to the first token. */
  gatewayMs?: number;
  /** `generation_time`. */
  generationMs?: number;
  moderationMs?: number;
  /** `latency` of the used answer: the last one with status 200. */
  providerMs?: number;
  /** Number of providers that were tried. */
  providers?: number;
  /** In the model's own tokens, which are billed. */
  nativePromptTokens?: number;
  nativeCompletionTokens?: number;
  nativeReasoningTokens?: number;
  nativeCachedTokens?: number;
  totalCostUsd?: number;
}

/** Reads the record of generation `id`. Undefined while there is none. Throws for an error. */
export type ReadGeneration = (id: string, call: Call) => Promise<GenerationRecord | undefined>;

/** Asks OpenRouter alone, which alone gets the key. */
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

/** Of one record: longer lists are a mistake. */
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
