/** A whole replay: captured sessions × (baseline, baseline2, variants) → a run folder with traces and reports. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../service/errors.ts';
import { measureTurn, type TurnSummary } from '../service/metrics.ts';
import { keyedHex } from '../service/random.ts';
import type { Projection } from '../service/session.ts';
import { resolveStrategy, strategyHash, type Strategy, type StrategyPatch } from '../service/strategy.ts';
import { otlpLineOf } from '../service/telemetry/otel.ts';
import { loadProfile } from '../sim/profile.ts';
import { createSimWorld } from '../sim/world.ts';
import type { PrimaryMetric } from './diff.ts';
import { buildReport, type Report } from './report/build.ts';
import { markdownReport } from './report/markdown.ts';
import {
  runReplay,
  summariesOf,
  type CapturedSession,
  type ReplayedTurn,
  type ReplayLane,
  type ReplayOptions,
} from './run.ts';

export interface CandidateSpec {
  variant: string;
  patches: readonly StrategyPatch[];
  primary?: PrimaryMetric;
}

export interface ExperimentOptions {
  sessions: readonly CapturedSession[];
  candidates: readonly CandidateSpec[];
  /** Patches that replace the captured strategy as baseline. */
  baseline: readonly StrategyPatch[];
  world: 'sim' | 'wire';
  profile: string;
  seed: string;
  draws: 'common' | 'independent';
  runs: number;
  commit: string;
  /** Names the run's traces; by default a hash of all that decides them. */
  runId?: string;
  rerun?: string;
  /** Worlds of another kind than `sim`: `wire` brings one. */
  worldFor?: ReplayOptions['worldFor'];
  onTurn?: ReplayOptions['onTurn'];
  signal?: AbortSignal;
}

export interface Experiment {
  runId: string;
  reports: { variant: string; report: Report }[];
  replayed: readonly ReplayedTurn[];
  captured: readonly TurnSummary[];
  /** One OTLP JSON line a replayed turn, in plan order. */
  otlp: readonly string[];
}

/** Runs all lanes and compares each candidate with the baseline. Throws `InputError` when nothing can be compared. */
export async function runExperiment(options: ExperimentOptions): Promise<Experiment> {
  const { sessions, candidates, seed, world } = options;
  const lanes = lanesOf(options);
  const runId = options.runId ?? keyedHex(16, planKey(options, lanes));
  const otlp: string[] = [];
  const traces: Projection = {
    opened: () => undefined,
    closed: (log, measured) => void otlp.push(otlpLineOf(log, measured)),
  };
  const replayed = await runReplay({
    sessions,
    lanes,
    world,
    worldFor: options.worldFor ?? simWorlds(options),
    runs: options.runs,
    seed,
    runId,
    projections: [traces],
    ...(options.onTurn === undefined ? {} : { onTurn: options.onTurn }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const captured = sessions.flatMap(({ turns }) =>
    turns.map(
      (log) => measureTurn({ ...log, identity: { ...log.identity, lane: 'captured', variant: 'captured' } }).summary,
    ),
  );
  const capturedStrategy = sessions[0]?.strategy;
  if (capturedStrategy === undefined) throw new InputError('a replay needs at least one captured session');
  const baselineStrategy = resolveStrategy(options.baseline, 'baseline', capturedStrategy);
  const reports = candidates.map(({ variant, patches, primary }) => {
    const report = buildReport({
      world,
      a: {
        arm: armOf('baseline', 'baseline', options.commit, baselineStrategy),
        turns: summariesOf(replayed, 'baseline', 'baseline'),
      },
      b: {
        arm: armOf('candidate', variant, options.commit, resolveStrategy(patches, variant, capturedStrategy)),
        turns: summariesOf(replayed, 'candidate', variant),
      },
      a2: summariesOf(replayed, 'baseline2', 'baseline'),
      captured,
      draws: options.draws,
      seed,
      profile: options.profile,
      ...(primary === undefined ? {} : { primary }),
      ...(options.rerun === undefined ? {} : { rerun: options.rerun }),
    });
    if (report === undefined)
      throw new InputError(`${variant}: no turn was measured in both lanes${firstFailure(replayed)}`);
    return { variant, report };
  });
  return { runId, reports, replayed, captured, otlp };
}

/** Writes `report.json` and `report.md` of the first candidate (others get their name), turns and traces. */
export async function writeRunFolder(folder: string, { reports, replayed, otlp }: Experiment): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: [name: string, text: string][] = [
    ['trace.otlp.jsonl', otlp.join('')],
    ['turns.jsonl', replayed.map(({ turn }) => `${JSON.stringify(turn.summary)}\n`).join('')],
  ];
  for (const [index, { variant, report }] of reports.entries()) {
    const name = index === 0 ? 'report' : `report-${variant}`;
    files.push(
      [`${name}.json`, `${JSON.stringify(report, null, 2)}\n`],
      [`${name}.md`, markdownReport(report, { marker: `retake-${variant}` })],
    );
  }
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  return files.map(([name]) => join(folder, name));
}

function lanesOf({ candidates, baseline, commit }: ExperimentOptions): ReplayLane[] {
  const lane = (name: ReplayLane['lane'], variant: string, patches: readonly StrategyPatch[]): ReplayLane => ({
    lane: name,
    variant,
    arm: `${commit.slice(0, 12)} ${variant}`,
    strategyOf: (captured) => resolveStrategy(patches, variant, captured),
  });
  const names = candidates.map(({ variant }) => variant);
  const twice = names.find((name, index) => names.indexOf(name) !== index || name === 'baseline');
  if (twice !== undefined) throw new InputError(`two lanes cannot both be called "${twice}"`);
  return [
    lane('baseline', 'baseline', baseline),
    lane('baseline2', 'baseline', baseline),
    ...candidates.map(({ variant, patches }) => lane('candidate', variant, patches)),
  ];
}

/** In `sim` every arm gets a world of its own on each session: clock, connections, captured exchanges. */
function simWorlds({ profile, seed, draws }: ExperimentOptions): ReplayOptions['worldFor'] {
  const loaded = loadProfile(profile);
  return (session, _lane, run) => {
    const world = createSimWorld({
      profile: loaded,
      seed: run === 0 ? seed : `${seed}/${run}`,
      draws,
      captured: {
        turns: session.turns.map(({ identity, events }) => ({
          sessionId: session.sessionId,
          turnIndex: identity.turnIndex,
          events,
        })),
        strategy: session.strategy,
      },
    });
    return { ...world, run: (main) => world.clock.run(main) };
  };
}

function planKey(
  { sessions, seed, draws, profile, runs, world }: ExperimentOptions,
  lanes: readonly ReplayLane[],
): string {
  const strategies = lanes.map(({ lane, variant, strategyOf }) => [
    lane,
    variant,
    ...sessions.map(({ sessionId, strategy, turns }) => [sessionId, strategyHash(strategyOf(strategy)), turns.length]),
  ]);
  return JSON.stringify([seed, draws, profile, runs, world, strategies]);
}

function armOf(lane: string, variant: string, commit: string, strategy: Strategy): Report['arms']['a'] {
  return { lane, variant, commit, strategyHash: strategyHash(strategy), strategy };
}

function firstFailure(replayed: readonly ReplayedTurn[]): string {
  const failure = replayed.map(({ turn }) => turn.summary.failure).find((each) => each !== undefined);
  return failure === undefined ? '' : `; the first failure: ${failure.stage} ${failure.kind}: ${failure.message}`;
}
