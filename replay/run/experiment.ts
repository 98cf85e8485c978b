/**
 * A whole experiment: captured sessions × lanes (baseline, baseline2, candidates) × runs → turns, traces and a report for each
 * candidate. docs/experiment.md tells how arms, lanes and worlds fit together.
 */
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { measureTurn, type TurnSummary } from '../../service/turn-log/metrics.ts';
import { keyedHex } from '../../service/base/random.ts';
import { simWorld } from '../arms/against.ts';
import { createArm, type Arm, type ArmWorld } from '../arms/arm.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { pricesOf } from '../plan/budget.ts';
import { HERE } from '../arms/checkout.ts';
import type { Look } from '../diff/looks.ts';
import { planExperiment, planKey, type ExperimentOptions, type ExperimentPlan } from '../plan/plan.ts';
import { unpredicted } from '../plan/unpredicted.ts';
import { fitErrors, type FitError } from './fit-error.ts';
import type { Profile } from '../../sim/times/profile.ts';
import { openJournal, readJournal, refuseOverwrite } from './journal.ts';
import { refitLanes } from './refits.ts';
import { redrawn } from './sim-floor.ts';
import { createWatch, withJournaledSessions } from './until-decided.ts';
import { type Report } from '../report/build.ts';
import { dayOf } from '../plan/retired.ts';
import { runReplay, type Replayed } from './schedule.ts';
import { type ReplayLane } from '../plan/lanes.ts';
import { type ReplayedTurn } from '../arms/replayed-turn.ts';
import { startWorker } from '../arms/worker-client.ts';
import { reportsOf } from './reports-of.ts';

export interface Experiment extends Omit<Replayed, 'turns'> {
  runId: string;
  reports: { variant: string; report: Report }[];
  replayed: readonly ReplayedTurn[];
  captured: readonly TurnSummary[];
  /** Of a run until decided: the last one. */
  look?: Look;
  /** In `sim`: how far each kind's fit to the captured exchanges is off. */
  fitErrors: readonly FitError[];
  /** One line of OTLP JSON for each replayed turn, in plan order. */
  otlp: readonly string[];
}

