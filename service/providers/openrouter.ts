/** The LLM: OpenRouter's chat completions, streamed, read by the openai client or by eventsource-parser. */
import type OpenAI from 'openai';
import { describeError, StageError, unreachable } from '../base/errors.ts';
import type { Call, Llm, LlmRequest, LlmResult, LlmRoute } from '../base/ports.ts';
import { asStageError, successful } from './failure.ts';
import { errorIn } from './json.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import { inCall, openAiClient } from './openai-call.ts';
import { parseEvent, readEvents } from './sse.ts';

interface Config {
  openRouterUrl: string;
  openRouterKey: string;
  /** Keys of all providers: none may stand in an error. */
  keys: readonly string[];
}

type OnChunk = (chunk: unknown) => void;

export function createOpenRouter(config: Config): Llm {
  const client = openAiClient({ apiKey: config.openRouterKey, baseURL: config.openRouterUrl });
  return {
    async stream(request, call, onDelta) {
      const what = `OpenRouter ${request.model}`;
      const result: LlmResult = {};
      let said = '';
      const failed = (error: unknown): StageError =>
        asStageError('llm', what, error, call, {
          keys: config.keys,
          contents: [...request.messages.map(({ content }) => content), said],
        });
      const onChunk: OnChunk = (chunk) => {
        const text = readChunk(chunk, what, result);
        if (text === '') return;
        said += text;
        call.content();
        onDelta(text);
      };
      try {
        switch (request.sse) {
          case 'sdk':
            await bySdk(client, request, call, result, onChunk);
            break;
          case 'parser':
            await byParser(config, request, call, result, onChunk);
            break;
          default:
            unreachable(request.sse, 'llm.sse');
        }
      } catch (error) {
        throw failed(error);
      }
      // the client ends without an error on an abort, and on a stream that stops in the middle
      if (call.signal.aborted) throw failed(call.signal.reason);
      if (result.finishReason === undefined) {
        throw new StageError('llm', 'malformed', `${what}: the stream ended without a finish reason`);
      }
      return result;
    },
  };
}

async function bySdk(
  client: OpenAI,
  request: LlmRequest,
  call: Call,
  result: LlmResult,
  onChunk: OnChunk,
): Promise<void> {
  const { data: stream, response } = await client.chat.completions
    .create({ ...bodyOf(request), stream: true }, inCall(call))
    .withResponse();
  readHeaders(response, result);
  // the client throws an error of its own kind for it, which would pass for ours
  if (response.body === null)
    throw new StageError('llm', 'malformed', `OpenRouter ${request.model}: the answer has no body`);
  for await (const chunk of readable(stream, `OpenRouter ${request.model}`, call)) onChunk(chunk);
}

/** The client trips over events of another shape: their fault is the answer's, not ours. A broken connection is a TypeError with a cause. */
async function* readable<Chunk>(stream: AsyncIterable<Chunk>, what: string, call: Call): AsyncGenerator<Chunk> {
  try {
    yield* stream;
  } catch (error) {
    if (!(error instanceof TypeError) || error.cause !== undefined || call.failure() !== undefined) throw error;
    throw new StageError('llm', 'malformed', `${what}: an event has another shape than the client can read`);
  }
}

async function byParser(
  config: Config,
  request: LlmRequest,
  call: Call,
  result: LlmResult,
  onChunk: OnChunk,
): Promise<void> {
  const what = `OpenRouter ${request.model}`;
  const response = await successful(
    await call.send(`${config.openRouterUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${config.openRouterKey}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ ...bodyOf(request), stream: true }),
      signal: call.signal,
    }),
  );
  readHeaders(response, result);
  let comments = 0;
  await readEvents(response, what, 'llm', {
    data(text) {
      if (text.startsWith('[DONE]')) return true;
      onChunk(parseEvent(text, what, 'llm'));
      return false;
    },
    comment: () => void comments++,
  });
  result.comments = comments;
}

/** OpenRouter's additions to OpenAI's body. */
interface OpenRouterFields {
  session_id: string;
  models?: readonly string[];
  provider?: Record<string, unknown>;
  reasoning?: { effort: string };
}

function routingOf({ dataCollection, ...route }: LlmRoute): Record<string, unknown> {
  return { ...route, data_collection: dataCollection };
}

function bodyOf(request: LlmRequest): OpenAI.ChatCompletionCreateParams & OpenRouterFields {
  return {
    model: request.model,
    models: request.fallback.length === 0 ? undefined : [request.model, ...request.fallback],
    messages: request.messages.map(({ role, content }) => ({ role, content })),
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    seed: request.seed,
    session_id: request.sessionId,
    prompt_cache_key: request.cacheKey,
    provider: request.route && routingOf(request.route),
    reasoning: request.reasoning === undefined ? undefined : { effort: request.reasoning },
  };
}

function readHeaders(response: Pick<Response, 'headers'>, result: LlmResult): void {
  const generationId = response.headers.get('x-generation-id');
  if (generationId !== null) result.generationId = generationId.slice(0, 200);
}

/** OpenRouter adds to OpenAI's chunk the serving provider, reasoning, cost, and errors in mid-stream. */
function readChunk(chunk: unknown, what: string, result: LlmResult): string {
  const failed = errorIn(chunk);
  if (failed !== undefined) throw new StageError('llm', 'provider', `${what}: ${describeError(failed)}`);
  const text = (key: string): string | undefined => textIn(chunk, key)?.slice(0, 200);
  assign(result, 'servedModel', text('model'));
  if (result.generationId === undefined) assign(result, 'generationId', text('id'));
  assign(result, 'servedProvider', text('provider'));
  const usage = fieldOf(chunk, 'usage');
  assign(result, 'promptTokens', numberIn(usage, 'prompt_tokens'));
  assign(result, 'completionTokens', numberIn(usage, 'completion_tokens'));
  assign(result, 'cachedTokens', numberIn(fieldOf(usage, 'prompt_tokens_details'), 'cached_tokens'));
  assign(result, 'reasoningTokens', numberIn(fieldOf(usage, 'completion_tokens_details'), 'reasoning_tokens'));
  assign(result, 'costUsd', numberIn(usage, 'cost'));
  // the usage chunk's `choices` is empty, or, before March 2026, an empty delta
  const choice = fieldOf(fieldOf(chunk, 'choices'), 0);
  assign(result, 'finishReason', textIn(choice, 'finish_reason')?.slice(0, 40));
  const delta = fieldOf(choice, 'delta');
  if ((textIn(delta, 'reasoning') ?? '') !== '') result.reasoningDeltas = (result.reasoningDeltas ?? 0) + 1;
  return textIn(delta, 'content') ?? '';
}

function assign<Key extends keyof LlmResult>(result: LlmResult, key: Key, value: LlmResult[Key] | undefined): void {
  if (value !== undefined) result[key] = value;
}
