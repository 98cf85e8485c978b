/** One request for a reply. Its deltas wait until a reader adopts the request; an unwanted request is abandoned. */
import { StageError } from '../base/errors.ts';
import type { Arrival, LlmResult, LlmRoute, Message } from '../base/ports.ts';
import type { Attrs } from '../base/events.ts';
import type { OpenCall } from '../net/exchange.ts';
import type { Attempt } from './retry.ts';
import { callProvider, type TurnScope } from './stage.ts';
import { childSignal } from '../base/streams.ts';

export interface Question {
  /** The call's name is `llm.<ordinal>`. */
  ordinal: number;
  /** The event that released the request. */
  cause: number;
  messages: readonly Message[];
  /** In place of the strategy's. */
  model?: string;
  route?: LlmRoute;
  /** Added to `llm.start`: why this request was made beside, or ahead of, the reply's own. */
  attrs?: Attrs;
}

/** A delta. Its arrival becomes an event only when the delta releases something. */
export interface Delta extends Arrival {
  text: string;
  /** Ordinal among the stream's deltas. */
  index: number;
}

export interface Answer {
  result: LlmResult;
  itemUs: readonly number[];
  itemChars: readonly number[];
  endedUs: number;
}

/** Gets an adopted request's deltas, synchronously and in order. */
export interface Reader {
  delta(delta: Delta): void;
  done(answer: Answer): void;
}

export interface Asked {
  readonly exchange: string;
  readonly startId: number;
  readonly model: string;
  readonly promptChars: number;
  /** Characters so far. */
  chars(): number;
  /** Resolves with the first content. Rejects when the request fails before. */
  readonly content: Promise<undefined>;
  /** The reader gets the deltas so far now, the rest as they come. Resolves when the reply is complete. */
  adopt(reader: Reader): Promise<void>;
  /** Stops the request. Its cost is lost. */
  abandon(why: string): void;
}

/** Sends the request. Its failure reaches the reader that adopts it, and nobody else. */
export function ask(scope: TurnScope, question: Question): Asked {
  const { recorder, ports, input, owner } = scope;
  const { maxTokens, temperature, reasoning, seed, sse, fallback, ...llm } = input.strategy.llm;
  const { ordinal, messages, model = llm.model } = question;
  const route = question.route ?? (llm.route === 'default' ? undefined : llm.route);
  const exchange = `llm.${ordinal}`;
  const promptChars = messages.reduce((sum, each) => sum + each.content.length, 0);
  const startId = recorder.record({
    kind: 'llm.start',
    stage: 'llm',
    exchange,
    cause: question.cause,
    attrs: { model, maxTokens, temperature, messages: messages.length, promptChars, ...question.attrs },
    content: { text: JSON.stringify(messages) },
  });

  const own = childSignal(scope.signal);
  const content = Promise.withResolvers<undefined>();
  let reader: Reader | undefined;
  let waiting: Delta[] = [];
  let answer: Answer | undefined;
  let chars = 0;
  /** No content has come yet. Blanks wait: an attempt that brought nothing else may be repeated. */
  let blank = true;

  const flush = (by: Reader): void => {
    for (const delta of waiting.splice(0)) by.delta(delta);
  };

  const models = [model, ...fallback];
  const shared = {
    messages,
    maxTokens,
    temperature,
    sessionId: owner.sessionId,
    sse,
    route,
    reasoning: reasoning === 'default' ? undefined : reasoning,
    seed: seed === 'none' ? undefined : seed,
  };
  const stream = async (call: OpenCall, attempt: Attempt): Promise<void> => {
    const [tried = model, ...rest] = models.slice(Math.min(attempt.number, models.length - 1));
    const itemUs: number[] = [];
    const itemChars: number[] = [];
    waiting = [];
    const request = { ...shared, model: tried, fallback: rest };
    const result = await ports.llm.stream(request, call, (text, releasedUs) => {
      const { atUs: arrivedUs, eventId } = call.arrival();
      const atUs = releasedUs ?? arrivedUs;
      const delta = { text, atUs, eventId, index: itemUs.length };
      itemUs.push(atUs);
      itemChars.push(text.length);
      chars += text.length;
      blank &&= text.trim() === '';
      if (!blank) attempt.mayRepeat = false;
      waiting.push(delta);
      if (blank) return;
      if (reader !== undefined) flush(reader);
      content.resolve(undefined);
    });
    if (blank) throw new StageError('llm', 'empty', `${tried}: the reply has no text`);
    answer = { result, itemUs, itemChars, endedUs: ports.clock.nowUs() };
    reader?.done(answer);
  };
  const ended = callProvider(
    { ...scope, signal: own.signal },
    { stage: 'llm', ordinal, cause: startId, alternatives: fallback.length },
    stream,
  ).finally(own.release);
  ended.catch((error: unknown) => content.reject(error));
  content.promise.catch(() => undefined);
  scope.stray(ended);

  return {
    exchange,
    startId,
    model,
    promptChars,
    chars: () => chars,
    content: content.promise,
    adopt(by) {
      reader = by;
      if (!blank) flush(by);
      if (answer !== undefined) by.done(answer);
      return ended;
    },
    abandon: (why) => own.abort(new StageError('llm', 'cancelled', why)),
  };
}
