/** `retake replay`: replays captured sessions under a candidate. Prints the plan, runs it, reports. */
import { join } from 'node:path';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { configFrom } from '../../service/config.ts';
import type { World } from '../../service/base/events.ts';
import { openArmWorld } from '../../replay/arms/against.ts';
import type { Pace } from '../../replay/arms/planned.ts';
import type { Words } from '../../replay/arms/words.ts';
import type { CapturedSession, ChosenBy } from '../../replay/sessions/captured-session.ts';
import { capturedProfile, captureStoreIn, loadSessions } from '../../replay/sessions/load.ts';
import { type CommandContext } from '../../replay/report/context.ts';
import { choiceNote, choiceOf } from '../../replay/sessions/choice.ts';
import { checkOut, checkoutCache, currentCommit, repositoryAt } from '../../replay/arms/checkout.ts';
import { runExperiment } from '../../replay/run/experiment.ts';
import { setUpOf } from '../../replay/plan/acts-where.ts';
import { estimateLines, estimateOf } from '../../replay/plan/estimate.ts';
import { planExperiment, type ExperimentOptions } from '../../replay/plan/plan.ts';
import { withJournaledSessions } from '../../replay/run/until-decided.ts';
import { boundsOf } from '../options/options.ts';
import { existingDataFolder } from '../options/data-folder.ts';
import { baselineOf, candidatesOf } from './candidates.ts';
import { checkExportable } from './export-run.ts';
import { refuseOverwrite } from '../../replay/run/journal.ts';
import { makeFolder } from '../../replay/run/out-folder.ts';
import { tellOutcome } from './outcome.ts';
import { tellTurns } from './progress.ts';
import { dayOf } from '../../replay/plan/retired.ts';
import { loadScenario } from '../../sim/faults/scenario.ts';
import type { Draws } from '../../sim/times/plan.ts';
import { loadProfile } from '../../sim/times/profile.ts';

export interface ReplayCommandOptions {
  sessions?: string;
  sample: number;
  choose: ChosenBy;
  variant?: string[];
  set?: string[];
  baselineRef?: string;
  repository?: string;
  baselineVariant?: string;
  baselineSet?: string[];
  world: World;
  profile?: string;
  scenario?: string;
  runs: number;
  draws: Draws;
  pace?: Pace;
  words?: Words;
  promptNonce?: boolean;
  budgetUsd?: number;
  untilDecided?: boolean;
  maxSessions?: number;
  spacingMs?: number;
  seed: string;
  runId?: string;
  data?: string;
  out: string;
  resume?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  gate?: boolean;
  withText?: boolean;
  matched?: number;
  minSessions?: number;
}

/** How a command's sessions are named or drawn. */
export type SessionChoice = Pick<ReplayCommandOptions, 'sessions' | 'sample' | 'seed' | 'data'> & { choose?: ChosenBy };

const JOURNAL = 'journal.jsonl';

export async function replayCommand(context: CommandContext, options: ReplayCommandOptions): Promise<void> {
  const { world, draws } = options;
  checkExportable(context, world, options.runId);
  if (options.maxSessions !== undefined && options.untilDecided !== true)
    throw new InputError('--max-sessions goes with --until-decided; for a fixed number of sessions give --sample');
  const candidates = candidatesOf(options);
  const baseline = baselineOf(options);
  const scenario = options.scenario === undefined ? undefined : loadScenario(options.scenario, world);
  if (options.profile !== undefined) loadProfile(options.profile);
  const sessions = await chosenSessions(context, { ...options, sample: options.maxSessions ?? options.sample });
  refuseTimingOnly(sessions, world, options.withText === true);
  const sessionChoice = choiceOf(options.choose, options.sessions !== undefined);
  // live asks no stand-ins: there a profile is a name
  const capturedName = (): string => (world === 'live' ? (sessions[0]?.profile ?? 'seed') : capturedProfile(sessions));
  const profile = options.profile ?? capturedName();
  const tell = (what: string): void => context.progress(what);
  const repository = repositoryAt(options.repository, tell);
  const baselineCheckout =
    options.baselineRef === undefined
      ? undefined
      : await checkOut(options.baselineRef, { repository, cache: checkoutCache(context.env), tell });
  const ids = sessions.map(({ sessionId }) => sessionId);
  const rerun = replayCommandText(options, ids);
  const resume = `${rerun} -o ${options.out} --resume`;
  const config = configFrom({ ...context.env, RETAKE_WORLD: 'wire' });
  const settings = withJournaledSessions({
    sessions,
    candidates,
    baseline,
    world,
    profile,
    scenario,
    seed: options.seed,
    draws,
    runs: options.runs,
    day: dayOf(createRealClock().epochUs()),
    commit: currentCommit(repository),
    repository,
    choice: sessionChoice,
    choiceNote: choiceNote(sessionChoice, sessions),
    journal: {
      path: join(options.out, JOURNAL),
      resume: options.resume === true,
      command: resume,
    },
    rerun,
    endpoints: config.endpoints,
    setUp: setUpOf(sessions, config, world),
    settleBy: (count) => replayCommandText(options, count),
    bounds: boundsOf(options),
    signal: context.signal,
    onTurn: tellTurns(context),
    onRefit: (done, all) => context.progress(`model uncertainty: refit ${done} of ${all}`),
    baselineCheckout,
    pace: options.pace,
    words: options.words,
    promptNonce: options.promptNonce,
    budgetUsd: options.budgetUsd,
    spacingMs: options.spacingMs,
    runId: options.runId,
    withText: options.withText,
    untilDecided: options.untilDecided === true ? { maxSessions: options.maxSessions } : undefined,
    onLook: ({ looks, sessions: used, maxSessions }, verdicts) =>
      tell(`look ${looks}, ${used} of at most ${maxSessions} sessions: ${verdicts.join(', ')}`),
  });
  const plan = planExperiment(settings);
  if (options.resume !== true && options.dryRun !== true) refuseOverwrite(join(options.out, JOURNAL));
  if (world !== 'sim' || options.dryRun === true) {
    for (const line of estimateLines(settings, plan, await estimateOf(settings, plan))) context.out(line);
  }
  if (options.dryRun === true) return;
  if (world === 'live' && options.yes !== true)
    throw new InputError(
      'a live replay costs money and sends what users said to providers; add --yes to run this plan',
    );
  await makeFolder(options.out);
  context.progress('replaying …');
  const { against, close } = await openArmWorld(world, { profile, seed: options.seed, draws, scenario }, context.env);
  try {
    const unmeasured: string[] = [];
    const experiment = await runExperiment({
      ...settings,
      onUnmeasured: (what) => unmeasured.push(what),
      against,
    });
    await tellOutcome(context, experiment, {
      out: options.out,
      unmeasured,
      gate: options.gate === true,
    });
  } catch (error) {
    if (context.signal.aborted) context.problem(`resume with: ${resume}`);
    throw error;
  } finally {
    await close();
  }
}

