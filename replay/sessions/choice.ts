/** Which captured sessions a replay takes, and what its reports say of the choice. Pure. */
import { measureTurn } from '../../service/turn-log/metrics.ts';
import type { SessionHeader } from '../../service/capture/format.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { startEpochUs, type CapturedSession, type ChosenBy } from './captured-session.ts';
import { highest, lowest, median } from '../../service/base/quantile.ts';

/** How sessions came to be in the experiment. */
export type Choice = 'named' | 'sampled' | `by ${Exclude<ChosenBy, 'sample'>}`;

/** Sessions chosen for how they went: a report compares no captured lane then (regression to the mean). */
export const isByOutcome = (choice: Choice | undefined): boolean => choice?.startsWith('by ') === true;

/**
 * Ids of a seeded random sample, spread over time: in order of start, every N/n-th session from a random one on. So every session
 * is equally likely, and busy hours keep their share (systematic sampling: Cochran, Sampling Techniques, 1977, §8.1).
 */
export function spreadSample(
  sessions: readonly Pick<SessionHeader, 'sessionId' | 'startedEpochUs'>[],
  size: number,
  seed: string,
): string[] {
  const ordered = [...sessions].sort(
    (a, b) => a.startedEpochUs - b.startedEpochUs || (a.sessionId < b.sessionId ? -1 : 1),
  );
  if (ordered.length <= size) return ordered.map(({ sessionId }) => sessionId);
  const step = ordered.length / size;
  const from = keyedRandom(seed, 'sample')();
  return Array.from({ length: size }, (_, index) => ordered[Math.floor((index + from) * step)]).flatMap((session) =>
    session === undefined ? [] : [session.sessionId],
  );
}

/** The `size` sessions with the highest median end to end, or with most failed turns, in order of their start. */
export function pickedBy(
  by: Exclude<ChosenBy, 'sample'>,
  sessions: readonly CapturedSession[],
  size: number,
): CapturedSession[] {
  const ranked = sessions.flatMap((session) => {
    const summaries = session.turns.map((log) => measureTurn(log).summary);
    const measuredUs = summaries.map(({ e2eUs }) => e2eUs).filter((us) => us !== undefined);
    const failed = summaries.filter(({ failure }) => failure !== undefined).length;
    const rank = by === 'error' ? failed : measuredUs.length === 0 ? 0 : median(measuredUs);
    return rank > 0 ? [{ session, rank }] : [];
  });
  return ranked
    .sort((a, b) => b.rank - a.rank)
    .slice(0, size)
    .map(({ session }) => session)
    .sort((a, b) => sessionStartUs(a) - sessionStartUs(b));
}

export function choiceOf(by: ChosenBy, isNamed: boolean): Choice {
  return by === 'sample' ? (isNamed ? 'named' : 'sampled') : `by ${by}`;
}

/** How and from when sessions were chosen: the figures stand for no others. */
export function choiceNote(choice: Choice, sessions: readonly CapturedSession[]): string {
  const startsUs = sessions.map(sessionStartUs);
  const hours = new Set(startsUs.map((us) => Math.floor(us / 3.6e9))).size;
  const hour = (us: number): string => `${new Date(us / 1000).toISOString().slice(0, 13).replace('T', ' ')}h`;
  const [first, last] = [hour(lowest(startsUs)), hour(highest(startsUs))];
  const when = first === last ? `captured ${first} UTC` : `captured in ${hours} hours from ${first} to ${last} UTC`;
  return `sessions ${choice}: ${sessions.length}, ${when}`;
}

const sessionStartUs = ({ turns }: CapturedSession): number => lowest(turns.map(startEpochUs));
