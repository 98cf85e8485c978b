/** What every stand-in does once it has a plan: wait for the upload, wait, answer, and send items one after another. */
import { isObject, parsedJson } from '../../service/base/json.ts';
import { NO_LONGER_NEEDED } from '../../service/base/streams.ts';
import type { BodyReader, Clock, HttpRequest, HttpResponse } from '../../service/base/ports.ts';
import type { DrawContext, ExchangePlan, PlannedItem, Planner } from '../times/plan.ts';

/** What a handler is told about the exchange besides its request. */
export interface ExchangeInfo {
  context: DrawContext;
  clock: Clock;
  /** Aborts the exchange: waits reject, the body breaks. */
  signal?: AbortSignal;
  /** Resolves when the request has arrived, connection set-up and upload included, with the µs at which it was due to. */
  arrive?: (plan: ExchangePlan) => Promise<number>;
  /** Called once: the body's end was sent (`true`), or its reader went away (`false`). */
  ended?: (complete: boolean) => void;
}

/** A request as a stand-in has it: whole. */
export type Received = Pick<HttpRequest, 'url' | 'method' | 'headers' | 'body'>;

/** A stand-in for one origin: the same in `sim` and `wire`. */
export type Handler = (request: Received, info: ExchangeInfo) => Promise<HttpResponse>;

export interface Answer {
  status?: number;
  headers: Record<string, string>;
  /** The bytes of one item. */
  chunk: (item: PlannedItem, index: number) => string | Uint8Array;
}

/**
 * Answers on time by the plan: each wait ends when it was due, so that a timer's lateness is not added to the next one's. A captured
 * failure comes again as `failure`, in one item.
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

/** An answer of one JSON value in the plan's last item. */
export function jsonAnswer(value: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  const text = JSON.stringify(value);
  return {
    status,
    headers: { ...headers, 'content-type': 'application/json' },
    chunk: (item) => (item.kind === 'tail' ? text : ''),
  };
}

/**
 * A body whose items come serially on the clock, read or not: each is due its gap after the one before it was due, the first after the
 * headers were. No `ReadableStream`: the one that production makes of it is enough.
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
  /** How it ended: whole, cancelled by its reader, or broken for a reason. */
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

/** The same stand-in, answering `OPTIONS` after a round trip: what a client measures before it has anything to ask. */
export function reachable(handler: Handler, planner: Planner): Handler {
  return async (request, info) => {
    if (request.method !== 'OPTIONS') return handler(request, info);
    const plan = planner.planOf(info.context, { operation: 'other', figure: 'sideMs', uploadBytes: 400 });
    return answer(plan, info, { status: 404, headers: {}, chunk: () => '' }, () => undefined);
  };
}

/** A request's JSON body as an object, or undefined when it is not one. */
export function readObject({ body: bytes }: Received): Record<string, unknown> | undefined {
  const body = parsedJson(decoded(bytes));
  return isObject(body) ? body : undefined;
}

/** The request's size on its way up: what the transport sent, or an estimate where it is not known. */
export function uploadBytesOf({ body }: Received, bodyBytes: number): number {
  return (body?.length ?? bodyBytes) + 400; // 400: request line and headers
}

function decoded(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
