/** `retake bench`: runs benches into one result folder, with targets and a comparison with an earlier folder. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { describeError, InputError } from '../service/base/errors.ts';
import type { World } from '../service/base/events.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { loadScenario } from '../sim/faults/scenario.ts';
import { openArmWorld } from '../replay/arms/against.ts';
import type { CommandContext } from '../replay/report/context.ts';
import { createPurse } from '../replay/plan/purse.ts';
import { currentCommit } from '../replay/arms/checkout.ts';
import { targetRows } from '../replay/diff/targets.ts';
import { bench as e2e, COMBINED } from './bench-e2e.ts';
import { bench as llm } from './bench-llm.ts';
import { bench as parallel } from './bench-parallel.ts';
import { bench as stt } from './bench-stt.ts';
import { bench as tts } from './bench-tts.ts';
import { compareWithEarlier, readEarlier } from './turns/earlier.ts';
import { BASELINE, type ArmResult } from './turns/arm-result.ts';
import { BENCH_NAMES, type Bench, type BenchChoice } from './turns/bench.ts';
import { runBench, type BenchResult, type BenchRun } from './turns/engine.ts';
import { benchPage } from './turns/page.ts';
import { refuseOtherWorld, takeFolder } from './turns/folder.ts';
import { writeResults, type BenchResults } from './turns/results.ts';
import { benchSessions, MOST_TURNS } from './turns/sessions.ts';
import { benchTable, comparisonLines, targetLines } from './turns/tables.ts';

export const BENCHES: readonly Bench[] = BENCH_NAMES.map((name) => ({ stt, llm, tts, e2e, parallel })[name]);

export interface BenchOptions {
  world: World;
  quick?: boolean;
  sessions?: number;
  turns?: number;
  seed: string;
  profile: string;
  /** Scenario file for the stand-ins. */
  scenario?: string;
  out: string;
  against?: string;
  budgetUsd?: number;
  gate?: boolean;
  json?: boolean;
}

/** The packages that call the providers. */
const CALLERS = ['openai', '@fal-ai/client', 'undici', 'eventsource-parser'];
const SIZES = { quick: { sessions: 6, turns: 2 }, full: { sessions: 24, turns: 4 }, wire: { sessions: 6, turns: 2 } };

export async function benchCommand(
  context: CommandContext,
  names: readonly BenchChoice[],
  options: BenchOptions,
): Promise<void> {
  const benches = benchesOf(names);
  const { seed, budgetUsd, world } = options;
  if (world === 'live' && budgetUsd === undefined)
    throw new InputError('a live bench costs money; set a limit with --budget-usd');
  const size = options.quick === true ? SIZES.quick : world === 'sim' ? SIZES.full : SIZES.wire;
  const count = options.sessions ?? size.sessions;
  const turnsPerSession = options.turns ?? size.turns;
  if (turnsPerSession > MOST_TURNS)
    throw new InputError(`--turns ${turnsPerSession}: the interviews have ${MOST_TURNS} turns; take more --sessions`);
  const startedAt = new Date().toISOString();
  refuseOtherWorld(options.out, world);
  const profile = world === 'live' ? undefined : options.profile;
  if (world !== 'live') loadProfile(options.profile);
  const earlier =
    options.against === undefined
      ? undefined
      : readEarlier(
          options.against,
          { world, profile },
          benches.map(({ name }) => name),
        );
  const scenario = options.scenario === undefined ? undefined : loadScenario(options.scenario, world);
  const standIns = { profile: options.profile, seed, draws: 'common', scenario } as const;
  const { against, close } = await openArmWorld(world, standIns, context.env);
  const run: Omit<BenchRun, 'samplesFile' | 'exchangesFile'> = {
    sessions: (speech) => benchSessions(count, turnsPerSession, speech),
    world,
    profile: options.profile,
    seed,
    commit: currentCommit(),
    signal: context.signal,
    progress: context.progress,
    scenario,
    against,
    budget: budgetUsd === undefined ? undefined : { limitUsd: budgetUsd, purse: createPurse(budgetUsd) },
  };
  const results: BenchResult[] = [];
  const problems: string[] = [];
  try {
    // earlier samples may have cost money: they are removed only after every option was checked
    const files = await takeFolder(
      options.out,
      BENCHES.map(({ name }) => name),
    );
    for (const bench of benches) {
      if (context.signal.aborted) break;
      try {
        results.push(await runBench(bench, { ...run, ...files }));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        problems.push(`bench ${bench.name}: ${error.message}`);
      }
    }
  } finally {
    await close();
  }
  context.progressDone();
  const turnsOf = (arm: string) => results.find(({ bench }) => bench === e2e.name)?.turns.get(arm) ?? [];
  const summary: BenchResults = {
    format: 1,
    basis: world === 'live' ? 'measured' : 'predicted',
    world,
    profile,
    seed,
    commit: run.commit,
    environment: {
      node: process.version,
      cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
      startedAt,
      packages: packageVersions(),
      endpoints: against?.world === 'live' ? hostsOf(against.access.endpoints) : undefined,
      servedFrom: [...new Set(results.flatMap(({ servedFrom }) => servedFrom))].sort(),
    },
    sessions: count,
    turnsPerSession,
    benches: results.map(({ turns: _turns, servedFrom: _servedFrom, ...rest }) => rest),
    targets: turnsOf(BASELINE).length === 0 ? [] : targetRows(turnsOf(BASELINE), turnsOf(COMBINED)),
    against: earlier && compareWithEarlier(earlier, results),
  };
  problems.push(...problemsOf(results));
  let written = true;
  try {
    await writeResults(options.out, summary, benchPage(summary), results);
  } catch (error) {
    // the measured figures are printed all the same
    if (!(error instanceof InputError)) throw error;
    written = false;
    problems.push(describeError(error));
  }
  report(context, options, summary, { written, problems });
}

