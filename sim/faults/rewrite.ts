/** Rewrites response bodies on their way out of a stand-in. */
import type { HttpResponse } from '../../service/base/ports.ts';

/** Never resolves; rejects when the signal aborts. */
export function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted === true) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** A body's chunks in, other chunks out. `stop` aborts when the reader has left. */
export type Rewrite = (source: AsyncGenerator<Uint8Array>, stop: AbortSignal) => AsyncGenerator<Uint8Array>;

/** A response with a rewritten body. Chunks that the rewrite does not read are read and dropped at the end. */
export function rewriteBody(
  response: HttpResponse,
  signal: AbortSignal | undefined,
  rewrite: Rewrite,
  broken: () => void = () => undefined,
): Response {
  const reader = response.body?.getReader();
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const source = async function* (): AsyncGenerator<Uint8Array> {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  };
  const original = source();
  const chunks = rewrite(original, stop.signal);
  const end = (): void => signal?.removeEventListener('abort', abort);
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await chunks.next();
            if (done === true) break;
            if (value.length === 0) continue;
            controller.enqueue(value);
            return;
          }
          for await (const rest of original) void rest;
          end();
          controller.close();
        } catch (error) {
          end();
          broken();
          await reader?.cancel(error).catch(() => undefined);
          if (!stop.signal.aborted || signal?.aborted === true) controller.error(error);
        }
      },
      async cancel(reason) {
        end();
        broken();
        stop.abort(reason);
        await reader?.cancel(reason).catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
  const headers = new Headers(response.headers);
  headers.delete('content-length');
  return new Response(body, { status: response.status, headers });
}
