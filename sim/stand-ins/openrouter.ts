/** Stand-in for OpenRouter: chat completions, streamed or whole, and its side endpoints. */
import { CHARS_PER_TOKEN, modelFacts, MODELS } from '../../service/strategy/models.ts';
import type { HttpResponse, Message } from '../../service/base/ports.ts';
import { keyedHex } from '../../service/base/random.ts';
import {
  answer,
  jsonAnswer,
  readObject,
  uploadBytesOf,
  type Answer,
  type ExchangeInfo,
  type Handler,
} from './exchange.ts';
import { isObject, textIn } from '../../service/base/json.ts';
import {
  generationRecord,
  modelRecord,
  openRouterFailure,
  sortedByThroughput,
  type Generation,
} from './openrouter-records.ts';
import { createPromptCache, obeying } from './openrouter-model.ts';
import {
  exchangeKey,
  type ExchangePlan,
  type Facts,
  type PlannedItem,
  type Planner,
  type UsageForm,
} from '../times/plan.ts';
import { tableUsd, type CostOf } from '../times/captured-costs.ts';
import type { Script } from './script.ts';

const KEPT_GENERATIONS = 1000;
/** As OpenRouter sends since about March 2026. Before, it sent an empty delta. */
const USAGE_FORM: UsageForm = 'empty';

const PROVIDERS: Readonly<Record<string, string>> = {
  google: 'Google',
  anthropic: 'Anthropic',
  'meta-llama': 'Groq',
  openai: 'OpenAI',
  mistralai: 'Mistral',
};

export interface OpenRouterOptions {
  planner: Planner;
  script: Script;
  /** What captured answers cost, before any table of prices. */
  costOf?: CostOf;
}

/** Keeps its last 1,000 generations for `GET /generation`. */
export function createOpenRouterStandIn({ planner, script, costOf }: OpenRouterOptions): Handler {
  const generations = new Map<string, Record<string, unknown>>();
  const cachedTokensOf = createPromptCache(planner.profile.llm.cacheMinTokens);

  return async (request, info) => {
    const url = new URL(request.url);
    const side = (reply: Answer): Promise<HttpResponse> => {
      const uploadBytes = uploadBytesOf(request, 200);
      return answer(
        planner.planOf(info.context, { operation: 'other', figure: 'sideMs', uploadBytes }),
        info,
        reply,
        openRouterFailure,
      );
    };
    if (!/^Bearer \S+/.test(request.headers.get('authorization') ?? '')) {
      return side(jsonAnswer(openRouterFailure(401, 'Missing Authentication header'), 401));
    }
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /api/v1/models':
        return side(jsonAnswer({ data: MODELS.map(modelRecord) }));
      case 'GET /api/v1/generation': {
        const record = generations.get(url.searchParams.get('id') ?? '');
        return side(
          record === undefined
            ? jsonAnswer(openRouterFailure(404, 'Generation not found'), 404)
            : jsonAnswer({ data: record }),
        );
      }
      case 'POST /api/v1/chat/completions':
        break;
      default:
        return side(jsonAnswer(openRouterFailure(404, 'Not Found'), 404));
    }

    const body = readObject(request);
    const model = body?.['model'];
    const messages = messagesOf(body?.['messages']);
    if (typeof model !== 'string' || messages === undefined) {
      return side(jsonAnswer(openRouterFailure(400, 'Input required: specify "model" and "messages"'), 400));
    }
    const maxTokens = Number(body?.['max_tokens'] ?? body?.['max_completion_tokens'] ?? 0);
    if (PROVIDERS[model.split('/')[0] ?? ''] === undefined && modelFacts(model) === undefined) {
      return side(jsonAnswer(openRouterFailure(400, `${model.slice(0, 80)} is not a valid model ID`), 400));
    }
    const cachedTokens = cachedTokensOf(cacheKeyOf(body), model, messages);
    const scripted = script.reply(info.context, messages);
    const generation = generate(info, { model, messages, maxTokens, cachedTokens }, scripted, costOf);
    const facts: Facts = {
      operation: 'llm',
      model: sortedByThroughput(body?.['provider']) && !model.includes(':') ? `${model}:nitro` : model,
      messages: messages.length,
      promptChars: charsOf(messages),
      maxTokens,
      cachedChars: cachedTokens * CHARS_PER_TOKEN,
      text: generation.text,
      uploadBytes: uploadBytesOf(request, charsOf(messages) + 40 * messages.length + 400),
    };
    const plan = planner.planOf(info.context, facts);
    generations.set(generation.id, generationRecord(generation, plan));
    const oldest = generations.keys().next().value;
    if (generations.size > KEPT_GENERATIONS && oldest !== undefined) generations.delete(oldest);
    const headers = { 'x-generation-id': generation.id };
    if (body?.['stream'] === true) {
      const reply = streamedCompletion(generation, plan, headers);
      return answer(plan, info, reply, openRouterFailure);
    }
    return answer(plan, info, wholeCompletion(generation, headers), openRouterFailure);
  };
}

