/**
 * When a process was not let run. A timer of 1 ms ticks beside the measurement and knows nothing of it: where a tick comes
 * late, the machine was busy with something else, and what was measured then says nothing about the trace.
 */

/** Milliseconds of the machine's monotonic clock, which all its processes share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** From when to when nothing ran. */
export type MachineStall = readonly [fromMs: number, toMs: number];

/** Later than this is a stall: the tolerance of the suite. */
const LATE_MS = 3;
const STALLS_LIMIT = 20_000;

/** Stalls from now on, newest last, until `stop`. */
export function watchStalls(): { stalls: MachineStall[]; stop(): void } {
  const stalls: MachineStall[] = [];
  let lastMs = machineMs();
  const timer = setInterval(() => {
    const nowMs = machineMs();
    if (nowMs - lastMs > LATE_MS + 1) stalls.push([lastMs, nowMs]);
    if (stalls.length > STALLS_LIMIT) stalls.shift();
    lastMs = nowMs;
  }, 1);
  return { stalls, stop: () => clearInterval(timer) };
}

/** Whether any stall overlaps a window. */
export function disturbed(stalls: readonly MachineStall[], window: MachineStall): boolean {
  return stalls.some(([fromMs, toMs]) => fromMs < window[1] && toMs > window[0]);
}