/** The versions that this checkout pins. */
function packageVersions(): Record<string, string> {
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return Object.fromEntries(CALLERS.map((name) => [name, dependencies[name] ?? 'absent']));
}

/** Hosts without paths: a gateway's path may hold an account. */
function hostsOf(endpoints: object): string[] {
  return [...new Set(Object.values(endpoints).map((url) => new URL(String(url)).host))];
}

function benchesOf(names: readonly BenchChoice[]): readonly Bench[] {
  return names.length === 0 || names.includes('all') ? BENCHES : BENCHES.filter(({ name }) => names.includes(name));
}

/** One line for each bench that ended early, and for each cause by which arms measured nothing. */
export function problemsOf(results: readonly BenchResult[]): string[] {
  const stopped = results.flatMap(({ bench, stopped: why }) =>
    why === undefined ? [] : [`bench ${bench} ended early: ${why}; its finished samples are kept`],
  );
  /** The arms of each bench, by cause. */
  const causes = new Map<string, string[]>();
  for (const { bench, arms } of results) {
    const dead = arms.filter(({ turns, failed }) => turns > 0 && failed === turns);
    for (const why of new Set(dead.map(causeOf))) {
      const names = dead.filter((arm) => causeOf(arm) === why).map(({ arm }) => arm);
      const which = names.length === arms.length ? 'all arms' : names.join(', ');
      causes.set(why, [...(causes.get(why) ?? []), `bench ${bench}, ${which}`]);
    }
  }
  return [...stopped, ...[...causes].map(([why, where]) => `${where.join('; ')}: every turn failed: ${why}`)];
}

/** The failure without its model: an address that does not answer is one cause for all models. */
function causeOf({ firstFailure = '' }: ArmResult): string {
  return firstFailure.replace(/^(llm .*?OpenRouter) [\w.~-]+\/[\w.:-]*\w/, '$1');
}

function report(
  context: CommandContext,
  options: BenchOptions,
  summary: BenchResults,
  { written, problems }: { written: boolean; problems: readonly string[] },
): void {
  if (options.json === true) context.out(JSON.stringify(summary, null, 2));
  else {
    for (const bench of summary.benches) context.out(`${benchTable(bench, context.columns)}\n`);
    if (summary.targets.length > 0) context.out(`${targetLines(summary.targets).join('\n')}\n`);
    if (summary.against !== undefined) context.out(`${comparisonLines(summary.against).join('\n')}\n`);
    const { world, profile, seed, sessions, turnsPerSession } = summary;
    context.out(
      `${summary.basis}: world ${world}, ${profile === undefined ? '' : `profile ${profile}, `}seed ${seed}; ${sessions} sessions × ${turnsPerSession} turns an arm`,
    );
    const { endpoints } = summary.environment;
    if (endpoints !== undefined) context.out(`called: ${endpoints.join(', ')}`);
    if (written) context.out(`written: ${options.out}/index.html, results.json and their *.jsonl`);
  }
  for (const problem of problems) context.problem(`retake: ${problem}`);
  if (context.signal.aborted) return context.exit(130);
  if (problems.length > 0) return context.exit(2);
  const missed = summary.targets.filter(({ b }) => b?.met === false);
  if (options.gate === true && missed.length > 0) context.exit(1);
}
