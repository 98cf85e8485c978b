/**
 * What a replay may still spend. A turn is charged its estimate before it is sent, and the price in the answer replaces the estimate.
 * A turn that a crash cut off stays charged.
 */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';

export interface Purse {
  /** Whether the sum of these estimates is left. After the first no, every answer is no: cheap turns are not picked out. */
  affords(estimatesUsd: readonly (number | undefined)[]): boolean;
  /** Charges a turn that is about to be sent. */
  charge(estimateUsd: number | undefined): void;
  /** Replaces a charged estimate by the price in the answer, where there is one. */
  settle(estimateUsd: number | undefined, summary: TurnSummary): void;
}

/** `spentUsd`: by the interrupted run that this one resumes. */
export function createPurse(limitUsd = Number.POSITIVE_INFINITY, spentUsd = 0): Purse {
  let usd = spentUsd;
  let open = true;
  return {
    affords(estimatesUsd) {
      open &&= usd + estimatesUsd.reduce<number>((sum, each) => sum + (each ?? 0), 0) <= limitUsd;
      return open;
    },
    charge: (estimate = 0) => void (usd += estimate),
    settle: (estimate = 0, { costUsd }) => void (usd += (costUsd ?? estimate) - estimate),
  };
}
