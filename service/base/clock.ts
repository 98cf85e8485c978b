/** The real clock: the one place of the service that reads time and arms timers. */
import { performance, PerformanceObserver } from 'node:perf_hooks';
import type { Clock } from './ports.ts';

/** A clock on `performance.now()`, anchored to the epoch once, so that no stamp ever runs backwards. */
export function createRealClock(): Clock {
  const anchorUs = Math.round(performance.timeOrigin * 1000);
  const nowUs = (): number => Math.round(performance.now() * 1000);
  return { nowUs, epochUs: () => anchorUs + nowUs(), sleep: realSleep, giveWay: createGiveWay() };
}

function realSleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const done = (): void => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Calls again and again, until what it returns is called. Keeps no process alive. */
export function every(us: number, call: () => void): () => void {
  const timer = setInterval(call, us / 1000).unref();
  return () => clearInterval(timer);
}

/** Calls once this round of the event loop has read what was waiting for it. */
export function afterReading(call: () => void): void {
  setImmediate(call).unref();
}

/** Processor time of the thread that runs our JavaScript, user and system. */
export function threadCpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** Tells of each garbage collection on the real clock, some time after it, until what it returns is called. */
export function observeCollections(tell: (collection: { fromUs: number; toUs: number }) => void): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      tell({ fromUs: Math.round(startTime * 1000), toUs: Math.round((startTime + duration) * 1000) });
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

interface Waiting {
  piecesDone: number;
  goOn(): void;
}

/** One goes on in each round of the event loop: with one round for all, many long works would hold it up together. */
function createGiveWay(): Clock['giveWay'] {
  const waiting: Waiting[] = [];
  let isRunning = false;
  const round = (): void => {
    const next = waiting.reduce<Waiting | undefined>(
      (least, each) => (least === undefined || each.piecesDone < least.piecesDone ? each : least),
      undefined,
    );
    isRunning = next !== undefined;
    if (next === undefined) return;
    waiting.splice(waiting.indexOf(next), 1);
    next.goOn();
    setImmediate(round);
  };
  return async (piecesDone, signal) => {
    await new Promise<void>((resolve) => {
      waiting.push({ piecesDone, goOn: resolve });
      if (isRunning) return;
      isRunning = true;
      setImmediate(round);
    });
    signal?.throwIfAborted();
  };
}