/** As a provider tells callers apart: by the key of the cache, else by the conversation. */
function cacheKeyOf(body: unknown): string {
  return textIn(body, 'prompt_cache_key') ?? textIn(body, 'session_id') ?? '';
}

interface Prompt {
  model: string;
  messages: readonly Message[];
  /** 0: no limit. */
  maxTokens: number;
  cachedTokens: number;
}

const charsOf = (messages: readonly Message[]): number =>
  messages.reduce((sum, { content }) => sum + content.length, 0);

function generate({ context, clock }: ExchangeInfo, prompt: Prompt, scripted: string, costOf?: CostOf): Generation {
  const { model, messages, maxTokens, cachedTokens } = prompt;
  const whole = obeying(context, model, messages, scripted);
  const limitChars = maxTokens > 0 ? maxTokens * CHARS_PER_TOKEN : whole.length;
  const text = whole.slice(0, limitChars);
  const prompt_tokens = Math.ceil(charsOf(messages) / CHARS_PER_TOKEN);
  const completion_tokens = Math.ceil(text.length / CHARS_PER_TOKEN);
  return {
    id: `gen-${keyedHex(20, 'openrouter', context.sessionId, context.turnIndex, exchangeKey(context))}`,
    model: model.replace(/:[\w-]+$/, ''),
    providerName: PROVIDERS[model.split('/')[0] ?? ''] ?? 'Stand-in',
    created: Math.floor(clock.epochUs() / 1e6),
    text,
    finishReason: text.length < whole.length ? 'length' : 'stop',
    usage: {
      prompt_tokens,
      completion_tokens,
      total_tokens: prompt_tokens + completion_tokens,
      cost: costOf?.(model, prompt_tokens, completion_tokens) ?? tableUsd(model, prompt_tokens, completion_tokens),
      is_byok: false,
      prompt_tokens_details: { cached_tokens: cachedTokens },
      completion_tokens_details: { reasoning_tokens: 0 },
      cost_details: { upstream_inference_cost: null },
    },
  };
}

function streamedCompletion(generation: Generation, plan: ExchangePlan, headers: Record<string, string>): Answer {
  const { id, providerName: provider, model, created, text, finishReason, usage } = generation;
  const head = JSON.stringify({ id, provider, model, object: 'chat.completion.chunk', created }).slice(0, -1);
  const event = (value: object): string => `data: ${head},${JSON.stringify(value).slice(1)}\n\n`;
  const choice = (content: string, finish: 'stop' | 'length' | null): object => ({
    index: 0,
    delta: { role: 'assistant', content },
    finish_reason: finish,
    native_finish_reason: finish === null ? null : finish.toUpperCase(),
    logprobs: null,
  });
  let at = 0;
  return {
    headers: { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
    chunk({ kind, parts }: PlannedItem) {
      if (kind === 'comment') return ': OPENROUTER PROCESSING\n\n';
      if (kind === 'tail') {
        const form = plan.usage ?? USAGE_FORM;
        const last = form === 'none' ? '' : event({ choices: form === 'empty' ? [] : [choice('', null)], usage });
        return `${event({ choices: [choice('', finishReason)] })}${last}data: [DONE]\n\n`;
      }
      const thoughts = at === 0 ? (plan.reasoningDeltas ?? 0) : 0;
      const thought = { index: 0, delta: { reasoning: 'hm ' }, finish_reason: null };
      const reasoning = thoughts === 0 ? '' : event({ choices: [thought] }).repeat(thoughts);
      const spoken = parts
        .map((chars) => {
          const content = text.slice(at, at + chars);
          at += chars;
          return event({ choices: [choice(content, null)] });
        })
        .join('');
      return reasoning + spoken;
    },
  };
}

function wholeCompletion(generation: Generation, headers: Record<string, string>): Answer {
  const { id, providerName: provider, model, created, text, finishReason, usage } = generation;
  const message = { role: 'assistant', content: text, refusal: null };
  const native_finish_reason = finishReason.toUpperCase();
  const choices = [{ index: 0, message, finish_reason: finishReason, native_finish_reason, logprobs: null }];
  return jsonAnswer({ id, provider, model, object: 'chat.completion', created, choices, usage }, 200, headers);
}

function messagesOf(value: unknown): Message[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const messages: Message[] = [];
  for (const item of value) {
    if (!isObject(item)) return undefined;
    const { role, content } = item;
    if ((role !== 'system' && role !== 'user' && role !== 'assistant') || typeof content !== 'string') return undefined;
    messages.push({ role, content });
  }
  return messages;
}
