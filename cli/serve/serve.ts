/** `retake serve`: the service in the world that the environment names; stand-ins in a child process for `wire`. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { configFrom, type Config } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { startService, type Service } from '../../service/serve.ts';
import { strategyOf } from '../../service/strategy/file.ts';
import { createRealWorld } from '../../service/world.ts';
import { loadInterviews } from '../../sim/world/fixtures.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { loadScenario } from '../../sim/faults/scenario.ts';
import { createWireWorld } from '../../sim/wire/wire.ts';
import type { CommandContext } from '../context.ts';

/** What the stand-ins are told. */
export interface StandInChoice {
  profile: string;
  seed: string;
  /** A file. */
  scenario?: string;
}

export async function serveCommand(context: CommandContext, options: StandInChoice): Promise<void> {
  const service = await serve(configFrom(context.env), options, 'info');
  context.out(
    `Retake serves ${service.url} (Ctrl-C stops it); try: npx retake send fixtures/audio/en-frontend-1.wav --interview en-frontend --language en --url ${service.url}`,
  );
  if (!context.signal.aborted) await once(context.signal, 'abort');
  await service.close();
}

/** Starts the service for a configuration, with its world. Closing it closes the world. */
export async function serve(config: Config, standIns: StandInChoice, logLevel: 'info' | 'silent'): Promise<Service> {
  const strategy = strategyOf(config);
  const live = config.world === 'live';
  if (live && standIns.scenario !== undefined)
    throw new InputError('--scenario is for stand-ins: there are none in live');
  const { falKey = '', openRouterKey = '', endpoints, audioHosts, regions } = config;
  const world = live
    ? createRealWorld({ access: { endpoints, falKey, openRouterKey, audioHosts, regions }, seed: 'live' })
    : await createWireWorld({
        profile: loadProfile(standIns.profile),
        seed: standIns.seed,
        interviews: loadInterviews(),
        ...(standIns.scenario === undefined ? {} : { scenario: loadScenario(standIns.scenario, 'wire') }),
      });
  try {
    return await startService({
      config,
      world,
      strategy,
      commit: currentCommit(),
      logLevel,
      ...(live ? {} : { profile: standIns.profile }),
    });
  } catch (error) {
    await world.close();
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new InputError(
        `port ${config.port} is taken; stop what listens there or set RETAKE_PORT (0: any free port)`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** The commit of this checkout, `-dirty` when files differ from it, or `unknown` outside of git. */
export function currentCommit(): string {
  const cwd = new URL('../..', import.meta.url);
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  try {
    const commit = git('rev-parse', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
  } catch {
    return 'unknown';
  }
}
