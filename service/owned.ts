/** What a service has acquired: given back in reverse order, whatever goes wrong, within one limit of time. */
import type { Clock } from './base/ports.ts';

export interface Owned {
  /** Keeps the resource until `giveBack`. What `close` throws goes to `onError`: the resources before it are closed all the same. */
  own<Resource>(resource: Resource, close: (resource: Resource) => unknown): Resource;
  /** Closes all of it, the latest first. At the limit nothing is waited for any more, but all the rest is still closed. Never rejects. Called again, it waits for the first call. */
  giveBack(): Promise<void>;
}

export function createOwned(options: { clock: Clock; limitMs: number; onError: (error: unknown) => void }): Owned {
  const { clock, limitMs, onError } = options;
  const stack = new AsyncDisposableStack();
  const over = new AbortController();
  let limit: Promise<void> | undefined;
  let givenBack: Promise<void> | undefined;
  const inTime = async (work: () => unknown): Promise<void> => {
    limit ??= clock.sleep(limitMs, over.signal).catch(() => undefined);
    const closed = (async () => void (await work()))().catch(onError);
    await Promise.race([closed, limit]);
  };
  return {
    own(resource, close) {
      stack.defer(() => inTime(() => close(resource)));
      return resource;
    },
    giveBack: () =>
      (givenBack ??= stack.disposeAsync().then(() => {
        over.abort(new Error('closed'));
      })),
  };
}
