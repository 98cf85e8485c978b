/** The LLM: OpenRouter's chat completions, streamed, through the openai client. */
import OpenAI from 'openai';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { StageError } from '../errors.ts';
import type { Llm, LlmRequest, LlmResult, LlmRoute } from '../ports.ts';
import { asStageError } from './failure.ts';
import { notWithoutACall } from './freya-stt.ts';

export function createOpenRouter(config: { openRouterUrl: string; openRouterKey: string }): Llm {
  const client = new OpenAI({
    apiKey: config.openRouterKey,
    baseURL: config.openRouterUrl,
    maxRetries: 0,
    fetch: notWithoutACall,
  });
  return {
    async stream(request, call, onDelta) {
      const result: LlmResult = {};
      try {
        const stream = await client
          .withOptions({ fetch: call.fetch })
          .chat.completions.create({ ...bodyOf(request), stream: true }, { signal: call.signal });
        for await (const chunk of stream) {
          const text = readChunk(chunk, result);
          if (text !== '') onDelta(text);
        }
      } catch (error) {
        throw asStageError('llm', `OpenRouter ${request.model}`, error, call.signal);
      }
      // the client ends quietly on an abort and on a stream that just stops
      if (call.signal.aborted)
        throw asStageError('llm', `OpenRouter ${request.model}`, call.signal.reason, call.signal);
      if (result.finishReason === undefined) {
        throw new StageError(
          'llm',
          'malformed',
          `OpenRouter ${request.model}: the stream ended without a finish reason`,
        );
      }
      return result;
    },
  };
}

/** What OpenRouter's body has beyond OpenAI's. */
interface OpenRouterFields {
  session_id: string;
  provider?: Record<string, unknown>;
  reasoning?: { effort: string };
}

function providerOf({ dataCollection, ...route }: LlmRoute): Record<string, unknown> {
  return { ...route, ...(dataCollection === undefined ? {} : { data_collection: dataCollection }) };
}

function bodyOf(request: LlmRequest): OpenAI.ChatCompletionCreateParams & OpenRouterFields {
  return {
    model: request.model,
    messages: request.messages.map(({ role, content }) => ({ role, content })),
    max_tokens: request.maxTokens,
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    session_id: request.sessionId,
    ...(request.route === undefined ? {} : { provider: providerOf(request.route) }),
    ...(request.reasoning === undefined ? {} : { reasoning: { effort: request.reasoning } }),
  };
}

/** OpenRouter adds the provider that served the request and what it cost. */
type OpenRouterChunk = ChatCompletionChunk & { provider?: unknown; usage?: { cost?: unknown } | null };

function readChunk(chunk: OpenRouterChunk, result: LlmResult): string {
  if (typeof chunk.model === 'string') result.servedModel = chunk.model;
  if (typeof chunk.id === 'string') result.generationId = chunk.id;
  if (typeof chunk.provider === 'string') result.servedProvider = chunk.provider;
  const { usage } = chunk;
  if (usage !== undefined && usage !== null) {
    result.promptTokens = usage.prompt_tokens;
    result.completionTokens = usage.completion_tokens;
    const cached = usage.prompt_tokens_details?.cached_tokens;
    if (cached !== undefined) result.cachedTokens = cached;
    if (typeof usage.cost === 'number') result.costUsd = usage.cost;
  }
  // the usage chunk's `choices` is empty
  const choice = chunk.choices?.[0];
  if (typeof choice?.finish_reason === 'string') result.finishReason = choice.finish_reason;
  return choice?.delta?.content ?? '';
}
