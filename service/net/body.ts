/** A response body on its way to a provider's client. Times each chunk's arrival and reports the end, once. */
import type { BodyReader, Clock, HttpResponse } from '../base/ports.ts';

/** Larger than any provider's answer: 100,000 words, 8 MB of events, minutes of audio. */
export const BODY_LIMIT_BYTES = { stt: 1024 * 1024, llm: 8 * 1024 * 1024, tts: 32 * 1024 * 1024 } as const;
/** A cancelled stream is read to its end, to save the socket, within these limits. */
const DRAIN_LIMIT_BYTES = 64 * 1024;
const DRAIN_LIMIT_MS = 250;

export interface BodyChunk {
  index: number;
  atUs: number;
  bytes: number;
}

export interface BodyEnd {
  /** False when the reader cancelled before the end, which costs the connection. */
  complete: boolean;
  /** The reader cancelled, and the rest was read to keep the connection. */
  drained: boolean;
  responseBytes: number;
  chunkUs: readonly number[];
  chunkBytes: readonly number[];
}

export interface BodyObserver {
  clock: Clock;
  limitBytes: number;
  /** Whether to read a cancelled body to its end. Called when the body is cancelled. */
  drain(): boolean;
  chunk(chunk: BodyChunk): void;
  end(end: BodyEnd): void;
  fail(error: unknown): void;
}

export interface ObservedBody {
  /** For one reader, which stops after an error. */
  body: HttpResponse['body'];
  /** Ends a body that nobody will read to its end or cancel. Does nothing after the end. */
  abandon(): void;
}

export class BodyLimitError extends Error {
  constructor(limitBytes: number) {
    super(`the answer has more than ${limitBytes} bytes, which no provider sends`);
    this.name = 'BodyLimitError';
  }
}

export function asResponse({ status, statusText, headers, body }: HttpResponse): Response {
  return new Response(body === null ? null : streamOf(body.getReader()), { status, statusText, headers });
}

function streamOf(reader: BodyReader): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The same body, observed. A chunk is read when the consumer asks, so the consumer is working on the newest one. */
export function observeBody(body: HttpResponse['body'], observer: BodyObserver): ObservedBody {
  const { clock } = observer;
  const chunkUs: number[] = [];
  const chunkBytes: number[] = [];
  let responseBytes = 0;
  let over = false;
  const finish = (complete: boolean, drained: boolean): void => {
    if (over) return;
    over = true;
    observer.end({ complete, drained, responseBytes, chunkUs, chunkBytes });
  };
  if (body === null) {
    finish(true, false);
    return { body: null, abandon: () => undefined };
  }
  const reader = body.getReader();
  const observed: BodyReader = {
    async read() {
      try {
        const { done, value } = await reader.read();
        if (done) {
          finish(true, false);
          return { done, value: undefined };
        }
        responseBytes += value.byteLength;
        if (responseBytes > observer.limitBytes) throw new BodyLimitError(observer.limitBytes);
        const atUs = clock.nowUs();
        observer.chunk({ index: chunkUs.length, atUs, bytes: value.byteLength });
        chunkUs.push(atUs);
        chunkBytes.push(value.byteLength);
        return { done, value };
      } catch (error) {
        if (!over) observer.fail(error);
        over = true;
        await reader.cancel(error).catch(() => undefined);
        throw error;
      }
    },
    async cancel(reason) {
      const drained = observer.drain() && (await drain(reader, clock));
      if (!drained) await reader.cancel(reason).catch(() => undefined);
      finish(drained, drained);
    },
  };
  const abandon = (): void => {
    if (over) return;
    finish(false, false);
    reader.cancel().catch(() => undefined);
  };
  return { body: { getReader: () => observed }, abandon };
}

async function drain(reader: BodyReader, clock: Clock): Promise<boolean> {
  const timer = new AbortController();
  const tooLong = clock.sleep(DRAIN_LIMIT_MS, timer.signal).then(
    () => false,
    () => false,
  );
  const readOut = async (): Promise<boolean> => {
    for (let bytes = 0; bytes <= DRAIN_LIMIT_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return true;
      bytes += value.byteLength;
    }
    return false;
  };
  const completed = await Promise.race([readOut().catch(() => false), tooLong]);
  timer.abort();
  return completed;
}
