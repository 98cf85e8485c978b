/** Refuses new work while the event loop is late, so that the turns that run are finished in time. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../base/ports.ts';
import { LIMITS } from './limits.ts';
import { ProblemError } from './problem.ts';

export const DOORS = ['session', 'turn', 'connection'] as const;
export type Door = (typeof DOORS)[number];

export interface Doorkeeper {
  /** Throws `ProblemError` (503 with Retry-After) while the service is overloaded. */
  admit(door: Door): void;
  readonly overloaded: boolean;
  /** 99th percentile of the event loop's delay in the last half second. */
  delayMs(): number;
  /** How often `admit` has refused, by door. */
  refused(): Readonly<Record<Door, number>>;
  close(): void;
}

export interface DelaySource {
  /** 99th percentile since the last reading. */
  readMs(): number;
  close(): void;
}

const WINDOW_MS = 500;
const RESOLUTION_MS = 10;
const RETRY_AFTER_S = 2;

/** Two late windows in a row are an overload, or one that is twice as late; one is a hiccup. An overload is over with the first window of half the limit. */
export function isOverloadedAfter(overloaded: boolean, lastMs: number, nowMs: number): boolean {
  const limitMs = LIMITS.loopDelay.value;
  if (overloaded) return nowMs > limitMs / 2;
  return nowMs > 2 * limitMs || (lastMs > limitMs && nowMs > limitMs);
}

export function createDoorkeeper({
  clock,
  source = loopDelay(clock),
}: {
  clock: Pick<Clock, 'sleep' | 'nowUs'>;
  source?: DelaySource;
}): Doorkeeper {
  const refused: Record<Door, number> = { session: 0, turn: 0, connection: 0 };
  const closing = new AbortController();
  let delayMs = 0;
  let overloaded = false;
  const watch = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(WINDOW_MS, closing.signal);
      const nowMs = source.readMs();
      overloaded = isOverloadedAfter(overloaded, delayMs, nowMs);
      delayMs = nowMs;
    }
  };
  watch().catch(() => undefined);
  return {
    admit(door) {
      if (!overloaded) return;
      refused[door] += 1;
      const detail = `the service is busy with the turns that run; try again in ${RETRY_AFTER_S} s`;
      throw new ProblemError({
        status: 503,
        title: 'Overloaded',
        detail,
        headers: { 'retry-after': String(RETRY_AFTER_S) },
      });
    },
    get overloaded() {
      return overloaded;
    },
    delayMs: () => delayMs,
    refused: () => refused,
    close() {
      closing.abort(new Error('the service closes'));
      source.close();
    },
  };
}

/** The event loop's own delay, read once a window; `histogram` is replaced by tests. */
export function loopDelay(
  clock: Pick<Clock, 'nowUs'>,
  histogram: Pick<
    ReturnType<typeof monitorEventLoopDelay>,
    'enable' | 'percentile' | 'reset' | 'disable'
  > = monitorEventLoopDelay({
    resolution: RESOLUTION_MS,
  }),
): DelaySource {
  histogram.enable();
  let readUs = clock.nowUs();
  return {
    readMs() {
      // the histogram holds the time from one sample to the next
      const delayMs = histogram.percentile(99) / 1e6 - RESOLUTION_MS;
      histogram.reset();
      // a stall across the window's end may reach the reader before the histogram, which then forgets it: the window itself is late
      const lateMs = (clock.nowUs() - readUs) / 1000 - WINDOW_MS;
      readUs = clock.nowUs();
      return Math.max(0, delayMs, lateMs);
    },
    close: () => void histogram.disable(),
  };
}
