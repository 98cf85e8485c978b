/** A second request beside one that is slow to answer: the first content of the two is the reply's, the other one stops. */
import type { Asked } from './ask.ts';
import type { Clock } from '../base/ports.ts';
import { childSignal } from '../base/streams.ts';

export interface Hedged {
  winner: Asked;
  /** The request that was stopped; absent where no second one was made, or it had failed. */
  loser?: Asked;
  /** The second one was asked at all. */
  placed: boolean;
}

/**
 * Waits `afterMs` for content of `first`; then, or as soon as it fails, asks `second`. Resolves with the first content,
 * a tie going to `first`. Rejects with `first`'s failure when both fail.
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
