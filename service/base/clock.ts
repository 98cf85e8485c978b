/** The real clock: the one place of the service that reads time and arms timers. */
import { performance } from 'node:perf_hooks';
import type { Clock } from './ports.ts';

/** A clock on `performance.now()`, anchored to the epoch once, so that no stamp ever runs backwards. */
export function createRealClock(): Clock {
  const anchorUs = Math.round(performance.timeOrigin * 1000);
  const nowUs = (): number => Math.round(performance.now() * 1000);
  return { nowUs, epochUs: () => anchorUs + nowUs(), sleep: realSleep };
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
