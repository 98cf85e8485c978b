/** How fast bytes come in, and who is given up for it. */
import type { Clock } from './ports.ts';

export interface Pace {
  took(bytes: number): void;
  /** At its pace the rest will not be here in time. Never so in the first window. */
  isHopeless(): boolean;
  /** Rejects with `tooSlow()` or `tooLate()`, or with the reason of an abort. `mostBytes` are awaited. */
  watched(mostBytes: number, signal: AbortSignal): Promise<never>;
}

export interface PaceOptions {
  clock: Pick<Clock, 'sleep'>;
  windowMs: number;
  limitMs: number;
  /** Mean of two windows. */
  leastBytesPerSecond: number;
  tooSlow: () => Error;
  tooLate: () => Error;
}

/** Looks at the end of each window. */
export function createPace(options: PaceOptions): Pace {
  const { clock, windowMs } = options;
  let missingBytes = 0;
  let { limitMs: leftMs } = options;
  /** Of the window that runs. */
  let windowBytes = 0;
  let ended: readonly number[] = [];
  const bytesPerSecond = (): number =>
    ended.length === 0 ? Infinity : (ended.reduce((sum, bytes) => sum + bytes, 0) * 1000) / (ended.length * windowMs);
  return {
    took(bytes) {
      missingBytes -= bytes;
      windowBytes += bytes;
    },
    isHopeless: () => bytesPerSecond() * leftMs < missingBytes * 1000,
    async watched(mostBytes, signal) {
      missingBytes = mostBytes;
      for (; leftMs > 0; leftMs -= windowMs) {
        await clock.sleep(windowMs, signal);
        ended = [...ended.slice(-1), windowBytes];
        windowBytes = 0;
        if (bytesPerSecond() < options.leastBytesPerSecond) throw options.tooSlow();
      }
      throw options.tooLate();
    },
  };
}
