/** Virtual time moves only when nothing can run. */
import { createHook } from 'node:async_hooks';
import { InvariantError } from '../../service/base/errors.ts';
import type { Clock } from '../../service/base/ports.ts';

/** 2026-01-01T00:00:00Z in µs. Every run begins there, so that its files repeat byte by byte. */
export const SIM_EPOCH_US = 1_767_225_600_000_000;

export interface VirtualClock extends Clock {
  /** Runs `main` in virtual time. One run at a time; the next run continues where this one ends. */
  run<T>(main: () => Promise<T>): Promise<T>;
  /** Sleeps under way: 0 when a run left nothing behind. */
  sleeping(): number;
}

interface Sleeper {
  atUs: number;
  order: number;
  /** Undefined once woken or aborted. */
  wake: (() => void) | undefined;
}

/** Counts asynchronous work that may need more than one tick of the event loop. Clocks do not count. */
let begun = 0;
/** A tick ends after all of these have run: promises, and the queues beside them. */
const WITHIN_A_TICK: ReadonlySet<string> = new Set(['PROMISE', 'Microtask', 'TickObject']);
const watched = {
  init: (_id: number, type: string): void => {
    if (!WITHIN_A_TICK.has(type)) begun++;
  },
  trackPromises: false, // `init` would only skip them
};
const watch = createHook(watched);
let watching = 0;

/** Ticks after a wake that began no such work. One would do. */
const QUIET_IMMEDIATES = 2;

/**
 * After each wake `settleImmediates` real `setImmediate`s pass, so that everything that can run has run. Then the earliest
 * sleeper wakes, ties in order of registration. A wake that began only promises has run by the next tick and gets two;
 * async_hooks tell of other work, such as an immediate or a Blob's reader. `run` rejects with a "deadlock" error where nobody
 * sleeps and `main` is unsettled after `deadlockImmediates` more.
 */
export function createVirtualClock({ settleImmediates = 8, deadlockImmediates = 64 } = {}): VirtualClock {
  const heap: Sleeper[] = [];
  let nowUs = 0;
  let order = 0;
  let awaiting = 0;
  let running = false;

  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      if (!Number.isFinite(ms)) return reject(new InvariantError(`sleep of ${ms} ms: the time must be finite`));
      const sleeper: Sleeper = {
        atUs: nowUs + Math.max(0, Math.round(ms * 1000)),
        order: order++,
        wake: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        sleeper.wake = undefined;
        awaiting--;
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
      awaiting++;
      push(heap, sleeper);
    });

  /** Virtual time stands while anything can run, so nobody waits for a piece. */
  const giveWay = async (_piecesDone: number, signal?: AbortSignal): Promise<void> => signal?.throwIfAborted();

  /** Wakes the earliest sleeper at its time. False: nobody sleeps. */
  const wakeNext = (): boolean => {
    for (let sleeper = pop(heap); sleeper !== undefined; sleeper = pop(heap)) {
      const { wake } = sleeper;
      if (wake === undefined) continue;
      nowUs = Math.max(nowUs, sleeper.atUs);
      sleeper.wake = undefined;
      awaiting--;
      wake();
      return true;
    }
    return false;
  };

  const run = <T>(main: () => Promise<T>): Promise<T> => {
    if (running) throw new InvariantError('virtual time already runs: start one run at a time');
    running = true;
    return new Promise<T>((resolve, reject) => {
      let finish: (() => void) | undefined;
      let ticks = 0;
      let needed = settleImmediates;
      let begunBefore = begun;
      let deadlockLeft = deadlockImmediates;
      const next = (): void => {
        setImmediate(tick);
        begun--;
      };
      const end = (settle: () => void): void => {
        running = false;
        if (--watching === 0) watch.disable();
        settle();
      };
      const tick = (): void => {
        if (finish !== undefined) return end(finish);
        if (begun !== begunBefore) needed = settleImmediates;
        if (++ticks < needed) {
          // other work may still be able to run
        } else if (wakeNext()) {
          ticks = 0;
          needed = Math.min(QUIET_IMMEDIATES, settleImmediates);
          begunBefore = begun;
          deadlockLeft = deadlockImmediates;
        } else if (deadlockLeft-- <= 0) {
          const message = `deadlock at ${nowUs} µs of virtual time: nobody sleeps, and the run has not ended`;
          return end(() => reject(new InvariantError(message)));
        }
        next();
      };
      if (watching++ === 0) watch.enable();
      next();
      main().then(
        (value) => (finish = () => resolve(value)),
        (error: unknown) => (finish = () => reject(error)),
      );
    });
  };

  return { nowUs: () => nowUs, epochUs: () => SIM_EPOCH_US + nowUs, sleep, giveWay, run, sleeping: () => awaiting };
}

function before(a: Sleeper, b: Sleeper): boolean {
  return a.atUs === b.atUs ? a.order < b.order : a.atUs < b.atUs;
}

function push(heap: Sleeper[], sleeper: Sleeper): void {
  let index = heap.length;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || before(parent, sleeper)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = sleeper;
}

function pop(heap: Sleeper[]): Sleeper | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const leftIndex = 2 * index + 1;
    const left = heap[leftIndex];
    if (left === undefined) break;
    const right = heap[leftIndex + 1];
    const child = right !== undefined && before(right, left) ? right : left;
    if (!before(child, last)) break;
    heap[index] = child;
    index = child === left ? leftIndex : leftIndex + 1;
  }
  heap[index] = last;
  return first;
}