/** The sessions of `--sessions`, else `--sample` of all, picked as `--choose` says. */
export function chosenSessions(context: CommandContext, options: SessionChoice): Promise<CapturedSession[]> {
  const ids = options.sessions
    ?.split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  if (ids?.length === 0)
    throw new InputError('--sessions names no session; give ids, or leave --sessions out for a sample');
  const store = captureStoreIn(existingDataFolder(context, options.data));
  const { sample, seed, choose } = options;
  return loadSessions(store, { sample, seed, by: choose, ids: ids && [...new Set(ids)] }, context.problem);
}

function refuseTimingOnly(
  sessions: readonly CapturedSession[],
  world: ExperimentOptions['world'],
  withText: boolean,
): void {
  const timingOnly = sessions.find(({ level }) => level === 'timing');
  if (timingOnly !== undefined && world !== 'sim') {
    throw new InputError(
      `session ${timingOnly.sessionId} was captured at level timing and holds no audio; capture with RETAKE_CAPTURE=full, or replay in sim`,
    );
  }
  if (timingOnly !== undefined && withText)
    throw new InputError(
      `session ${timingOnly.sessionId} was captured at level timing and holds no text; leave --with-text out`,
    );
}

/** The command that repeats the run on these sessions, or on a sample of so many. */
export function replayCommandText(options: ReplayCommandOptions, sessions: readonly string[] | number): string {
  const quoted = (text: string): string => (/^[\w./:=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  const flag = (name: string, values: readonly string[] | string | undefined): string[] =>
    values === undefined ? [] : [values].flat().flatMap((value) => [name, quoted(value)]);
  const named = typeof sessions === 'number' ? undefined : sessions;
  const most = typeof sessions === 'number' ? sessions : (options.maxSessions ?? sessions.length);
  return [
    'npx retake replay',
    ...(named === undefined ? [] : [`--sessions ${named.join(',')}`]),
    ...(options.untilDecided === true ? [`--until-decided --max-sessions ${most}`] : []),
    ...(named === undefined && options.untilDecided !== true ? [`--sample ${most}`] : []),
    ...(options.choose === 'sample' ? [] : flag('--choose', options.choose)),
    ...flag('--variant', options.variant),
    ...flag('--set', options.set),
    ...flag('--baseline-ref', options.baselineRef),
    ...flag('--repository', options.repository),
    ...flag('--baseline-variant', options.baselineVariant),
    ...flag('--baseline-set', options.baselineSet),
    ...flag('--profile', options.profile),
    ...flag('--scenario', options.scenario),
    ...flag('--pace', options.pace),
    ...flag('--words', options.words),
    ...flag('--budget-usd', options.budgetUsd?.toString()),
    ...flag('--spacing-ms', options.spacingMs?.toString()),
    ...flag('--data', options.data),
    ...flag('--matched', options.matched?.toString()),
    ...flag('--min-sessions', options.minSessions?.toString()),
    ...(options.withText === true ? ['--with-text'] : []),
    ...(options.promptNonce === true ? ['--prompt-nonce'] : []),
    `--world ${options.world} --runs ${options.runs}`,
    // in live nothing draws
    ...(options.world === 'live' ? [] : [`--draws ${options.draws}`]),
    `--seed ${quoted(options.seed)}`,
  ].join(' ');
}
