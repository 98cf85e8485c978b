/**
 * A whole experiment: captured sessions × lanes (baseline, baseline2, candidates) × runs → turns, traces and a report for each
 * candidate. docs/experiment.md tells how arms, lanes and worlds fit together.
 */
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { measureTurn, type TurnSummary } from '../../service/turn-log/metrics.ts';
import { keyedHex } from '../../service/base/random.ts';
import { strategyHash, withoutPromptText, type Strategy } from '../../service/strategy/strategy.ts';
import { simWorld } from '../arms/against.ts';
import { tracedTurnKey } from '../traces/trace-tree.ts';
import { createArm, type Arm, type ArmWorld } from '../arms/arm.ts';
import { isByOutcome } from '../sessions/choice.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { pricesOf } from '../plan/budget.ts';
import { HERE } from '../arms/checkout.ts';
import { isMeasured } from '../diff/align.ts';
import { diffLanes } from '../diff/diff.ts';
import type { Look } from '../diff/looks.ts';
import { planExperiment, planKey, type ExperimentOptions, type ExperimentPlan } from '../plan/plan.ts';
import { openJournal, readJournal, refuseOverwrite } from './journal.ts';
import { firstFailure, validityNotes } from './notes.ts';
import { floorNote, redrawn, sameTimes } from './sim-floor.ts';
import { createWatch, withJournaledSessions } from './until-decided.ts';
import { buildReport, type Report, type ReportArm, type ReportSide } from '../report/build.ts';
import { asksOf } from '../plan/asks.ts';
import { dayOf, retirementNotes } from '../plan/retired.ts';
import { runReplay, summariesOf, type Replayed } from './schedule.ts';
import { type ReplayLane } from '../plan/lanes.ts';
import { type ReplayedTurn } from '../arms/replayed-turn.ts';
import { turnText, type TurnText } from '../traces/load.ts';
import { ERROR_LIMIT_PCT, loadTrust, trustInCandidate, type Trusted } from './trust.ts';
import { startWorker } from '../arms/worker-client.ts';

