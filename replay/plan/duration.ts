/** How long a plan will run. Pure. */
import { turnKey, type TurnLog } from '../../service/base/events.ts';
import { highest, lowest } from '../../service/base/quantile.ts';
import { startEpochUs, type CapturedSession } from '../sessions/captured-session.ts';
import type { Pace, PlannedRun } from '../arms/planned.ts';

interface DurationOptions {
  sessions: readonly CapturedSession[];
  runs: readonly PlannedRun[];
  pace: Pace;
  /** Least time between the starts of two turns. */
  spacingMs?: number;
}

/**
 * µs for all turns, one after another, each as long as it was captured. At the captured pace each lane keeps the gaps between the turns of a
 * session, counted from that lane's own first turn.
 */
export function durationUs({ sessions, runs, pace, spacingMs = 0 }: DurationOptions): number {
  const logs = new Map(
    sessions.flatMap(({ turns }) => {
      const firstUs = lowest(turns.map(startEpochUs));
      return turns.map((log) => [turnKey(log.identity), { log, sinceFirstUs: startEpochUs(log) - firstUs }] as const);
    }),
  );
  const began = new Map<string, number>();
  let [nowUs, lastStartUs] = [0, Number.NEGATIVE_INFINITY];
  for (const planned of runs) {
    const turn = logs.get(turnKey(planned));
    if (turn === undefined) continue;
    lastStartUs = Math.max(nowUs, lastStartUs + spacingMs * 1000);
    const lane = [planned.sessionId, planned.run, planned.lane, planned.variant].join('\u0000');
    const beganUs = began.get(lane) ?? lastStartUs;
    began.set(lane, beganUs);
    const fromUs = pace === 'captured' ? Math.max(lastStartUs, beganUs + turn.sinceFirstUs) : lastStartUs;
    nowUs = fromUs + lengthUs(turn.log);
  }
  return nowUs;
}

/** Events are timed from the start of the service's clock, long before the turn. */
function lengthUs({ events }: TurnLog): number {
  const atUs = events.map((event) => event.atUs);
  return atUs.length === 0 ? 0 : highest(atUs) - lowest(atUs);
}
