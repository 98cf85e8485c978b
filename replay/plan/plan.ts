/** An experiment as data, and its plan: lanes, order, pace, words. Pure. */
import type { Scenario } from '../../sim/faults/scenario.ts';
import { InputError } from '../../service/base/errors.ts';
import type { World } from '../../service/base/events.ts';
import { keyedHex } from '../../service/base/random.ts';
import { lacksPrompt, strategyHash, type Strategy } from '../../service/strategy/strategy.ts';
import type { Arm, ArmWorld, TurnTask } from '../arms/arm.ts';
import { heardPastSpeechMs } from '../arms/captured-audio.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { Endpoints } from '../../service/net/regions.ts';
import type { Look } from '../diff/looks.ts';
import type { Bounds, Verdict } from '../diff/verdict.ts';
import type { Choice } from '../sessions/choice.ts';
import type { Draws } from '../../sim/times/plan.ts';
import { sum } from '../statistics/estimates.ts';
import { lanesOf, type Comparison, type LaneOptions, type ReplayLane } from './lanes.ts';
import { pricesOf } from './budget.ts';
import { mostSessions, type UntilDecided } from './most-sessions.ts';
import type { Purse } from './purse.ts';
import type { SetUp } from './acts-where.ts';
import { planRuns, sessionBySession } from './order.ts';
import type { Pace, PlannedRun } from '../arms/planned.ts';
import type { OnTurn } from '../arms/replayed-turn.ts';

export interface ExperimentOptions extends LaneOptions {
  sessions: readonly CapturedSession[];
  /** The folder of the code of `commit`; by default this checkout. */
  repository?: string;
  /** Whom the arms call (against.ts). Needed in `wire` and `live`; in `sim` it follows from profile, seed and draws. */
  against?: ArmWorld;
  profile: string;
  /** Faults and switches, alike in every lane. */
  scenario?: Scenario;
  seed: string;
  draws: Draws;
  runs: number;
  /** By default `captured` in `sim` and `live`, `fast` in `wire`. */
  pace?: Pace;
  /** In `wire` and `live`, in lanes on the captured words: the lane's key ends the system prompt too, for providers that cache whatever the keys say. */
  promptNonce?: boolean;
  choice?: Choice;
  /** One line of the report about the choice. */
  choiceNote?: string;
  /** Reports and journal hold transcripts and replies. */
  withText?: boolean;
  /** With `resume`, turns in the journal are not run again. */
  journal?: { path: string; resume: boolean; command?: string };
  budgetUsd?: number;
  /** In `wire` and `live`: sessions are run one after another, until each candidate's verdict is decided. */
  untilDecided?: UntilDecided;
  /** Of several experiments together, without a journal. By default each experiment may spend `budgetUsd`. */
  purse?: Purse;
  /** Of the replay, `YYYY-MM-DD`: models retired by then are named in plan and report. In `live` today by default. */
  day?: string;
  /** Least time between two turns' starts. */
  spacingMs?: number;
  /** Waited before a pair that met a rate limit is run again; 30 s by default. */
  cooldownMs?: number;
  /** Names the traces of the run. By default a hash of the plan. */
  runId?: string;
  rerun?: string;
  /** Whom `live` asks, for the plan's recipients. */
  endpoints?: Endpoints;
  /** Of the service that was captured: a report warns of candidates that cannot act in it. Absent where everything can. */
  setUp?: SetUp;
  /** The command that replays so many sessions. */
  settleBy?(sessions: number): string;
  /** What a verdict needs at least; by default `DEFAULT_BOUNDS`. */
  bounds?: Partial<Bounds>;
  /** For tests: arms of another kind. */
  armFor?: (lane: ReplayLane, against: ArmWorld) => Arm | Promise<Arm>;
  onTurn?: OnTurn;
  /** In `sim`: refits of the model, by which the intervals hold its uncertainty; by default 20. 0: none. */
  refits?: number;
  /** Hears of each refit that was run. */
  onRefit?: (done: number, total: number) => void;
  /** Hears each look of a run until decided, and the verdicts of the candidates that have measured turns. */
  onLook?: (look: Look, verdicts: readonly Verdict[]) => void;
  /** Hears of a candidate without a turn that both lanes measured, and why. By default the experiment throws. */
  onUnmeasured?: (what: string) => void;
  signal?: AbortSignal;
}

export interface ExperimentPlan {
  lanes: readonly ReplayLane[];
  /** In the order in which the turns will be run. */
  runs: readonly PlannedRun[];
  /** Of a run until decided: the sessions in `runs`, for which its boundary is made, and how many were asked for. */
  untilDecided?: { sessions: number; asked: number };
  runId: string;
  pace: Pace;
  /** Of the lanes that are named after their variant alone. */
  words: TurnTask['words'];
  /** One a candidate, in the order given. */
  comparisons: readonly Comparison[];
  /** Resolved over the first session's captured strategy. */
  strategies: ReadonlyMap<ReplayLane, Strategy>;
}

