/** One provider call's `fetch`: sends through the transport, times each step, and records it as events of the turn. */
import { describeError } from '../base/errors.ts';
import type {
  Arrival,
  Call,
  Clock,
  ExchangeContext,
  ExchangeStep,
  Fetch,
  HttpMarks,
  HttpRequest,
  HttpResponse,
  Transport,
} from '../base/ports.ts';
import type { Recorder } from '../base/events.ts';
import { keepIn } from '../base/streams.ts';
import type { Watchdog } from './watchdog.ts';
import { asResponse, BODY_LIMIT_BYTES, observeBody, type BodyChunk, type ObservedBody } from './body.ts';
import { boundaryAttrs } from './boundary-attrs.ts';
import { boundaryEvents, exchangeIdOf } from './phases.ts';
import { normalize, withoutQuery } from './request.ts';
import { diedUnused, errorName, StaleConnection } from './stale.ts';

export interface CallOptions {
  transport: Transport;
  clock: Clock;
  recorder: Recorder;
  signal: AbortSignal;
  context: Omit<ExchangeContext, 'fetchIndex'>;
  /** Read a cancelled stream to its end, to keep its connection. */
  drain: boolean;
  /** Follows each exchange. */
  watchdog?: Watchdog;
  /** The event that released this call. */
  cause: number;
}

export interface OpenCall extends Call {
  /** Resolves when every exchange of the call has ended, drains included. */
  settled(): Promise<void>;
  /** The call has failed. Closes the bodies that its client left open, now and later. */
  abandon(): void;
}

interface Exchange {
  id: string;
  /** The last boundary event, which released the first recorded chunk. */
  boundaryId: number;
  /** The newest read chunk. */
  chunk: BodyChunk | undefined;
  /** `http.done` of a body that was read to its end. */
  doneId: number | undefined;
  recorded: { index: number; id: number }[];
}

