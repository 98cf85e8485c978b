/** A service's resources, given back in reverse order within one limit of time, also after errors. */
import type { Clock } from './base/ports.ts';

export interface Owned {
  /** Keeps the resource until `giveBack`. An error of `close` goes to `onError`; the resources before it are closed all the same. */
  own<Resource>(resource: Resource, close: (resource: Resource) => unknown): Resource;
  /** Closes all resources, the latest first. After the limit it waits for none, but still closes the rest. Never rejects. A second call waits for the first. */
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
