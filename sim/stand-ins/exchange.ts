/** Answers by a plan, as every stand-in does: wait for the upload, wait, send headers, send items. */
import { isObject, parsedJson } from '../../service/base/json.ts';
import { NO_LONGER_NEEDED } from '../../service/base/streams.ts';
import type { BodyReader, Clock, HttpRequest, HttpResponse } from '../../service/base/ports.ts';
import type { DrawContext, ExchangePlan, PlannedItem, Planner } from '../times/plan.ts';

/** The circumstances of a request. */
export interface ExchangeInfo {
  context: DrawContext;
  clock: Clock;
  /** Aborts the exchange: waits reject, and the body breaks. */
  signal?: AbortSignal;
  /** Resolves after connection set-up and upload, with the µs at which the request was due. */
  arrive?: (plan: ExchangePlan) => Promise<number>;
  /** Called once: with true when the body's end was sent, with false when its reader left. */
  ended?: (complete: boolean) => void;
}

/** A whole request. */
export type Received = Pick<HttpRequest, 'url' | 'method' | 'headers' | 'body'>;

/** A stand-in for one origin, in `sim` and `wire`. */
export type Handler = (request: Received, info: ExchangeInfo) => Promise<HttpResponse>;

export interface Answer {
  status?: number;
  headers: Record<string, string>;
  chunk: (item: PlannedItem, index: number) => string | Uint8Array;
}

/**
 * Answers when the plan says. Each wait ends at its due time, so that late timers do not add up. A captured failure comes
 * again as the JSON of `failure`.
 */
export async function answer(
  plan: ExchangePlan,
  info: ExchangeInfo,
  reply: Answer,
  failure: (status: number, message: string) => unknown,
): Promise<HttpResponse> {
  const { clock, signal, arrive } = info;
  const dueUs = (arrive === undefined ? clock.nowUs() : await arrive(plan)) + plan.waitUs;
  const leftUs = dueUs - clock.nowUs();
  if (leftUs > 0) await clock.sleep(leftUs / 1000, signal);
  const { failed } = plan;
  if (failed === undefined) {
    const { status = 200, headers } = reply;
    return responseOf(status, headers, bodyOf(plan.items, plan.terminatorUs, reply.chunk, info, dueUs));
  }
  const text = JSON.stringify(failure(failed.status, failed.message));
  const items: PlannedItem[] = [{ gapUs: 0, kind: 'tail', parts: [] }];
  const headers = { 'content-type': 'application/json' };
  return responseOf(
    failed.status,
    headers,
    bodyOf(items, 0, () => text, info, dueUs),
  );
}

function responseOf(status: number, headers: Record<string, string>, reader: BodyReader): HttpResponse {
  return { status, statusText: '', headers: new Headers(headers), body: { getReader: () => reader } };
}

/** One JSON value, sent in the plan's last item. */
export function jsonAnswer(value: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  const text = JSON.stringify(value);
  return {
    status,
    headers: { ...headers, 'content-type': 'application/json' },
    chunk: (item) => (item.kind === 'tail' ? text : ''),
  };
}

/**
 * Sends items on the clock, read or not. Each is due its gap after the one before it, the first after the headers. Not a
 * `ReadableStream`: production wraps this reader in one anyway.
 */
function bodyOf(
  items: readonly PlannedItem[],
  terminatorUs: number,
  chunk: Answer['chunk'],
  { clock, signal, ended }: ExchangeInfo,
  headersUs: number,
): BodyReader {
  const stop = new AbortController();
  const come: Uint8Array[] = [];
  let dueUs = headersUs;
  /** Set once the body has ended: whole, cancelled, or broken for a reason. */
  let over: { broken?: unknown } | undefined;
  let reading: PromiseWithResolvers<Awaited<ReturnType<BodyReader['read']>>> | undefined;
  const answerReading = (): void => {
    if (reading === undefined) return;
    const value = come.shift();
    if (value !== undefined) reading.resolve({ done: false, value });
    else if (over === undefined) return;
    else if ('broken' in over) reading.reject(over.broken);
    else reading.resolve({ done: true, value: undefined });
    reading = undefined;
  };
  const end = (complete: boolean, how: typeof over = {}): void => {
    if (over !== undefined) return;
    over = how;
    signal?.removeEventListener('abort', abort);
    ended?.(complete);
    if (!complete) {
      come.length = 0;
      stop.abort(NO_LONGER_NEEDED);
    }
    answerReading();
  };
  const abort = (): void => end(false, { broken: signal?.reason });
  const until = async (gapUs: number): Promise<void> => {
    dueUs += gapUs;
    const leftUs = dueUs - clock.nowUs();
    if (leftUs > 0) await clock.sleep(leftUs / 1000, stop.signal);
  };
  const send = async (): Promise<void> => {
    for (const [index, item] of items.entries()) {
      await until(item.gapUs);
      if (over !== undefined) return;
      const bytes = chunk(item, index);
      if (bytes.length === 0) continue;
      come.push(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
      answerReading();
    }
    await until(terminatorUs);
    end(true);
  };
  if (signal?.aborted === true) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  send().catch((error: unknown) => end(false, { broken: error }));
  return {
    read() {
      reading = Promise.withResolvers<Awaited<ReturnType<BodyReader['read']>>>();
      const { promise } = reading;
      answerReading();
      return promise;
    },
    async cancel() {
      end(false);
    },
  };
}

/** The stand-in, with an answer to `OPTIONS` after a round trip: clients measure regions by that. */
export function reachable(handler: Handler, planner: Planner): Handler {
  return async (request, info) => {
    if (request.method !== 'OPTIONS') return handler(request, info);
    const plan = planner.planOf(info.context, { operation: 'other', figure: 'sideMs', uploadBytes: 400 });
    return answer(plan, info, { status: 404, headers: {}, chunk: () => '' }, () => undefined);
  };
}

/** A request's JSON body. Undefined where the body is no object. */
export function readObject({ body: bytes }: Received): Record<string, unknown> | undefined {
  const body = parsedJson(decoded(bytes));
  return isObject(body) ? body : undefined;
}

/** Bytes of a request. `bodyBytes` is an estimate for requests whose body is not known. */
export function uploadBytesOf({ body }: Received, bodyBytes: number): number {
  return (body?.length ?? bodyBytes) + 400; // 400: request line and headers
}

function decoded(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