/** Equal options give equal plans. Throws `InputError` for a plan that cannot run. */
export function planExperiment(options: ExperimentOptions): ExperimentPlan {
  const { sessions, runs, seed } = options;
  const [first] = sessions;
  if (first === undefined)
    throw new InputError(
      'a replay needs at least one captured session; capture some with "retake serve" and "retake send"',
    );
  const { lanes, comparisons, words } = lanesOf(options);
  for (const { lane, variant, strategyOf } of lanes) {
    const lacking = lacksCapture(sessions, strategyOf, options.world);
    if (lacking !== undefined) throw new InputError(`${lane} ${variant}: ${lacking}`);
  }
  if (options.promptNonce === true && (options.world === 'sim' || lanes.every((lane) => lane.words === 'own')))
    throw new InputError(
      '--prompt-nonce is for lanes on the captured words in wire and live: add --world live --words same, or leave it out',
    );
  const strategies = new Map(lanes.map((lane) => [lane, lane.strategyOf(first.strategy)]));
  const planned = planRuns({
    sessions: sessions.map(({ sessionId, turns }) => ({
      sessionId,
      turns: turns.map((log) => log.identity.turnIndex),
    })),
    lanes: lanes.map(({ lane, variant }) => ({ lane, variant })),
    runs,
    seed,
  });
  return {
    lanes,
    comparisons,
    strategies,
    ...mostOf(options, lanes, planned),
    runId: options.runId ?? keyedHex(16, planKey(options, lanes)),
    pace: options.pace ?? (options.world === 'wire' ? 'fast' : 'captured'),
    words,
  };
}

/** Why a strategy cannot be replayed on these sessions in this world: their captures lack its prompt or its silence. Undefined where it can. */
export function lacksCapture(
  sessions: readonly CapturedSession[],
  strategyOf: (captured: Strategy) => Strategy,
  world: World,
): string | undefined {
  return lacksText(sessions, strategyOf, world) ?? lacksAudio(sessions, strategyOf);
}

/** A run until decided plays its sessions one after another, and no more of them than its boundary is made for. */
function mostOf(
  options: ExperimentOptions,
  lanes: readonly ReplayLane[],
  planned: readonly PlannedRun[],
): Pick<ExperimentPlan, 'runs' | 'untilDecided'> {
  if (options.untilDecided === undefined) return { runs: planned };
  const { usdOf } = pricesOf(options, { lanes });
  const sessions = sessionBySession(planned);
  const pricesUsd = sessions.map((runs) => sum(runs.map((each) => usdOf(each) ?? 0)));
  const most = mostSessions(options.untilDecided, options, pricesUsd);
  const asked = options.untilDecided.maxSessions ?? sessions.length;
  return { runs: sessions.slice(0, most).flat(), untilDecided: { sessions: most, asked } };
}

/**
 * Why a strategy cannot be replayed on these sessions: it waits for more silence than was captured. Then the end of the recording
 * would end the turn, and the strategy would look quicker than it is. Undefined where it can be replayed.
 */
export function lacksAudio(
  sessions: readonly CapturedSession[],
  strategyOf: (captured: Strategy) => Strategy,
): string | undefined {
  for (const { sessionId, strategy: captured, turns } of sessions) {
    const { engine, silenceMs } = strategyOf(captured).stt.vad;
    const known = captured.stt.vad;
    if (engine === 'client' || (engine === known.engine && silenceMs <= known.silenceMs)) continue;
    const short = turns.find((log) => (heardPastSpeechMs(log) ?? Number.POSITIVE_INFINITY) < silenceMs);
    if (short !== undefined)
      return `stt.vad.silenceMs ${silenceMs} needs as much audio after the speech; session ${sessionId}, turn ${short.identity.turnIndex} holds ${Math.round(heardPastSpeechMs(short) ?? 0)} ms: leave the session out, or set less`;
  }
  return undefined;
}

/** Why a strategy's prompt cannot be replayed in the world: the captures hold its digest, not its text. Undefined where it can. */
function lacksText(
  sessions: readonly CapturedSession[],
  strategyOf: (captured: Strategy) => Strategy,
  world: World,
): string | undefined {
  for (const { sessionId, strategy } of sessions) {
    const lacking = lacksPrompt(strategyOf(strategy), world);
    if (lacking !== undefined)
      return `session ${sessionId}: ${lacking}; capture with RETAKE_CAPTURE=full, replay in --world sim, or name the file again: --baseline-set llm.systemPrompt.file=FILE --set llm.systemPrompt.file=FILE`;
  }
  return undefined;
}

/** Equal keys mean equal runs: a journal is resumed only under its own key. */
export function planKey(
  { sessions, seed, draws, profile, runs, world, commit, baselineCheckout, scenario }: ExperimentOptions,
  lanes: readonly ReplayLane[],
): string {
  const strategies = lanes.map(({ lane, variant, strategyOf }) => [
    lane,
    variant,
    ...sessions.map(({ sessionId, strategy, turns }) => [sessionId, strategyHash(strategyOf(strategy)), turns.length]),
  ]);
  const commits = baselineCheckout === undefined ? [] : [baselineCheckout.commit, commit];
  return JSON.stringify([
    seed,
    draws,
    profile,
    runs,
    world,
    strategies,
    ...commits,
    ...(scenario === undefined ? [] : [scenario]),
  ]);
}
