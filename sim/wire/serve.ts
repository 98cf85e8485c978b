/** Starts the service in the world of its configuration: the providers, or stand-ins behind sockets. */
import type { Config } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { startService, type Service } from '../../service/serve.ts';
import { strategyFromFile } from '../../service/strategy/file.ts';
import { createRealWorld, type RunWorld } from '../../service/world.ts';
import { loadInterviews } from '../world/fixtures.ts';
import { loadProfile, type Profile } from '../times/profile.ts';
import { loadScenario } from '../faults/scenario.ts';
import { createWireWorld } from './wire.ts';

/** As the command line has them. */
export interface StandInFlags {
  profile: string;
  seed: string;
  /** Path of a file. */
  scenario?: string;
}

export interface ServeOptions {
  config: Config;
  standIns: StandInFlags;
  /** Of this checkout, for captures and spans. */
  commit: string;
  logLevel: 'info' | 'silent';
}

/** Closing the service closes its world. Throws `InputError` that says what to type. */
export async function serve({ config, standIns, commit, logLevel }: ServeOptions): Promise<Service> {
  const live = config.world === 'live';
  if (live && standIns.scenario !== undefined)
    throw new InputError('--scenario is for stand-ins, and RETAKE_WORLD=live has none: leave out one of the two');
  const profile = live ? undefined : loadProfile(standIns.profile);
  return startService({
    config,
    openWorld: () => (profile === undefined ? openProviders(config) : openStandIns(standIns, profile)),
    strategy: strategyFromFile(config.strategyFile),
    commit,
    logLevel,
    // the profile's name, not its path: a replay opens no file that a capture names
    profile: profile?.name,
  });
}

function openProviders({ falKey = '', openRouterKey = '', endpoints, audioHosts, regions }: Config): RunWorld {
  return createRealWorld({ access: { endpoints, falKey, openRouterKey, audioHosts, regions }, seed: 'live' });
}

function openStandIns({ seed, scenario }: StandInFlags, profile: Profile): Promise<RunWorld> {
  return createWireWorld({
    profile,
    seed,
    interviews: loadInterviews(),
    scenario: scenario === undefined ? undefined : loadScenario(scenario, 'wire'),
  });
}
