/** Stand-in for OpenRouter: chat completions, streamed or whole, and its side endpoints. */
import { CHARS_PER_TOKEN, modelFacts, MODELS } from '../service/models.ts';
import type { Message } from '../service/ports.ts';
import { keyedHex } from '../service/random.ts';
import {
  answer,
  isObject,
  jsonAnswer,
  readObject,
  uploadBytesOf,
  type Answer,
  type ExchangeInfo,
  type Handler,
} from './exchange.ts';
import { exchangeKey, type ExchangePlan, type Facts, type PlannedItem, type Planner } from './plan.ts';
import type { Script } from './script.ts';

const KEPT_GENERATIONS = 1000;

/** What the stand-in charges for models that the table of models does not list. */
const UNLISTED = { usdPerMInput: 0.1, usdPerMOutput: 0.4 };
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
  /** The usage chunk's `choices`: empty since about March 2026, an empty delta before. */
  usageChoices?: 'empty' | 'delta';
}

interface Generation {
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

/** A handler for the OpenRouter origin; remembers its last 1,000 generations for `GET /generation`. */
export function createOpenRouter({ planner, script, usageChoices = 'empty' }: OpenRouterOptions): Handler {
  const generations = new Map<string, Record<string, unknown>>();

  return async (request, info) => {
    const url = new URL(request.url);
    const side = (reply: Answer): Promise<Response> => {
      const uploadBytes = uploadBytesOf(request, 200);
      return answer(
        planner.planOf(info.context, { operation: 'other', figure: 'sideMs', uploadBytes }),
        info,
        reply,
        failure,
      );
    };
    if (!/^Bearer \S+/.test(request.headers.get('authorization') ?? '')) {
      return side(jsonAnswer(failure(401, 'Missing Authentication header'), 401));
    }
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /api/v1/models':
        return side(jsonAnswer({ data: MODELS.map(modelRecord) }));
      case 'GET /api/v1/generation': {
        const record = generations.get(url.searchParams.get('id') ?? '');
        return side(
          record === undefined ? jsonAnswer(failure(404, 'Generation not found'), 404) : jsonAnswer({ data: record }),
        );
      }
      case 'POST /api/v1/chat/completions':
        break;
      default:
        return side(jsonAnswer(failure(404, 'Not Found'), 404));
    }

    const body = await readObject(request);
    const model = body?.['model'];
    const messages = messagesOf(body?.['messages']);
    if (typeof model !== 'string' || messages === undefined) {
      return side(jsonAnswer(failure(400, 'Input required: specify "model" and "messages"'), 400));
    }
    const maxTokens = Number(body?.['max_tokens'] ?? body?.['max_completion_tokens'] ?? 0);
    if (PROVIDERS[model.split('/')[0] ?? ''] === undefined && modelFacts(model) === undefined) {
      return side(jsonAnswer(failure(400, `${model.slice(0, 80)} is not a valid model ID`), 400));
    }
    const generation = generate(info, model, messages, maxTokens, script);
    const facts: Facts = {
      operation: 'llm',
      model: sortedByThroughput(body?.['provider']) && !model.includes(':') ? `${model}:nitro` : model,
      messages: messages.length,
      promptChars: messages.reduce((sum, { content }) => sum + content.length, 0),
      maxTokens,
      text: generation.text,
      uploadBytes: uploadBytesOf(
        request,
        messages.reduce((sum, { content }) => sum + content.length + 40, 400),
      ),
    };
    const plan = planner.planOf(info.context, facts);
    generations.set(generation.id, generationRecord(generation, plan));
    const oldest = generations.keys().next().value;
    if (generations.size > KEPT_GENERATIONS && oldest !== undefined) generations.delete(oldest);
    const headers = { 'x-generation-id': generation.id };
    if (body?.['stream'] === true) {
      const reply = streamReply(generation, plan, headers, usageChoices);
      return answer(plan, info, reply, failure);
    }
    return answer(plan, info, wholeReply(generation, headers), failure);
  };
}

