/** Which turn the running code works for. An error that no code awaits fails that turn, and no other. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface RunningTurn {
  sessionId: string;
  turnIndex: number;
  traceId?: string;
  /** Ends the turn as `internal`. False where the turn is over, so that nothing is left to fail. */
  fail(error: unknown): boolean;
}

const running = new AsyncLocalStorage<RunningTurn>();

/** Runs the work, and whatever it starts, for this turn. */
export function workFor<T>(turn: RunningTurn, work: () => T): T {
  return running.run(turn, work);
}

/** The turn that the caller works for, also in the process's handlers of unhandled errors. Undefined outside of turns. */
export function runningTurn(): RunningTurn | undefined {
  return running.getStore();
}
