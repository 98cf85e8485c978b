/** What every stand-in does once it has a plan: wait for the upload, wait, answer, and send items one after another. */
import { isObject } from '../service/foreign-json.ts';
import type { Clock } from '../service/ports.ts';
import type { DrawContext, ExchangePlan, PlannedItem, Planner } from './plan.ts';

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

/** A stand-in for one origin: the same in `sim` and `wire`. */
export type Handler = (request: Request, info: ExchangeInfo) => Promise<Response>;

export interface Answer {
  status?: number;
  headers: Record<string, string>;
  /** The bytes of one item. */
  chunk: (item: PlannedItem, index: number) => string | Uint8Array;
}

const encoder = new TextEncoder();

/**
 * Answers on time by the plan: each wait ends when it was due, so that a timer's lateness is not added to the next one's. A captured
 * failure comes again as `failure`, in one item.
 */
export async function answer(
  plan: ExchangePlan,
  info: ExchangeInfo,
  reply: Answer,
  failure: (status: number, message: string) => unknown,
): Promise<Response> {
  const { clock, signal, arrive } = info;
  const dueUs = (arrive === undefined ? clock.nowUs() : await arrive(plan)) + plan.waitUs;
  const leftUs = dueUs - clock.nowUs();
  if (leftUs > 0) await clock.sleep(leftUs / 1000, signal);
  const { failed } = plan;
  if (failed === undefined) {
    const { status = 200, headers } = reply;
    return new Response(bodyOf(plan.items, plan.terminatorUs, reply.chunk, info, dueUs), { status, headers });
  }
  const text = JSON.stringify(failure(failed.status, failed.message));
  const items: PlannedItem[] = [{ gapUs: 0, kind: 'tail', parts: [] }];
  return new Response(
    bodyOf(items, 0, () => text, info, dueUs),
    { status: failed.status, headers: { 'content-type': 'application/json' } },
  );
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

/** A body whose items come serially on the clock: each is due its gap after the one before it was due, the first after the headers were. */
function bodyOf(
  items: readonly PlannedItem[],
  terminatorUs: number,
  chunk: Answer['chunk'],
  { clock, signal, ended }: ExchangeInfo,
  headersUs: number,
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  let dueUs = headersUs;
  let next = 0;
  let over = false;
  const end = (complete: boolean): void => {
    if (over) return;
    over = true;
    signal?.removeEventListener('abort', abort);
    ended?.(complete);
  };
  let breakBody: ((reason: unknown) => void) | undefined;
  const abort = (): void => {
    if (over) return;
    end(false);
    stop.abort(signal?.reason);
    breakBody?.(signal?.reason);
  };
  const until = async (gapUs: number): Promise<void> => {
    dueUs += gapUs;
    const leftUs = dueUs - clock.nowUs();
    if (leftUs > 0) await clock.sleep(leftUs / 1000, stop.signal);
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        breakBody = (reason) => controller.error(reason);
        if (signal?.aborted === true) abort();
        else signal?.addEventListener('abort', abort, { once: true });
      },
      async pull(controller) {
        try {
          // A pull that enqueues nothing is not called again: go on to the next item that has bytes.
          for (let bytes: string | Uint8Array = ''; bytes.length === 0;) {
            const item = items[next];
            if (item === undefined) break;
            await until(item.gapUs);
            bytes = chunk(item, next++);
            if (bytes.length > 0) controller.enqueue(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
          }
          if (next >= items.length) {
            await until(terminatorUs);
            if (over) return;
            controller.close();
            end(true);
          }
        } catch (error) {
          if (!over) throw error; // otherwise the reader has gone, or the body is broken already
        }
      },
      cancel(reason) {
        end(false);
        stop.abort(reason);
      },
    },
    { highWaterMark: 64 },
  );
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
export async function readObject(request: Request): Promise<Record<string, unknown> | undefined> {
  try {
    const body: unknown = JSON.parse(await request.text());
    return isObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** The request's size on its way up: what the transport sent, or an estimate where it is not known. */
export function uploadBytesOf(request: Request, bodyBytes: number): number {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN);
  return (Number.isFinite(declared) ? declared : bodyBytes) + 400; // 400: request line and headers
}
