/** The last resort for errors that no code awaits, such as a library's unheld promise. By default they end the process. */
import { runningTurn, type RunningTurn } from './turn/running-turn.ts';

/** `turn-failed`: its turn ends as `internal`. `turn-over`: its turn had ended. `unplaced`: it belongs to no turn. */
export type StrayOutcome = 'turn-failed' | 'turn-over' | 'unplaced';

export interface StrayError {
  error: unknown;
  outcome: StrayOutcome;
  turn?: RunningTurn;
}

export interface LastResort {
  /** Resolves with the first error that belongs to no turn: what it broke is unknown, so the process should end. */
  unplaced: Promise<unknown>;
  /** Such errors end the process again. */
  remove(): void;
}

/** Takes unhandled rejections and uncaught exceptions of this process. `onStray` gets each, and must not throw. */
export function installLastResort(onStray: (stray: StrayError) => void): LastResort {
  const unplaced = Promise.withResolvers<unknown>();
  const take = (error: unknown): void => {
    const turn = runningTurn();
    const outcome = turn === undefined ? 'unplaced' : turn.fail(error) ? 'turn-failed' : 'turn-over';
    onStray({ error, outcome, turn });
    if (outcome === 'unplaced') unplaced.resolve(error);
  };
  process.on('unhandledRejection', take);
  process.on('uncaughtException', take);
  return {
    unplaced: unplaced.promise,
    remove() {
      process.off('unhandledRejection', take);
      process.off('uncaughtException', take);
    },
  };
}