export function openCall(options: CallOptions): OpenCall {
  const { transport, clock, recorder, signal } = options;
  const { stage, attempt } = options.context;
  const open = new Set<Promise<unknown>>();
  const bodies: ObservedBody[] = [];
  let failure: unknown;
  let current: Exchange | undefined;
  let fetches = 0;
  let abandoned = false;
  let headers: Headers | undefined;
  /** The pause that releases the next fetch. */
  let pauseId: number | undefined;

  /** The last recorded event of the exchange before a chunk. */
  const before = (exchange: Exchange, index: number): number =>
    exchange.recorded.findLast((each) => each.index < index)?.id ?? exchange.boundaryId;

  const chunkEvent = (exchange: Exchange, chunk: BodyChunk): number => {
    const known = exchange.recorded.find((each) => each.index === chunk.index);
    if (known !== undefined) return known.id;
    const id = recorder.record({
      kind: 'http.chunk',
      stage,
      exchange: exchange.id,
      cause: before(exchange, chunk.index),
      atUs: chunk.atUs,
      attrs: { index: chunk.index, bytes: chunk.bytes },
    });
    exchange.recorded.push({ index: chunk.index, id });
    return id;
  };

  const arrival = (): Arrival => {
    if (pauseId !== undefined) {
      const id = pauseId;
      return { atUs: recorder.atUs(id), eventId: () => id };
    }
    const exchange = current;
    if (exchange === undefined) return { atUs: recorder.atUs(options.cause), eventId: () => options.cause };
    const { chunk, boundaryId, doneId } = exchange;
    if (doneId !== undefined) return { atUs: recorder.atUs(doneId), eventId: () => doneId };
    if (chunk === undefined) return { atUs: recorder.atUs(boundaryId), eventId: () => boundaryId };
    return { atUs: chunk.atUs, eventId: () => chunkEvent(exchange, chunk) };
  };

  const onSending = (): void => {
    options.watchdog?.stop('connectMs');
    options.watchdog?.start('headersMs');
  };

  const send = async (
    step: ExchangeStep | undefined,
    publicOnly: boolean,
    input: string | URL | Request,
    init?: RequestInit,
  ): Promise<HttpResponse> => {
    const cause = arrival().eventId();
    pauseId = undefined;
    const request = await normalize(input, init);
    // an SDK with its own signal may have missed the call's abort: it came before the SDK listened
    const own = init?.signal ?? signal;
    const sending = {
      ...request,
      signal: own === signal ? signal : AbortSignal.any([signal, own]),
      onSending,
      publicOnly,
    };
    try {
      return await exchangeOnce(step, sending, cause, undefined);
    } catch (error) {
      if (!(error instanceof StaleConnection) || sending.signal.aborted) throw error;
      return exchangeOnce(step, sending, arrival().eventId(), error.exchange);
    }
  };

  /** One exchange. On a fresh connection where it repeats an exchange whose reused connection was dead. */
  const exchangeOnce = async (
    step: ExchangeStep | undefined,
    request: Omit<HttpRequest, 'context'>,
    cause: number,
    repeats: string | undefined,
  ): Promise<HttpResponse> => {
    const context: ExchangeContext = { ...options.context, fetchIndex: fetches++ };
    const id = exchangeIdOf(context);
    const marks: HttpMarks = { startUs: clock.nowUs() };
    const exchange: Exchange = { id, boundaryId: 0, chunk: undefined, doneId: undefined, recorded: [] };
    exchange.boundaryId = recorder.record({
      kind: 'http.start',
      stage,
      exchange: id,
      cause,
      atUs: marks.startUs,
      attrs: {
        method: request.method,
        url: withoutQuery(request.url),
        attempt,
        step,
        repeats,
      },
    });
    current = exchange;
    const recordBoundaries = (response: HttpResponse | undefined): void => {
      for (const { kind, atUs } of boundaryEvents(marks)) {
        const attrs = boundaryAttrs(kind, marks, context, { requestBytes: request.body?.byteLength ?? 0, response });
        exchange.boundaryId = recorder.record({ kind, stage, exchange: id, cause: exchange.boundaryId, atUs, attrs });
      }
    };
    const fail = (error: unknown): void => {
      exchange.boundaryId = recorder.record({
        kind: 'http.failed',
        stage,
        exchange: id,
        cause: before(exchange, Infinity),
        atUs: marks.failedUs === undefined ? undefined : Math.max(marks.failedUs, recorder.atUs(exchange.boundaryId)),
        attrs: { errorKind: errorName(error), message: describeError(error, 160) },
      });
      exchange.chunk = undefined;
      failure = error;
    };
    let response: HttpResponse;
    failure = undefined;
    options.watchdog?.start('connectMs');
    try {
      response = await transport.send({ ...request, context, fresh: repeats !== undefined }, marks);
    } catch (error) {
      recordBoundaries(undefined);
      fail(error);
      throw repeats === undefined && diedUnused(error, marks) ? new StaleConnection(id, error) : error;
    }
    options.watchdog?.stop('connectMs');
    options.watchdog?.stop('headersMs');
    headers = response.headers;
    marks.headersUs ??= clock.nowUs();
    recordBoundaries(response);
    const ended = Promise.withResolvers<undefined>();
    void keepIn(open, ended.promise);
    const observed = observeBody(response.body, {
      clock,
      limitBytes: BODY_LIMIT_BYTES[stage === 'stt' || stage === 'llm' ? stage : 'tts'],
      drain: () => options.drain && !signal.aborted,
      chunk: (chunk) => (exchange.chunk = chunk),
      end: (facts) => {
        const attrs = { ...facts, basis: marks.basis };
        const cause = before(exchange, Infinity);
        const doneId = recorder.record({ kind: 'http.done', stage, exchange: id, cause, attrs });
        // a client that reads a whole body waits for its end; a client that cancels has all it wants
        if (facts.complete && !facts.drained) exchange.doneId = doneId;
        ended.resolve(undefined);
      },
      fail: (error) => {
        fail(error);
        ended.resolve(undefined);
      },
    });
    bodies.push(observed);
    if (abandoned) observed.abandon(); // nobody is left to read a late answer
    const { status, statusText } = response;
    return { status, statusText, headers, body: observed.body };
  };

  const fetchFor = (step: ExchangeStep | undefined, publicOnly = false): Fetch =>
    Object.assign(
      // kept: an aborted SDK may reject before its fetch has recorded its end
      (input: string | URL | Request, init?: RequestInit) =>
        keepIn(open, send(step, publicOnly, input, init)).then(asResponse),
      { Response },
    );

  return {
    clock,
    signal,
    arrival,
    fetch: fetchFor(undefined),
    fetchFor,
    send: (url, init) => keepIn(open, send(undefined, false, url, init)),
    async pause(ms) {
      const cause = arrival().eventId();
      await clock.sleep(ms, signal);
      pauseId = recorder.record({ kind: 'poll.wait', stage, exchange: `${stage}.${options.context.ordinal}`, cause });
    },
    content: () => options.watchdog?.content(),
    responseHeaders: () => headers,
    failure: () => failure,
    abandon: () => {
      abandoned = true;
      bodies.forEach((body) => body.abandon());
    },
    settled: async () => {
      while (open.size > 0) await Promise.allSettled(open);
    },
  };
}
