/** A second request beside a slow one. The request with the first content makes the reply, the other one stops. */
import type { Asked } from './ask.ts';
import type { Clock } from '../base/ports.ts';
import { childSignal } from '../base/streams.ts';

export interface Hedged {
  winner: Asked;
  /** The stopped request. Absent where no second request was made, or the loser had failed. */
  loser?: Asked;
  /** A second request was made. */
  placed: boolean;
}

/**
 * Waits `afterMs` for content of `first`, then asks `second`; sooner where `first` fails. Resolves with the first
 * content; `first` wins a tie. Rejects with the failure of `first` when both fail.
 */
export async function hedge(
  clock: Clock,
  afterMs: number,
  signal: AbortSignal,
  first: Asked,
  second: () => Asked,
): Promise<Hedged> {
  const timer = childSignal(signal);
  const answered = first.content.then(() => true);
  try {
    const late = clock.sleep(afterMs, timer.signal).then(() => false);
    const inTime = await Promise.race([answered, late]).catch(() => {
      signal.throwIfAborted();
      return false;
    });
    if (inTime) return { winner: first, placed: false };
  } finally {
    timer.abort(new Error('the hedge is settled'));
    timer.release();
  }
  const other = second();
  const failed = (each: Asked): Promise<Asked> => each.content.then(() => each);
  try {
    const winner = await Promise.any([failed(first), failed(other)]);
    const loser = winner === first ? other : first;
    loser.abandon('the other request of a hedge answered first');
    return { winner, loser, placed: true };
  } catch {
    await first.content;
    return { winner: first, placed: true };
  }
}
