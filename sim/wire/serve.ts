/** The service put together with the world that its configuration names: the providers themselves, or stand-ins behind sockets. */
import type { Config } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { startService, type Service } from '../../service/serve.ts';
import { strategyFromFile } from '../../service/strategy/file.ts';
import { createRealWorld } from '../../service/world.ts';
import { loadInterviews } from '../world/fixtures.ts';
import { loadProfile } from '../times/profile.ts';
import { loadScenario } from '../faults/scenario.ts';
import { createWireWorld } from './wire.ts';

/** What the stand-ins are told. */
export interface StandInFlags {
  profile: string;
  seed: string;
  /** A file. */
  scenario?: string;
}

export interface ServeOptions {
  config: Config;
  standIns: StandInFlags;
  /** Of this checkout: stands in every capture and span. */
  commit: string;
  logLevel: 'info' | 'silent';
}

/** Starts the service for a configuration, with its world. Closing it closes the world. */
export async function serve({ config, standIns, commit, logLevel }: ServeOptions): Promise<Service> {
  const strategy = strategyFromFile(config.strategyFile);
  const live = config.world === 'live';
  if (live && standIns.scenario !== undefined)
    throw new InputError('--scenario is for stand-ins: there are none in live');
  const { falKey = '', openRouterKey = '', endpoints, audioHosts, regions } = config;
  const scenario = standIns.scenario === undefined ? undefined : loadScenario(standIns.scenario, 'wire');
  const world = live
    ? createRealWorld({ access: { endpoints, falKey, openRouterKey, audioHosts, regions }, seed: 'live' })
    : await createWireWorld({
        profile: loadProfile(standIns.profile),
        seed: standIns.seed,
        interviews: loadInterviews(),
        scenario,
      });
  try {
    return await startService({
      config,
      world,
      strategy,
      commit,
      logLevel,
      profile: live ? undefined : standIns.profile,
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