/** Runs all lanes and compares each candidate with the baseline. Throws `InputError` when nothing can be compared. */
export async function runExperiment(asked: ExperimentOptions): Promise<Experiment> {
  const clock = createRealClock();
  const dated = asked.world === 'live' ? { ...asked, day: asked.day ?? dayOf(clock.epochUs()) } : asked;
  const options = withJournaledSessions(dated);
  const { sessions, world, journal: keep, untilDecided } = options;
  const plan = planExperiment(options);
  const { lanes, runId } = plan;
  const against = options.against ?? (world === 'sim' ? simWorld(options) : undefined);
  if (against?.world !== world) throw new InputError(`an experiment in ${world} needs "against": whom its arms call`);
  const refused = against.world === 'sim' ? notPredicted(sessions, plan, against.profile) : undefined;
  if (refused !== undefined) throw new InputError(refused);
  const budget = { limitUsd: options.budgetUsd, purse: options.purse, priceUsd: pricesOf(options, plan).usdOf };
  if (keep?.resume === false) refuseOverwrite(keep.path);
  const before = keep?.resume === true ? readJournal(keep.path) : undefined;
  const key = keyedHex(
    16,
    planKey(options, lanes),
    plan.pace,
    plan.words,
    ...(options.withText === true ? ['with text'] : []),
    ...(options.promptNonce === true ? ['prompt nonce'] : []),
    ...(untilDecided === undefined ? [] : ['until decided']),
  );
  if (before !== undefined && before.plan.key !== key)
    throw new InputError(
      `${keep?.path ?? ''} is the journal of another plan; repeat it with: ${before.plan.command ?? 'its own options'}`,
    );
  const journal =
    keep === undefined
      ? undefined
      : openJournal(
          keep.path,
          {
            line: 'plan',
            format: 1,
            key,
            runId,
            turns: plan.runs.length,
            world,
            command: keep.command,
            untilDecided: plan.untilDecided,
          },
          { resume: before !== undefined, sync: world === 'live' },
        );
  const captured = capturedSummaries(sessions);
  const watch = createWatch(options, plan, (replayed, look) => {
    const run = { ...NOTHING_ODD, runId, replayed, captured, otlp: [], look };
    return reportsOf({ ...options, withText: false, onUnmeasured: () => undefined }, plan, run);
  });
  try {
    const shared = { sessions, lanes, runId, pace: plan.pace, clock };
    const { turns: replayed, ...rest } = await runReplay({
      ...shared,
      plan: plan.runs,
      armFor: (lane) => Promise.resolve(options.armFor?.(lane, against) ?? armFor(options, plan, lane, against)),
      promptNonce: options.promptNonce,
      withText: options.withText === true,
      budget,
      resumeWholeSessions: world === 'sim',
      cooldownMs: options.cooldownMs ?? 30_000,
      journal,
      before: world === 'sim' && cachesSpeech(plan) ? undefined : before,
      spacingMs: options.spacingMs,
      onTurn: options.onTurn,
      isEnough: watch?.isEnough,
      signal: options.signal,
    });
    if (rest.unpaid === 0) journal?.end();
    if (replayed.length === 0 && rest.unpaid > 0)
      throw new InputError(
        `the rest of the budget of $${options.budgetUsd ?? 0} does not pay for one turn in all its lanes; raise --budget-usd`,
      );
    const otlp = replayed.map((turn) => turn.otlp);
    const errors = against.world === 'sim' ? fitErrors(against.observations ?? [], against.profile) : [];
    const experiment = { runId, replayed, captured, otlp, look: watch?.last(), fitErrors: errors, ...rest };
    const refitted = await refitLanes(options, plan, against, replayed, { ...shared, errors });
    return { ...experiment, reports: reportsOf(options, plan, { ...experiment, refitted }) };
  } finally {
    journal?.close();
  }
}

function notPredicted(
  sessions: readonly CapturedSession[],
  { comparisons }: ExperimentPlan,
  profile: Profile,
): string | undefined {
  const refusals = comparisons.flatMap(({ candidate }) => {
    const why = unpredicted(sessions, candidate, profile);
    return why === undefined ? [] : [`${candidate.variant}: ${why}`];
  });
  return refusals.length === 0 ? undefined : refusals.join('; ');
}

/** A look is at turns alone. */
const NOTHING_ODD = { repeated: new Map<string, string>(), split: 0, paidTwice: [], unpaid: 0 };

/** Earlier sessions fill the cache of later ones. So in `sim` such a run begins anew and is never resumed. */
function cachesSpeech({ strategies }: ExperimentPlan): boolean {
  return [...strategies.values()].some(({ cache }) => cache.greeting || cache.responses);
}

/** In `sim` time is virtual, so arms of this checkout share this process. Elsewhere each arm has a process of its own. */
function armFor(
  { baselineCheckout, commit, repository = HERE, world, signal }: ExperimentOptions,
  plan: ExperimentPlan,
  lane: ReplayLane,
  against: ArmWorld,
): Arm | Promise<Arm> {
  if (world === 'sim' && baselineCheckout === undefined && repository === HERE)
    return createArm(lane.lane === 'baseline2' ? redrawn(against) : against, signal);
  const strategy = plan.strategies.get(lane);
  if (strategy === undefined) throw new InputError(`no lane ${lane.variant}`);
  const code =
    lane.lane === 'candidate' || baselineCheckout === undefined ? { commit, folder: repository } : baselineCheckout;
  return startWorker({ ...code, world: against, strategy });
}

function capturedSummaries(sessions: readonly CapturedSession[]): TurnSummary[] {
  return sessions.flatMap(({ turns }) =>
    turns.map(
      (log) => measureTurn({ ...log, identity: { ...log.identity, lane: 'captured', variant: 'captured' } }).summary,
    ),
  );
}
