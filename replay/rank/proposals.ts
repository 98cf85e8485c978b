/** Replays that would settle a prediction: their sessions and price, by the rule that will judge them. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { bySession, intervalOver, isMeasured } from '../diff/align.ts';
import { PRIMARY_FIGURES, type PrimaryMetric } from '../diff/diff.ts';
import { differenceOf, pairsWith } from '../diff/diff-rows.ts';
import { detectableMs } from '../diff/power.ts';
import { sessionsFor } from '../diff/settle.ts';
import { DEFAULT_BOUNDS, type Verdict } from '../diff/verdict.ts';
import { TURNS_TO_MEASURE } from '../run/trust.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { ReplayLane } from '../plan/lanes.ts';
import { pairsIn, type Report } from '../report/build.ts';
import { COMBINED_BY } from '../variants/variants.ts';
import { isGain, perTurn, type Ranked } from './rank.ts';

/** Where a replay settles a prediction: where its captures came from. */
export type SettlingWorld = 'live' | 'wire';

export interface Proposal {
  name: string;
  /** Of the simulation. */
  verdict: Verdict;
  /** What the candidate asks of the world that the capture has not shown. */
  asks: readonly string[];
  world: SettlingWorld;
  /** Sessions of which four in five replays are decided, if the true difference is the predicted one. */
  sessions: number;
  /** Turn pairs in so many sessions. */
  pairs: number;
  /** The least difference that is called `slower` in four of five such replays, in ms and % of the primary metric. */
  detectableMs: number;
  detectablePct: number;
  /** Of the LLM, all lanes; absent where the captured turns or the candidate's have no price. 0 in `wire`. */
  usd?: number;
  /** To be synthesized, all lanes; no price is known for them. */
  ttsCharacters: number;
  command: string;
}

/** The best variants that gain, and the best combination: worth a replay. In rank. */
export function worthReplaying(ranked: readonly Ranked[], most: number): Ranked[] {
  const gaining = ranked.filter(isGain);
  const combined = gaining.filter(({ name }) => name.includes(COMBINED_BY));
  return gaining.filter((each) => each === combined[0] || !combined.includes(each)).slice(0, most);
}

/** A candidate, simulated twice. */
export interface Simulated {
  ranked: Ranked;
  primary: PrimaryMetric;
  /** Under common draws: what is predicted. */
  predicted: Report;
  /** Under independent draws: how far sessions differ, by chance too. */
  spread: Report;
  /** Of the replay. */
  lanes: readonly Pick<ReplayLane, 'lane'>[];
}

/**
 * The replay that settles a prediction. Undefined where sessions settle nothing, or two of them were not measured: nothing then tells how far
 * sessions differ.
 */
export function proposalFor(
  { ranked, primary, predicted, spread, lanes }: Simulated,
  captured: readonly TurnSummary[],
  {
    world,
    commandOf,
  }: { world: SettlingWorld; commandOf(name: string, sessions: number, world: SettlingWorld): string },
): Proposal | undefined {
  const { us } = PRIMARY_FIGURES[primary];
  const pairs = pairsWith(pairsIn(spread), us).filter(({ a, b }) => isMeasured(a) && isMeasured(b));
  const interval = intervalOver(pairs, differenceOf(us));
  const measured = bySession(pairs).length;
  const { marginMs } = predicted.validity;
  if (predicted.primary === undefined || interval.error === undefined) return undefined;
  const needed = sessionsFor({ ...interval, mean: predicted.primary.deltaMs }, measured, marginMs);
  if (needed === undefined) return undefined;
  const sessions = Math.max(Math.ceil(needed), DEFAULT_BOUNDS.minSessions);
  const turns = Math.ceil((sessions * pairs.length) / measured);
  const errorMs = interval.error * Math.sqrt(measured / sessions);
  const leastMs = detectableMs({ errorMs, degrees: sessions - 1 }, marginMs);
  const candidates = lanes.filter(({ lane }) => lane === 'candidate').length;
  const ofAllLanes = (each: number | undefined, more: number | undefined): number | undefined =>
    each === undefined || more === undefined ? undefined : turns * (lanes.length * each + candidates * more);
  const { name, usdPerTurn, charactersPerTurn } = ranked;
  return {
    ...{ name, verdict: predicted.verdict, asks: predicted.asks ?? [], world, sessions, pairs: turns },
    detectableMs: leastMs,
    detectablePct: (100 * leastMs) / predicted.primary.aMs,
    usd: world === 'wire' ? 0 : ofAllLanes(perTurn(captured, 'costUsd'), usdPerTurn),
    ttsCharacters: Math.round(ofAllLanes(perTurn(captured, 'characters') ?? 0, charactersPerTurn) ?? 0),
    command: commandOf(name, sessions, world),
  };
}

/** Of a replay that shows what no capture does: as many as hold 20 turns, and no fewer than a verdict needs. */
export function sessionsToShow(sessions: readonly CapturedSession[]): number {
  const turns = sessions.reduce((sum, session) => sum + session.turns.length, 0);
  return Math.max(DEFAULT_BOUNDS.minSessions, Math.ceil((TURNS_TO_MEASURE * sessions.length) / turns));
}
