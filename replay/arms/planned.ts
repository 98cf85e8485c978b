/** A turn to run: which captured turn, in which lane, in which repetition. */
import type { Lane } from '../../service/base/events.ts';

/** `captured` keeps the gaps between turns; `fast` only lets connections grow as old as they were. */
export const PACES = ['captured', 'fast'] as const;
export type Pace = (typeof PACES)[number];

export interface PlannedLane {
  lane: Exclude<Lane, 'captured'>;
  /** Names the strategy of the lane. */
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

/** Names one turn in all its lanes: they run back to back and are repeated together. */
export function pairKey({ sessionId, turnIndex, run }: Omit<PlannedRun, keyof PlannedLane>): string {
  return [sessionId, turnIndex, run].join('/');
}
