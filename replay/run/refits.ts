/**
 * Lanes of a simulation run again under refits of its model: times fitted to captured sessions drawn anew (docs/virtual-time.md#refits). All
 * lanes share a refit. What the lanes' differences then differ by is the model's own uncertainty.
 */
import { keyedRandom } from '../../service/base/random.ts';
import type { FitError } from './fit-error.ts';
import { spread } from '../../sim/times/empirical.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { createArm, type ArmWorld } from '../arms/arm.ts';
import { HERE } from '../arms/checkout.ts';
import type { ReplayedTurn } from '../arms/replayed-turn.ts';
import type { Refit } from '../diff/refits.ts';
import type { LanePair, ReplayLane } from '../plan/lanes.ts';
import type { ExperimentOptions, ExperimentPlan } from '../plan/plan.ts';
import { normalDraw } from '../statistics/distributions.ts';
import { isCaptured } from './basis.ts';
import { runReplay, summariesOf, type ReplayOptions } from './schedule.ts';

export const REFITS = 20;
/** A refit runs turns of at most so many sessions, spread over all. It is fitted to all of them in any case. */
const REFIT_SESSIONS = 20;

/** For each lane whose times rest on the model: its turns under each refit. */
export type LaneRefits = ReadonlyMap<ReplayLane, readonly (readonly TurnSummary[])[]>;

type Shared = Pick<ReplayOptions, 'sessions' | 'lanes' | 'runId' | 'pace' | 'clock'> & {
  /** Of the fits to all sessions. */
  errors: readonly FitError[];
};

export interface Refitted {
  lanes: LaneRefits;
  /** Why intervals do not hold the model's uncertainty, though times rest on the model. */
  without?: string;
}

export const NOT_REFITTED: Refitted = { lanes: new Map() };

/** Runs the compared lanes that have any time of the model. Nothing to run where all their times were captured. */
export async function refitLanes(
  options: ExperimentOptions,
  { comparisons, runs }: Pick<ExperimentPlan, 'comparisons' | 'runs'>,
  against: ArmWorld,
  replayed: readonly ReplayedTurn[],
  { errors, ...shared }: Shared,
): Promise<Refitted> {
  const { refits = REFITS, signal, onRefit } = options;
  if (against.world !== 'sim' || refits === 0) return NOT_REFITTED;
  const lanes = [...new Set(comparisons.flatMap(({ baseline, candidate }) => [baseline, candidate]))].filter((lane) =>
    isModelled(replayed, lane),
  );
  if (lanes.length === 0) return NOT_REFITTED;
  const without = whyNoRefits(options, against);
  if (without !== undefined) return { ...NOT_REFITTED, without };
  const chosen = new Set(spread([...new Set(runs.map(({ sessionId }) => sessionId))], REFIT_SESSIONS));
  const plan = runs.filter(
    (planned) =>
      chosen.has(planned.sessionId) &&
      lanes.some(({ lane, variant }) => lane === planned.lane && variant === planned.variant),
  );
  const found = new Map<ReplayLane, TurnSummary[][]>(lanes.map((lane) => [lane, []]));
  for (let refit = 1; refit <= refits; refit++) {
    const levels = levelsUnder(errors, against.seed, refit);
    const { turns } = await runReplay({
      ...shared,
      plan,
      armFor: () => Promise.resolve(createArm({ ...against, refit: { number: refit, levels } }, signal)),
      withText: false,
      isBare: true,
      budget: { priceUsd: () => 0 },
      resumeWholeSessions: true,
      cooldownMs: 0,
      signal,
    });
    for (const lane of lanes) found.get(lane)?.push(summariesOf(turns, lane.lane, lane.variant));
    onRefit?.(refit, refits);
  }
  return { lanes: found };
}

/** No refit makes a kind quicker or slower than by this. */
const MOST_OFF = 10;

/**
 * What one refit multiplies the times of each weakly fitted kind by, in all lanes: e^(z · level error), z from the standard normal
 * distribution. Sessions drawn anew tell the doubt about the others.
 */
export function levelsUnder(
  errors: readonly FitError[],
  seed: string,
  refit: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    errors
      .filter(({ isWeak }) => isWeak)
      .map(({ kind, levelError }) => {
        const level = Math.exp(levelError * normalDraw(keyedRandom(seed, refit, 'level', kind)));
        return [kind, Math.min(MOST_OFF, Math.max(1 / MOST_OFF, level))];
      }),
  );
}

/** Of a comparison; none where no lane of it was run again. */
export function refitsFor(
  { baseline, candidate }: LanePair,
  refits: LaneRefits,
  turnsIn: (lane: ReplayLane) => readonly TurnSummary[],
): Refit[] {
  const [a, b] = [refits.get(baseline), refits.get(candidate)];
  const count = (a ?? b ?? []).length;
  return Array.from({ length: count }, (_, index) => ({
    a: a?.[index] ?? turnsIn(baseline),
    b: b?.[index] ?? turnsIn(candidate),
  }));
}

function whyNoRefits(
  { baselineCheckout, repository = HERE, sessions }: ExperimentOptions,
  { observations }: ArmWorld & { world: 'sim' },
): string | undefined {
  if (observations === undefined || observations.length === 0) return 'all its times are those of the profile';
  if (baselineCheckout !== undefined || repository !== HERE) return 'arms of other commits fit as their code does';
  return sessions.length < 2 ? 'it shows only between captured sessions' : undefined;
}

function isModelled(replayed: readonly ReplayedTurn[], { lane, variant }: ReplayLane): boolean {
  return !isCaptured(replayed, lane, variant);
}
