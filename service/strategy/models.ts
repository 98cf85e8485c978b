/**
 * What is known about models on OpenRouter, each figure with its source and the day it was looked up. A registry: prices
 * for estimates where an answer names no cost, and what decides whether a strategy can work with a model at all.
 */

export interface ModelFacts {
  /** As OpenRouter names it, without `:nitro` and the like. */
  id: string;
  /** USD per million tokens. */
  usdPerMInput: number;
  usdPerMOutput: number;
  priceSource: string;
  /** The day from which the model is gone, `YYYY-MM-DD`; absent while none is announced. */
  retires?: string;
  retiresSource?: string;
  /** Continues a trailing assistant message; `unconfirmed` counts as no. `repeats`: it may say the opener again. */
  prefill: 'yes' | 'repeats' | 'no' | 'unconfirmed';
  prefillSource: string;
  /** Shortest prompt that the provider caches by itself, in tokens; absent where it caches none unasked. */
  cacheMinTokens?: number;
  cacheSource: string;
}

/** The day on which the table was checked. */
export const MODELS_AS_OF = '2026-11-25';

const PRICES = 'genai-prices 0.1.8 (23 Sep 2026)';
const PREFILL_TESTS = 'rentry.org/or-prefill: unofficial tests of OpenRouter’s providers, newest 2025-09';

export const MODELS: readonly ModelFacts[] = [
  {
    id: 'google/gemini-2.5-flash',
    usdPerMInput: 0.3,
    usdPerMOutput: 2.5,
    priceSource: PRICES,
    retires: '2026-12-01',
    retiresSource: 'dev.to/aideprecations (10 Nov 2026): Gemini API, then routed to gemini-3.5-flash-lite',
    prefill: 'unconfirmed',
    prefillSource: `${PREFILL_TESTS}: Gemini 2.0 yes, 2.5 Pro preview yes, 2.5 Flash not tested`,
    cacheMinTokens: 2048,
    cacheSource:
      'ai.google.dev/gemini-api/docs/caching (13 Oct 2026): implicit, 2,048 (the explicit API took 1,024: discuss.ai.google.dev/t/178942)',
  },
  {
    id: 'google/gemini-2.0-flash-001',
    usdPerMInput: 0.1,
    usdPerMOutput: 0.4,
    priceSource: PRICES,
    retires: '2026-06-01',
    retiresSource: 'firebase.google.com (18 Jun 2026)',
    prefill: 'yes',
    prefillSource: PREFILL_TESTS,
    cacheSource: 'ai.google.dev/gemini-api/docs/caching: implicit caching begins with Gemini 2.5',
  },
  {
    id: 'anthropic/claude-3-haiku',
    usdPerMInput: 0.25,
    usdPerMOutput: 1.25,
    priceSource: PRICES,
    retires: '2026-04-20',
    retiresSource: '24-ai.news (21 Apr 2026): retired by Anthropic; other hosts may still serve it',
    prefill: 'yes',
    prefillSource: PREFILL_TESTS,
    cacheSource: 'openrouter.ai/docs/prompt-caching: Anthropic caches only what `cache_control` marks (2,048 tokens)',
  },
  {
    id: 'meta-llama/llama-3.1-8b-instruct',
    usdPerMInput: 0.02,
    usdPerMOutput: 0.03,
    priceSource: PRICES,
    prefill: 'yes',
    prefillSource: `${PREFILL_TESTS}: Groq, DeepInfra, Novita; not Cloudflare`,
    cacheSource: 'console.groq.com/docs/prompt-caching caches "supported models" only; this one unconfirmed',
  },
  {
    id: 'openai/gpt-4o-mini',
    usdPerMInput: 0.15,
    usdPerMOutput: 0.6,
    priceSource: PRICES,
    prefill: 'no',
    prefillSource: `${PREFILL_TESTS}: OpenAI and Azure no`,
    cacheMinTokens: 1024,
    cacheSource:
      'docs.litellm.ai/docs/completion/prompt_caching (7 Oct 2026) and openrouter.ai/docs/prompt-caching: unasked, 1,024',
  },
  {
    id: 'mistralai/mistral-small-3.1-24b-instruct',
    usdPerMInput: 0.351,
    usdPerMOutput: 0.555,
    priceSource: 'designforonline.com (13 Mar 2026), one provider; genai-prices says 0.05/0.15',
    prefill: 'repeats',
    prefillSource: `${PREFILL_TESTS}: Mistral answers with the opener in front`,
    cacheSource: 'no source names automatic caching for it',
  },
];

/** The model's facts, with or without a suffix such as `:nitro`; undefined for one that is not in the table. */
export function modelFacts(model: string): ModelFacts | undefined {
  const id = model.replace(/:[\w-]+$/, '');
  return MODELS.find((each) => each.id === id);
}

/** What so many tokens cost in USD; undefined where the price is not known (never 0). */
export function estimateUsd(model: string, promptTokens: number, completionTokens: number): number | undefined {
  const facts = modelFacts(model);
  if (facts === undefined) return undefined;
  return (promptTokens * facts.usdPerMInput + completionTokens * facts.usdPerMOutput) / 1e6;
}

/** Whether the model is gone on `day` (`YYYY-MM-DD`). */
export function isRetired(model: string, day: string): boolean {
  const retires = modelFacts(model)?.retires;
  return retires !== undefined && retires <= day;
}

/** Tokens of a text where no answer has counted them: four characters each, as the stand-ins count. */
export const CHARS_PER_TOKEN = 4;
export const tokensOf = (chars: number): number => Math.ceil(chars / CHARS_PER_TOKEN);

/** Whether the model is known to continue a trailing assistant message. */
export function canPrefill(model: string): boolean {
  const prefill = modelFacts(model)?.prefill;
  return prefill === 'yes' || prefill === 'repeats';
}
