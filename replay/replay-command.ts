/** `retake replay`: captured sessions again, under what is to be proven. */
import { InputError } from '../service/errors.ts';
import { patchFromSet } from '../service/strategy.ts';
import { loadInterviews } from '../sim/fixtures.ts';
import { loadProfile } from '../sim/profile.ts';
import { createWireWorld } from '../sim/wire.ts';
import { captureStoreIn, dataFolder, loadSessions } from './captures.ts';
import type { CommandContext } from './context.ts';
import { runExperiment, writeRunFolder, type CandidateSpec, type ExperimentOptions } from './experiment.ts';
import { checkExportable, exportRun } from './export-run.ts';
import { terminalReport } from './report/terminal.ts';
import { currentCommit } from './serve-command.ts';
import { namedVariants, variantPatch } from './variants.ts';

export interface ReplayCommandOptions {
  sessions?: string;
  sample: number;
  variant?: string[];
  set?: string[];
  baselineVariant?: string;
  world: string;
  profile?: string;
  runs: number;
  draws: string;
  seed: string;
  runId?: string;
  data?: string;
  out: string;
  gate?: boolean;
}

export async function replayCommand(context: CommandContext, options: ReplayCommandOptions): Promise<void> {
  const world = choice('--world', options.world, ['sim', 'wire'] as const);
  const draws = choice('--draws', options.draws, ['common', 'independent'] as const);
  checkExportable(context, world, options.runId);
  const candidates = candidatesOf(options);
  const baseline = options.baselineVariant === undefined ? [] : [variantPatch(options.baselineVariant)];
  const ids = options.sessions
    ?.split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const store = captureStoreIn(dataFolder(context, options.data));
  const sessions = await loadSessions(
    store,
    { sample: options.sample, seed: options.seed, ...(ids === undefined ? {} : { ids }) },
    context.progress,
  );
  const timingOnly = sessions.find(({ level }) => level === 'timing');
  if (timingOnly !== undefined && world === 'wire') {
    throw new InputError(
      `session ${timingOnly.sessionId} was captured at level timing: no audio to send; capture with RETAKE_CAPTURE=full`,
    );
  }
  const profile = options.profile ?? sessions[0]?.profile ?? 'seed';
  const wire = world === 'wire' ? await wireWorlds(profile, options.seed, draws) : undefined;
  const total = sessions.reduce((sum, { turns }) => sum + turns.length, 0) * (2 + candidates.length) * options.runs;
  context.progress(`replaying ${total} turns in ${world} …`);
  try {
    const experiment = await runExperiment({
      sessions,
      candidates,
      baseline,
      world,
      profile,
      seed: options.seed,
      draws,
      runs: options.runs,
      commit: currentCommit(),
      rerun: rerunOf(
        options,
        sessions.map(({ sessionId }) => sessionId),
      ),
      signal: context.signal,
      onTurn: (_turn, _planned, done, all) => {
        if (done % 10 === 0 || done === all) context.progress(`replaying: ${done} of ${all} turns`);
      },
      ...(options.runId === undefined ? {} : { runId: options.runId }),
      ...(wire === undefined ? {} : { worldFor: wire.worldFor }),
    });
    const files = await writeRunFolder(options.out, experiment);
    context.progressDone();
    for (const { report } of experiment.reports) context.out(`${terminalReport(report, context)}\n`);
    context.out(`written: ${files.join(', ')}`);
    await exportRun(context, experiment.otlp);
    if (options.gate === true) context.exit(Math.max(...experiment.reports.map(({ report }) => report.exitCode)));
  } finally {
    await wire?.close();
  }
}

function candidatesOf({ variant = [], set = [] }: ReplayCommandOptions): CandidateSpec[] {
  const sets = set.map(patchFromSet);
  if (variant.length === 0 && sets.length === 0)
    throw new InputError('nothing to try: name a --variant (npx retake variants) or a --set knob=value');
  if (variant.length === 0) return [{ variant: set.join(' '), patches: sets }];
  const known = namedVariants();
  return variant.map((name) => {
    const primary = known.find((each) => each.name === name)?.primary;
    return { variant: name, patches: [variantPatch(name), ...sets], ...(primary === undefined ? {} : { primary }) };
  });
}

/** One stand-in process for all arms; each arm on each session has its own sockets. */
async function wireWorlds(
  profile: string,
  seed: string,
  draws: 'common' | 'independent',
): Promise<{ worldFor: NonNullable<ExperimentOptions['worldFor']>; close(): Promise<void> }> {
  const wire = await createWireWorld({ profile: loadProfile(profile), seed, draws, interviews: loadInterviews() });
  return {
    worldFor: () => {
      const arm = wire.arm();
      return { ...arm, run: (main) => main() };
    },
    close: () => wire.close(),
  };
}

function rerunOf(options: ReplayCommandOptions, sessionIds: readonly string[]): string {
  const quoted = (text: string): string => (/^[\w./:=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  const words = [
    'npx retake replay --sessions',
    sessionIds.join(','),
    ...(options.variant ?? []).flatMap((name) => ['--variant', name]),
    ...(options.set ?? []).flatMap((assignment) => ['--set', quoted(assignment)]),
    ...(options.baselineVariant === undefined ? [] : ['--baseline-variant', options.baselineVariant]),
    ...(options.profile === undefined ? [] : ['--profile', quoted(options.profile)]),
    `--world ${options.world} --runs ${options.runs} --draws ${options.draws} --seed ${quoted(options.seed)}`,
  ];
  return words.join(' ');
}

function choice<const Value extends string>(name: string, text: string, values: readonly Value[]): Value {
  const value = values.find((each) => each === text);
  if (value === undefined) throw new InputError(`${name} ${text}: must be ${values.join(' or ')}`);
  return value;
}
