/** The reports of a finished experiment: each candidate's lane against the baseline's. */
import { InputError } from '../../service/base/errors.ts';
import { weakFitNotes, type FitError } from './fit-error.ts';
import { type TurnSummary } from '../../service/turn-log/metrics.ts';
import { strategyHash, withoutPromptText, type Strategy } from '../../service/strategy/strategy.ts';
import { tracedTurnKey } from '../traces/trace-tree.ts';
import { isByOutcome } from '../sessions/choice.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { isMeasured } from '../diff/align.ts';
import { diffLanes } from '../diff/diff.ts';
import type { Look } from '../diff/looks.ts';
import { type ExperimentOptions, type ExperimentPlan } from '../plan/plan.ts';
import { firstFailure, validityNotes } from './notes.ts';
import { fittedStages, isCaptured } from './basis.ts';
import { NOT_REFITTED, refitsFor, type Refitted } from './refits.ts';
import { floorNote, sameTimes } from './sim-floor.ts';
import { buildReport, type Report, type ReportArm, type ReportSide } from '../report/build.ts';
import { actsNotes } from '../plan/acts-where.ts';
import { asksOf } from '../plan/asks.ts';
import { retirementNotes } from '../plan/retired.ts';
import { settlingWorld } from '../plan/unpredicted.ts';
import { summariesOf, type Replayed } from './schedule.ts';
import { type ReplayLane } from '../plan/lanes.ts';
import { type ReplayedTurn } from '../arms/replayed-turn.ts';
import { turnText, type TurnText } from '../traces/load.ts';
import { ERROR_LIMIT_PCT, loadTrust, trustInCandidate, type Trusted } from './trust.ts';

/** Of an experiment, what reports need. */
interface Run extends Omit<Replayed, 'turns'> {
  replayed: readonly ReplayedTurn[];
  captured: readonly TurnSummary[];
  look?: Look;
  refitted?: Refitted;
  /** In `sim`: of the fits that lanes may have times from. */
  fitErrors?: readonly FitError[];
}

/** One report a candidate. Throws `InputError` where a candidate cannot be compared and nobody hears of it (`onUnmeasured`). */
export function reportsOf(
  options: ExperimentOptions,
  plan: ExperimentPlan,
  run: Run,
): { variant: string; report: Report }[] {
  const { world, commit, baselineCheckout } = options;
  const { replayed, captured, look, refitted = NOT_REFITTED, fitErrors = [] } = run;
  // a session that the budget cut off is in no look
  const compared = look === undefined || look.looks === 0 ? replayed : replayed.slice(0, look.turns);
  const summariesIn = ({ lane, variant }: ReplayLane): TurnSummary[] => summariesOf(compared, lane, variant);
  const sideOf = (lane: ReplayLane, ofCommit: string): ReportSide => {
    const strategy = plan.strategies.get(lane);
    if (strategy === undefined) throw new InputError(`no lane ${lane.lane} ${lane.variant}`);
    return { arm: reportArm(lane, ofCommit, strategy), turns: summariesIn(lane) };
  };
  const texts = options.withText === true ? textsByTurn(options.sessions, replayed) : undefined;
  const weakNotes = (lanes: readonly ReplayLane[]): string[] => {
    const stages = fittedStages(replayed, lanes);
    return weakFitNotes(
      fitErrors.filter(({ stage }) => stages.has(stage)),
      settlingWorld(options.sessions),
    );
  };
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
          ? [
              `the simulation has been wrong about ${variant} in this world, in sign or by more than ${ERROR_LIMIT_PCT} %`,
            ]
          : undefined,
      positionOf: world === 'sim' ? undefined : placeIn(replayed),
      simulated: trust && {
        why: whyPredicted(trust, asks),
        isCaptured: [baseline, candidate].every(({ lane, variant: of }) => isCaptured(replayed, lane, of)),
      },
      asks: world === 'sim' ? asks : undefined,
      refits: refitsFor({ baseline, candidate }, refitted.lanes, summariesIn),
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
            noModel: refitted.without,
            pace: plan.pace,
            words: candidate.words,
          },
          run,
          candidate.variant,
        ),
        ...weakNotes([baseline, candidate]),
        ...retirementNotes(options, [baseline, baseline2, candidate]),
        ...actsNotes(options, candidate, baseline),
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
