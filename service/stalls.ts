/**
 * The event-loop monitor: when our own process stood still. While a turn runs a timer ticks; a tick that comes late shows that nothing
 * else ran since it was due. There is none in virtual time, where our code takes no time. What it means for a turn: docs/metrics.md#blocked.
 */
import { afterReading, every, observeCollections, threadCpuUs } from './base/clock.ts';
import type { Clock } from './base/ports.ts';
import { MOST_STALLS, type Interval, type Stall, type Stalls } from './turn-log/blocked.ts';

const TICK_US = 10_000;
/** A tick that is less late is no stall: timers and the scheduler of a busy machine are this exact at best. */
const LATE_US = 10_000;
/** Kept, oldest out first: at least 20 s of nothing but stalls. */
const KEPT = 1024;
/** Shorter collections are no stall's reason. */
const LEAST_COLLECTION_US = 1000;

export interface StallMonitor {
  stalls: Stalls;
  close(): void;
}

/** What the monitor asks of the process; replaced by tests. */
export interface MonitorSources {
  /** Calls again and again, until what it returns is called. */
  every(us: number, call: () => void): () => void;
  /** Calls once, after all that waits for the process now has been read. */
  afterReading(call: () => void): void;
  /** Processor time of this thread so far. */
  threadCpuUs(): number;
  /** Tells of garbage collections, until what it returns is called. */
  observeCollections(tell: (collection: Interval) => void): () => void;
}

const PROCESS: MonitorSources = { every, afterReading, threadCpuUs, observeCollections };

export function createStallMonitor(clock: Pick<Clock, 'nowUs'>, sources: MonitorSources = PROCESS): StallMonitor {
  const stalls: Omit<Stall, 'gcUs'>[] = [];
  const collections: Interval[] = [];
  let [lastUs, lastCpuUs, watching] = [0, 0, 0];
  let ends: readonly (() => void)[] = [];
  const keep = <Each>(ring: Each[], each: Each): void => {
    if (ring.push(each) > KEPT) ring.shift();
  };
  const tick = (): void => {
    const dueUs = lastUs + TICK_US;
    const cpuUs = sources.threadCpuUs();
    const sinceUs = cpuUs - lastCpuUs;
    lastUs = clock.nowUs();
    lastCpuUs = cpuUs;
    if (lastUs - dueUs < LATE_US) return;
    sources.afterReading(() => {
      lastUs = clock.nowUs();
      keep(stalls, { fromUs: dueUs, toUs: lastUs, cpuUs: Math.min(sinceUs, lastUs - dueUs) });
    });
  };
  const begin = (): void => {
    [lastUs, lastCpuUs] = [clock.nowUs(), sources.threadCpuUs()];
    const ignore = sources.observeCollections((collection) => {
      if (collection.toUs - collection.fromUs >= LEAST_COLLECTION_US) keep(collections, collection);
    });
    ends = [sources.every(TICK_US, tick), ignore];
  };
  const end = (): void => {
    for (const each of ends) each();
    ends = [];
  };
  return {
    stalls: {
      watch() {
        if (watching++ === 0) begin();
        let isOver = false;
        return () => {
          if (!isOver && --watching === 0) end();
          isOver = true;
        };
      },
      between(fromUs, toUs) {
        const within = stalls.filter((stall) => stall.toUs > fromUs && stall.fromUs < toUs);
        const longest = within.sort((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs)).slice(0, MOST_STALLS);
        const inOrder = longest.sort((a, b) => a.fromUs - b.fromUs);
        return inOrder.map((stall) => ({ ...stall, gcUs: overlapUs(stall, collections) }));
      },
    },
    close: end,
  };
}

/** Collections of one thread do not overlap. */
function overlapUs({ fromUs, toUs }: Interval, others: readonly Interval[]): number {
  return others.reduce((sum, each) => sum + Math.max(0, Math.min(toUs, each.toUs) - Math.max(fromUs, each.fromUs)), 0);
}
