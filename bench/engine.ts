/**
 * One bench: a table of arms over the fixture sessions, run by the same experiment as `retake replay` (its worlds, order, pairing
 * and statistics). What is added here: every finished turn becomes a line of `samples.jsonl` at once, so that an interrupted
 * bench keeps what it measured, and each arm's metrics are summed up beside their paired difference from the bench's own baseline.
 */
import { appendFileSync } from 'node:fs';
import { describeError, InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';
import type { FinishedTurn } from '../service/session.ts';
import type { StrategyPatch } from '../service/strategy.ts';
import type { Verdict } from '../replay/diff.ts';
import type { CapturedSession } from '../replay/captured-session.ts';
import { runExperiment } from '../replay/experiment.ts';
import type { ExperimentOptions } from '../replay/experiment-plan.ts';
import { clusteredMean, quantile, type Interval } from '../replay/stats.ts';
import { variantPatch } from '../replay/variants.ts';
import { METRICS, type MetricName } from './metrics.ts';

export interface BenchArm {
  name: string;
  /** Named variants, patches, or both; later ones win. */
  patches: readonly (string | StrategyPatch)[];
  /** What a reader must know of this arm's figures. */
  note?: string;
}

export interface Bench {
  name: string;
  title: string;
  /** What limits the figures: printed under the table. */
  limits: string;
  metrics: readonly MetricName[];
  /** The metric whose connections are told apart: cold ones were set up within the stage. */
  stage: 'stt' | 'llm' | 'tts';
  /** What all arms have in common, and the baseline arm is: by default today's strategy. */
  baseline?: readonly (string | StrategyPatch)[];
  arms: readonly BenchArm[];
}

/** One turn of one arm: a line of `samples.jsonl`. */
export interface Sample {
  bench: string;
  arm: string;
  basis: 'measured' | 'predicted';
  world: string;
  sessionId: string;
  turnIndex: number;
  /** Whether the stage's first exchange set up its connection; absent when there was none. */
  connection?: 'cold' | 'warm';
  values: Partial<Record<MetricName, number>>;
  failure?: string;
}

export interface MetricRow {
  metric: MetricName;
  n: number;
  median: number;
  /** Only where n allows. */
  p95?: number;
  /** Paired difference from the baseline: mean and 95 % interval over sessions. Absent for the baseline itself. */
  difference?: Interval;
}

export interface ArmResult {
  arm: string;
  note?: string;
  rows: readonly MetricRow[];
  cold?: { n: number; medianMs: number };
  warm?: { n: number; medianMs: number };
  turns: number;
  failed: number;
  firstFailure?: string;
  /** Verdict of the experiment on the end-to-end latency. */
  verdict?: Verdict;
}

export interface BenchResult {
  bench: string;
  title: string;
  limits: string;
  arms: readonly ArmResult[];
  /** Turns of every arm, by its name: what a later run is compared with. */
  turns: ReadonlyMap<string, readonly TurnSummary[]>;
  /** Why the bench did not finish; what it had measured stands. */
  stopped?: string;
}

export interface BenchRun {
  sessions: readonly CapturedSession[];
  samplesFile: string;
  world: ExperimentOptions['world'];
  /** Whom the arms call, in `wire`. */
  against?: ExperimentOptions['against'];
  profile: string;
  /** The bench stops before it would spend more. */
  budgetUsd?: number;
  seed: string;
  commit: string;
  signal: AbortSignal;
  progress: (text: string) => void;
}

export const BASELINE = 'baseline';
const P95_TURNS = 72;
const STAGE_METRIC = { stt: 'sttMs', llm: 'ttftMs', tts: 'ttfbMs' } as const;

/** Runs the bench. Bad arms throw `InputError`; an interruption or a failing world ends it early, with `stopped` set. */
export async function runBench(bench: Bench, run: BenchRun): Promise<BenchResult> {
  const samples: Sample[] = [];
  const turns = new Map<string, TurnSummary[]>();
  const languages = new Map(run.sessions.map(({ sessionId, language }) => [sessionId, language]));
  const verdicts = new Map<string, Verdict>();
  let stopped: string | undefined;
  const keep = (turn: FinishedTurn): void => {
    if (turn.summary.lane === 'baseline2') return;
    const arm = turn.summary.variant;
    const sample = sampleOf(bench, arm, turn, languages.get(turn.summary.sessionId) ?? 'en');
    samples.push(sample);
    turns.set(arm, [...(turns.get(arm) ?? []), turn.summary]);
    appendFileSync(run.samplesFile, `${JSON.stringify(sample)}\n`);
  };
  try {
    const { reports } = await runExperiment({
      sessions: run.sessions,
      candidates: bench.arms.map(({ name, patches }) => ({ variant: name, patches: patches.map(patchOf) })),
      baseline: (bench.baseline ?? []).map(patchOf),
      world: run.world,
      profile: run.profile,
      seed: run.seed,
      draws: 'common',
      runs: 1,
      commit: run.commit,
      signal: run.signal,
      onTurn: ({ ran }, done, total) => {
        if (ran !== undefined) keep(ran);
        if (done % 20 === 0 || done === total) run.progress(`bench ${bench.name}: ${done} of ${total} turns`);
      },
      ...(run.against === undefined ? {} : { against: run.against }),
      ...(run.budgetUsd === undefined ? {} : { budgetUsd: run.budgetUsd }),
    });
    for (const { variant, report } of reports) verdicts.set(variant, report.verdict);
  } catch (error) {
    if (samples.length === 0) throw error;
    stopped = error instanceof InputError ? error.message : describeError(error);
  }
  const names = [BASELINE, ...bench.arms.map(({ name }) => name)];
  const arms = names.map((arm): ArmResult => {
    const verdict = verdicts.get(arm);
    const note = bench.arms.find(({ name }) => name === arm)?.note;
    return {
      ...armResult(bench, arm, samples),
      ...(note === undefined ? {} : { note }),
      ...(verdict === undefined ? {} : { verdict }),
    };
  });
  const { name, title, limits } = bench;
  return { bench: name, title, limits, arms, turns, ...(stopped === undefined ? {} : { stopped }) };
}

function patchOf(patch: string | StrategyPatch): StrategyPatch {
  return typeof patch === 'string' ? variantPatch(patch) : patch;
}

function sampleOf(bench: Bench, arm: string, turn: FinishedTurn, language: string): Sample {
  const { sessionId, turnIndex, world, failure } = turn.summary;
  const queued = turn.log.events.find(({ kind, stage }) => kind === 'http.queued' && stage === bench.stage);
  const values: Partial<Record<MetricName, number>> = {};
  for (const metric of bench.metrics) {
    const value = METRICS[metric].of(turn, language);
    if (value !== undefined) values[metric] = value;
  }
  return {
    bench: bench.name,
    arm,
    basis: world === 'live' ? 'measured' : 'predicted',
    world,
    sessionId,
    turnIndex,
    ...(queued === undefined ? {} : { connection: queued.attrs?.['reused'] === true ? 'warm' : 'cold' }),
    values,
    ...(failure === undefined ? {} : { failure: `${failure.stage} ${failure.kind}: ${failure.message}` }),
  };
}

function armResult(bench: Bench, arm: string, all: readonly Sample[]): ArmResult {
  const samples = all.filter((sample) => sample.arm === arm);
  const baseline = new Map(all.filter((sample) => sample.arm === BASELINE).map((sample) => [turnKey(sample), sample]));
  const rows = bench.metrics.flatMap((metric): MetricRow[] => {
    const values = valuesOf(samples, metric);
    if (values.length === 0) return [];
    const difference = arm === BASELINE ? undefined : differenceOf(samples, baseline, metric);
    return [
      {
        metric,
        n: values.length,
        median: quantile(values, 0.5),
        ...(values.length < P95_TURNS ? {} : { p95: quantile(values, 0.95) }),
        ...(difference === undefined ? {} : { difference }),
      },
    ];
  });
  const failures = samples.flatMap(({ failure }) => failure ?? []);
  const [firstFailure] = failures;
  const byConnection = (connection: Sample['connection']): { n: number; medianMs: number } | undefined => {
    const values = valuesOf(
      samples.filter((sample) => sample.connection === connection),
      STAGE_METRIC[bench.stage],
    );
    return values.length === 0 ? undefined : { n: values.length, medianMs: quantile(values, 0.5) };
  };
  const [cold, warm] = [byConnection('cold'), byConnection('warm')];
  return {
    arm,
    rows,
    ...(cold === undefined ? {} : { cold }),
    ...(warm === undefined ? {} : { warm }),
    turns: samples.length,
    failed: failures.length,
    ...(firstFailure === undefined ? {} : { firstFailure }),
  };
}

/** Paired by turn, clustered by session (docs/measuring.md#statistics). */
function differenceOf(
  samples: readonly Sample[],
  baseline: ReadonlyMap<string, Sample>,
  metric: MetricName,
): Interval | undefined {
  const bySession = new Map<string, number[]>();
  for (const sample of samples) {
    const value = sample.values[metric];
    const before = baseline.get(turnKey(sample))?.values[metric];
    if (value === undefined || before === undefined) continue;
    bySession.set(sample.sessionId, [...(bySession.get(sample.sessionId) ?? []), value - before]);
  }
  return bySession.size === 0 ? undefined : clusteredMean([...bySession.values()]);
}

function valuesOf(samples: readonly Sample[], metric: MetricName): number[] {
  return samples.flatMap(({ values }) => values[metric] ?? []);
}

function turnKey({ sessionId, turnIndex }: Sample): string {
  return `${sessionId}/${turnIndex}`;
}
