/** What an experiment is, as data, and what it will run: lanes, order, pace, words. Pure. */
import type { Scenario } from '../sim/scenario.ts';
import { InputError } from '../service/errors.ts';
import { keyedHex } from '../service/random.ts';
import { resolveStrategy, strategyHash, type Strategy, type StrategyPatch } from '../service/strategy.ts';
import type { Arm, ArmWorld, TurnTask } from './arm.ts';
import type { CapturedSession } from './captured-session.ts';
import type { Checkout } from './checkout.ts';
import type { PrimaryMetric } from './diff.ts';
import { planRuns, type PlannedRun } from './plan.ts';
import { refuseRetired } from './retired.ts';
import type { ReplayLane, ReplayOptions } from './run.ts';

export interface CandidateSpec {
  variant: string;
  /** Over the captured strategy; none: only the commit differs. */
  patches: readonly StrategyPatch[];
  primary?: PrimaryMetric;
}

/** How sessions came to be in the experiment. Those chosen for how they went are labelled, and drift is not shown. */
export type Choice = 'named' | 'sampled' | 'by latency' | 'by error';

export interface ExperimentOptions {
  sessions: readonly CapturedSession[];
  candidates: readonly CandidateSpec[];
  /** Patches that replace the captured strategy as baseline. */
  baseline: readonly StrategyPatch[];
  /** The baseline's code; by default this checkout's. */
  baselineCheckout?: Checkout;
  world: 'sim' | 'wire' | 'live';
  /** Whom the arms call (against.ts). Needed in `wire` and `live`; in `sim` it follows from profile, seed and draws. */
  against?: ArmWorld;
  profile: string;
  /** What goes wrong, or otherwise, in every lane alike. */
  scenario?: Scenario;
  seed: string;
  draws: 'common' | 'independent';
  runs: number;
  /** Of this checkout. */
  commit: string;
  /** By default `captured` in `sim` and `live`, `fast` in `wire`. */
  pace?: TurnTask['pace'];
  /** By default `same`, unless a candidate differs from the baseline in a knob that can change words. */
  words?: TurnTask['words'];
  choice?: Choice;
  /** Where the journal is written; `resume` goes on from what it holds. */
  journal?: { path: string; resume: boolean; command?: string };
  budgetUsd?: number;
  /** Of the replay, `YYYY-MM-DD`: models retired by then are refused in `live` and marked elsewhere. In `live` today by default. */
  day?: string;
  /** Least time between two turns' starts. */
  spacingMs?: number;
  /** Waited before a pair that met a rate limit is run again; 30 s by default. */
  cooldownMs?: number;
  /** Names the run's traces; by default a hash of all that decides them. */
  runId?: string;
  rerun?: string;
  /** Arms of another kind: what tests plant. */
  armFor?: (lane: ReplayLane, against: ArmWorld) => Arm | Promise<Arm>;
  onTurn?: ReplayOptions['onTurn'];
  signal?: AbortSignal;
}

export interface ExperimentPlan {
  lanes: readonly ReplayLane[];
  /** In the order in which the turns will be run. */
  runs: readonly PlannedRun[];
  runId: string;
  pace: TurnTask['pace'];
  words: TurnTask['words'];
  /** Resolved over the first session's captured strategy. */
  strategies: ReadonlyMap<ReplayLane, Strategy>;
}

/** Knobs by which a reply or a transcript can become another one. */
const WORD_KNOBS = /^(stt\.|llm\.(?!sse|hedge))/;

/** What an experiment will run, in order. Pure: the same options give the same plan. Throws `InputError`. */
export function planExperiment(options: ExperimentOptions): ExperimentPlan {
  const { sessions, candidates, runs, seed } = options;
  const [first] = sessions;
  if (first === undefined) throw new InputError('a replay needs at least one captured session');
  const lanes = lanesOf(options);
  refuseRetired(options, lanes);
  const strategies = new Map(lanes.map((lane) => [lane, lane.strategyOf(first.strategy)]));
  const changing = candidates.some(({ patches }) =>
    patches.some((patch) => changesWords([...options.baseline, patch])),
  );
  return {
    lanes,
    strategies,
    runs: planRuns({
      sessions: sessions.map(({ sessionId, turns }) => ({
        sessionId,
        turns: turns.map((log) => log.identity.turnIndex),
      })),
      lanes: lanes.map(({ lane, variant }) => ({ lane, variant })),
      runs,
      seed,
    }),
    runId: options.runId ?? keyedHex(16, planKey(options, lanes)),
    pace: options.pace ?? (options.world === 'wire' ? 'fast' : 'captured'),
    words: options.words ?? (changing ? 'own' : 'same'),
  };
}

function changesWords(patches: readonly StrategyPatch[]): boolean {
  return patches.some((patch) =>
    Object.entries(patch).some(([section, knobs]) =>
      Object.keys(typeof knobs === 'object' && knobs !== null ? knobs : {}).some((knob) =>
        WORD_KNOBS.test(`${section}.${knob}`),
      ),
    ),
  );
}

function lanesOf({ candidates, baseline, commit, baselineCheckout }: ExperimentOptions): ReplayLane[] {
  const baselineCommit = baselineCheckout?.commit ?? commit;
  const lane = (
    name: ReplayLane['lane'],
    variant: string,
    patches: readonly StrategyPatch[],
    arm: string,
  ): ReplayLane => ({
    lane: name,
    variant,
    arm,
    strategyOf: (captured) => resolveStrategy(patches, variant, captured),
  });
  const names = candidates.map(({ variant }) => variant);
  const twice = names.find((name, index) => names.indexOf(name) !== index || name === 'baseline');
  if (twice !== undefined) throw new InputError(`two lanes cannot both be called "${twice}"`);
  // the arm is in the key of independent draws: baseline2 has a name of its own
  return [
    lane('baseline', 'baseline', baseline, `${baselineCommit.slice(0, 12)} baseline`),
    lane('baseline2', 'baseline', baseline, `${baselineCommit.slice(0, 12)} baseline2`),
    ...candidates.map(({ variant, patches }) =>
      lane('candidate', variant, patches, `${commit.slice(0, 12)} ${variant}`),
    ),
  ];
}

/** All that decides what is run. */
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
