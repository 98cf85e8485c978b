/** Bounded channels and cancellation: every queue has a limit, every wait has an owner that can cancel it. */
import { InvariantError } from './errors.ts';
import type { Clock } from './ports.ts';

export interface Channel<T> extends AsyncIterable<T> {
  /** Hands over an item; throws when the channel is full (a limit that callers must not reach). */
  push(item: T): void;
  /** No more items; with an error, readers get it after the items already there. */
  close(error?: unknown): void;
}

/** A first-in-first-out channel for one reader, holding at most `limit` items. */
export function createChannel<T>(limit: number, name: string): Channel<T> {
  const items: T[] = [];
  let closed: { error?: unknown } | undefined;
  let readerGone = false;
  let wakeReader: (() => void) | undefined;

  const push = (item: T): void => {
    if (readerGone || closed !== undefined) return;
    if (items.length >= limit) throw new InvariantError(`${name}: more than ${limit} items waiting`);
    items.push(item);
    wakeReader?.();
  };
  return {
    push,
    close(error) {
      closed ??= { error };
      wakeReader?.();
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const item = items.shift();
          if (item !== undefined) {
            yield item;
          } else if (closed !== undefined) {
            if (closed.error !== undefined) throw closed.error;
            return;
          } else {
            await new Promise<void>((resolve) => (wakeReader = resolve));
            wakeReader = undefined;
          }
        }
      } finally {
        readerGone = true;
      }
    },
  };
}

/** The channel's items until the signal aborts; then its reason is thrown. */
export async function* untilAborted<T>(channel: Channel<T>, signal: AbortSignal): AsyncGenerator<T> {
  const close = (): void => channel.close(signal.reason);
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  try {
    for await (const item of channel) {
      if (signal.aborted) throw signal.reason; // what was waiting is not wanted any more
      yield item;
    }
  } finally {
    signal.removeEventListener('abort', close);
  }
}

/** A signal that aborts with its parent or by `abort`; `release` takes the listener off the parent. */
export function childSignal(parent: AbortSignal | undefined): {
  signal: AbortSignal;
  abort(reason: unknown): void;
  release(): void;
  released(): boolean;
} {
  let released = false;
  const controller = new AbortController();
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted === true) follow();
  else parent?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release() {
      released = true;
      parent?.removeEventListener('abort', follow);
    },
    released: () => released,
  };
}

/** The same work, in the set until it has settled. */
export function keepIn<T>(open: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
  open.add(work);
  const remove = (): void => void open.delete(work);
  work.then(remove, remove);
  return work;
}

/** The reason of a sleep that is called off. Made once: without a reason each abort makes an exception, stack and all. */
export const NO_LONGER_NEEDED = new Error('no longer needed');

/**
 * Runs `work` under a deadline on the clock. When the deadline passes first, work's signal aborts with
 * `timeoutError()` and so does the result, even if `work` ignores its signal.
 */
export async function withDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  parent: AbortSignal,
  timeoutError: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const child = childSignal(parent);
  const timer = childSignal(undefined);
  const deadline = clock.sleep(deadlineMs, timer.signal).then(
    () => {
      const error = timeoutError();
      child.abort(error);
      throw error;
    },
    () => new Promise<never>(() => undefined),
  );
  const aborted = new Promise<never>((_resolve, reject) => {
    if (child.signal.aborted) reject(child.signal.reason);
    else child.signal.addEventListener('abort', () => reject(child.signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  deadline.catch(() => undefined);
  try {
    return await Promise.race([work(child.signal), deadline, aborted]);
  } finally {
    timer.abort(NO_LONGER_NEEDED);
    child.release();
  }
}

/**
 * The work's outcome. When the signal aborts first: the signal's reason, as soon as the work has let go of what it holds, and after
 * `letGoMs` at the latest.
 */
export async function untilSettled<T>(
  clock: Clock,
  letGoMs: number,
  signal: AbortSignal,
  work: Promise<T>,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    const timer = new AbortController();
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    const tooLong = clock.sleep(letGoMs, timer.signal).catch(() => undefined);
    void Promise.race([settled, tooLong]).then(() => {
      timer.abort(NO_LONGER_NEEDED);
      aborted.reject(signal.reason);
    });
  };
  aborted.promise.catch(() => undefined);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
