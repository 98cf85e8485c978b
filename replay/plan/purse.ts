/**
 * What a replay may still spend. A turn is charged its estimate before anything of it is sent, and its answer's own price once that
 * is known; what was under way at a crash stays charged.
 */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';

export interface Purse {
  /** Whether what these estimates add up to is left. After the first no it stays no: cheap turns are not picked out. */
  affords(estimatesUsd: readonly (number | undefined)[]): boolean;
  /** Charges a turn that is about to be sent. */
  charge(estimateUsd: number | undefined): void;
  /** Replaces a charged estimate by what the answer said; without a price in it the estimate stays. */
  settle(estimateUsd: number | undefined, summary: TurnSummary): void;
}

/** `spentUsd`: by an interrupted run before this one. Without a limit everything is afforded. */
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