function generate(
  { context, clock }: ExchangeInfo,
  model: string,
  messages: readonly Message[],
  maxTokens: number,
  script: Script,
): Generation {
  const whole = script.reply(context, messages);
  const limitChars = maxTokens > 0 ? maxTokens * CHARS_PER_TOKEN : whole.length;
  const text = whole.slice(0, limitChars);
  const promptChars = messages.reduce((sum, { content }) => sum + content.length, 0);
  const prompt_tokens = Math.ceil(promptChars / CHARS_PER_TOKEN);
  const completion_tokens = Math.ceil(text.length / CHARS_PER_TOKEN);
  const { usdPerMInput: input, usdPerMOutput: output } = modelFacts(model) ?? UNLISTED;
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
      cost: (prompt_tokens * input + completion_tokens * output) / 1e6,
      is_byok: false,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
      cost_details: { upstream_inference_cost: null },
    },
  };
}

function streamReply(
  generation: Generation,
  plan: ExchangePlan,
  headers: Record<string, string>,
  usageChoices: 'empty' | 'delta',
): Answer {
  const { id, providerName: provider, model, created, text, finishReason, usage } = generation;
  const head = { id, provider, model, object: 'chat.completion.chunk', created };
  const event = (value: object): string => `data: ${JSON.stringify({ ...head, ...value })}\n\n`;
  const choice = (content: string, finish: 'stop' | 'length' | 'error' | null): object => ({
    index: 0,
    delta: { role: 'assistant', content },
    finish_reason: finish,
    native_finish_reason: finish === null ? null : finish.toUpperCase(),
    logprobs: null,
  });
  let at = 0;
  return {
    headers: { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
    chunk({ kind, parts }: PlannedItem, index: number) {
      const { fault } = plan;
      if (fault?.atItem !== undefined && index >= fault.atItem) {
        if (index > fault.atItem) return '';
        return event({ error: { code: 502, message: fault.message }, choices: [choice('', 'error')] });
      }
      if (kind === 'comment') return ': OPENROUTER PROCESSING\n\n';
      if (kind === 'tail') {
        const choices = usageChoices === 'empty' ? [] : [choice('', null)];
        return `${event({ choices: [choice('', finishReason)] })}${event({ choices, usage })}data: [DONE]\n\n`;
      }
      return parts
        .map((chars) => {
          const content = text.slice(at, at + chars);
          at += chars;
          return event({ choices: [choice(content, null)] });
        })
        .join('');
    },
  };
}

function wholeReply(generation: Generation, headers: Record<string, string>): Answer {
  const { id, providerName: provider, model, created, text, finishReason, usage } = generation;
  const message = { role: 'assistant', content: text, refusal: null };
  const native_finish_reason = finishReason.toUpperCase();
  const choices = [{ index: 0, message, finish_reason: finishReason, native_finish_reason, logprobs: null }];
  return jsonAnswer({ id, provider, model, object: 'chat.completion', created, choices, usage }, 200, headers);
}

function failure(code: number, message: string): unknown {
  const metadata = code === 502 ? { provider_name: 'Stand-in', raw: message } : {};
  return { error: { code, message, metadata } };
}

function generationRecord(generation: Generation, plan: ExchangePlan): Record<string, unknown> {
  const bodyUs = plan.items.reduce((sum, { gapUs }) => sum + gapUs, 0);
  return {
    id: generation.id,
    model: generation.model,
    provider_name: generation.providerName,
    latency: Math.round(plan.waitUs / 1000),
    generation_time: Math.round(bodyUs / 1000),
    tokens_prompt: generation.usage.prompt_tokens,
    tokens_completion: generation.usage.completion_tokens,
    total_cost: generation.usage.cost,
    streamed: true,
    cancelled: false,
    finish_reason: generation.finishReason,
  };
}

function modelRecord({ id, usdPerMInput, usdPerMOutput }: (typeof MODELS)[number]): Record<string, unknown> {
  return { id, name: id, pricing: { prompt: String(usdPerMInput / 1e6), completion: String(usdPerMOutput / 1e6) } };
}

/** What `:nitro` stands for, asked for by routing. */
function sortedByThroughput(provider: unknown): boolean {
  return isObject(provider) && provider['sort'] === 'throughput';
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
