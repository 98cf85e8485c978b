/**
 * When a process did not run. A timer of 1 ms ticks beside the measurement. Where a tick comes late, the machine was busy with
 * something else, and a figure of that moment says nothing about the trace.
 */

/** Milliseconds of the monotonic clock that all processes of the machine share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** An interval in which the process did not run. */
export type MachineStall = readonly [fromMs: number, toMs: number];

/** A tick later than the suite's tolerance is a stall. */
const LATE_MS = 3;
const STALLS_LIMIT = 20_000;

/** Collects stalls until `stop`, newest last. */
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

export function disturbed(stalls: readonly MachineStall[], window: MachineStall): boolean {
  return stalls.some(([fromMs, toMs]) => fromMs < window[1] && toMs > window[0]);
}
