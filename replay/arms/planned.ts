/** A turn that is to be run: which captured turn, in which lane, for which time. */
import type { Lane } from '../../service/base/events.ts';

/** `captured` keeps the gaps between turns; `fast` only lets connections grow as old as they were. */
export const PACES = ['captured', 'fast'] as const;
export type Pace = (typeof PACES)[number];

/** One lane of an experiment: `variant` names the strategy that it runs under. */
export interface PlannedLane {
  lane: Exclude<Lane, 'captured'>;
  variant: string;
}

export interface PlannedRun extends PlannedLane {
  sessionId: string;
  turnIndex: number;
  /** Repetition, from 0. */
  run: number;
}

/** Names a planned turn in the journal. */
export function runKey({ lane, variant, ...planned }: PlannedRun): string {
  return [pairKey(planned), lane, variant].join('/');
}

/** Names what is run back to back and, if it must be, run again: one turn in all its lanes. */
export function pairKey({ sessionId, turnIndex, run }: Omit<PlannedRun, keyof PlannedLane>): string {
  return [sessionId, turnIndex, run].join('/');
}