export interface Experiment extends Omit<Replayed, 'turns'> {
  runId: string;
  reports: { variant: string; report: Report }[];
  replayed: readonly ReplayedTurn[];
  captured: readonly TurnSummary[];
  /** Of a run until decided: the last one. */
  look?: Look;
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
  const budget = { limitUsd: options.budgetUsd, purse: options.purse, priceUsd: pricesOf(options, plan).usdOf };
  if (keep?.resume === false) refuseOverwrite(keep.path);
  const before = keep?.resume === true ? readJournal(keep.path) : undefined;
  const key = keyedHex(
    16,
    planKey(options, lanes),
    plan.pace,
    plan.words,
    ...(options.withText === true ? ['with text'] : []),
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
    const { turns: replayed, ...rest } = await runReplay({
      sessions,
      lanes,
      plan: plan.runs,
      armFor: (lane) => Promise.resolve(options.armFor?.(lane, against) ?? armFor(options, plan, lane, against)),
      runId,
      pace: plan.pace,
      withText: options.withText === true,
      budget,
      resumeWholeSessions: world === 'sim',
      clock,
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
    const experiment = { runId, replayed, captured, otlp, look: watch?.last(), ...rest };
    return { ...experiment, reports: reportsOf(options, plan, experiment) };
  } finally {
    journal?.close();
  }
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

function reportsOf(
  options: ExperimentOptions,
  plan: ExperimentPlan,
  run: Omit<Experiment, 'reports'>,
): Experiment['reports'] {
  const { world, commit, baselineCheckout } = options;
  const { replayed, captured, look } = run;
  // a session that the budget cut off is in no look
  const compared = look === undefined || look.looks === 0 ? replayed : replayed.slice(0, look.turns);
  const summariesIn = ({ lane, variant }: ReplayLane): TurnSummary[] => summariesOf(compared, lane, variant);
  const sideOf = (lane: ReplayLane, ofCommit: string): ReportSide => {
    const strategy = plan.strategies.get(lane);
    if (strategy === undefined) throw new InputError(`no lane ${lane.lane} ${lane.variant}`);
    return { arm: reportArm(lane, ofCommit, strategy), turns: summariesIn(lane) };
  };
  const texts = options.withText === true ? textsByTurn(options.sessions, replayed) : undefined;
  return plan.comparisons.flatMap(({ spec, baseline, baseline2, candidate, onSameWords }) => {
    const { variant, primary } = spec;
    const sameWords =
      onSameWords &&
      diffLanes(summariesIn(onSameWords.baseline), summariesIn(onSameWords.candidate), {
        primary,
        level: look?.level,
      })?.primary;
    const unmeasured = `no turn was measured in both lanes${firstFailure(replayed, candidate, baseline)}`;
    const trust = world === 'sim' ? trustInCandidate({ ...options, spec }, loadTrust()) : undefined;
    const [before, after] = [plan.strategies.get(baseline), plan.strategies.get(candidate)];
    const asks = before === undefined || after === undefined ? [] : asksOf(before, after);
    const report = buildReport({
      world,
      a: sideOf(baseline, baselineCheckout?.commit ?? commit),
      b: { ...sideOf(candidate, commit), arm: { ...sideOf(candidate, commit).arm, variant } },
      a2: summariesIn(baseline2),
      sameTimes: sameTimes(options, replayed, baseline2.variant),
      captured: isByOutcome(options.choice) ? undefined : captured,
      invalid:
        trust?.shown === false
          ? [`the simulation has been wrong about ${variant} by more than ${ERROR_LIMIT_PCT} %`]
          : undefined,
      positionOf: world === 'sim' ? undefined : placeIn(replayed),
      simulated: trust === undefined ? undefined : { why: whyPredicted(trust, asks) },
      asks: world === 'sim' ? asks : undefined,
      bounds: options.bounds,
      look,
      settleBy: options.settleBy,
      // in live no stand-in draws anything, and a profile is a name
      draws: world === 'live' ? undefined : options.draws,
      seed: options.seed,
      profile: world === 'live' ? undefined : options.profile,
      notes: [
        ...validityNotes(
          {
            ...options,
            prediction: trust?.text,
            floor: floorNote(options, replayed, baseline2.variant),
            pace: plan.pace,
            words: candidate.words,
          },
          run,
          candidate.variant,
        ),
        ...retirementNotes(options, [baseline, baseline2, candidate]),
        ...([candidate, baseline].every((lane) => summariesIn(lane).some(isMeasured)) ? [] : [unmeasured]),
      ],
      primary,
      sameWords,
      texts,
      rerun: options.rerun,
    });
    if (report !== undefined) return [{ variant, report }];
    const what = `${variant}: ${unmeasured}`;
    if (options.onUnmeasured === undefined) throw new InputError(what);
    options.onUnmeasured(what);
    return [];
  });
}

/** Why a simulated figure stands as a prediction only; undefined where it may stand as a result. */
function whyPredicted(trust: Trusted, asks: readonly string[]): string | undefined {
  if (asks.length > 0) return `the capture has not shown what the candidate asks for: ${asks.join('; ')}`;
  return trust.isMeasured ? undefined : trust.text;
}

/** The place of a turn in the order in which the run took them. */
function placeIn(replayed: readonly ReplayedTurn[]): (turn: TurnSummary) => number | undefined {
  const places = new Map(replayed.map(({ summary }, index) => [summary, index]));
  return (turn) => places.get(turn);
}

function capturedSummaries(sessions: readonly CapturedSession[]): TurnSummary[] {
  return sessions.flatMap(({ turns }) =>
    turns.map(
      (log) => measureTurn({ ...log, identity: { ...log.identity, lane: 'captured', variant: 'captured' } }).summary,
    ),
  );
}

function reportArm({ lane, variant }: ReplayLane, commit: string, strategy: Strategy): ReportArm {
  return { lane, variant, commit, strategyHash: strategyHash(strategy), strategy: withoutPromptText(strategy) };
}

/** Of captured turns, and of turns that were run with their text kept. */
function textsByTurn(
  sessions: readonly CapturedSession[],
  replayed: readonly ReplayedTurn[],
): ReadonlyMap<string, TurnText> {
  return new Map([
    ...sessions.flatMap(({ turns }) => turns.map((log) => [tracedTurnKey(log.identity), turnText(log)] as const)),
    ...replayed.flatMap(({ summary, text }) => (text === undefined ? [] : [[tracedTurnKey(summary), text] as const])),
  ]);
}
