/** What the arms of an experiment run against: virtual time, stand-ins in a process of their own, or providers. */
import { InputError } from '../../service/base/errors.ts';
import type { World } from '../../service/base/events.ts';
import type { TimesBasis } from '../../service/base/ports.ts';
import { configFrom } from '../../service/config.ts';
import type { ProviderAccess } from '../../service/world.ts';
import { loadInterviews } from '../../sim/world/fixtures.ts';
import { observationsOf } from '../../sim/times/observed.ts';
import type { Draws } from '../../sim/times/plan.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import type { Scenario } from '../../sim/faults/scenario.ts';
import { startStandIns, type StandInOptions, type StandIns } from '../../sim/wire/launch.ts';
import type { ArmWorld } from './arm.ts';
import { capturedTurnsOf, type CapturedSession } from '../sessions/captured-session.ts';

export interface StandInChoice {
  /** Name or path of a latency profile. */
  profile: string;
  seed: string;
  draws: Draws;
  /** Faults and switches, alike in every lane. */
  scenario?: Scenario;
}

/**
 * Virtual time. Exchanges that a strategy changes get times fitted to all exchanges of `sessions`. With `source: profile` all times
 * are drawn, those of captured exchanges too.
 */
export function simWorld(
  { profile, seed, draws, scenario, sessions }: StandInChoice & { sessions?: readonly CapturedSession[] },
  source: TimesBasis = 'captured',
): ArmWorld & { world: 'sim' } {
  return {
    world: 'sim',
    profile: loadProfile(profile),
    seed,
    draws,
    source,
    observations: source === 'profile' ? undefined : sessions?.flatMap(capturedTurnsOf).flatMap(observationsOf),
    scenario,
  };
}

/** Starts stand-ins in a process of their own, which all arms call. `close` ends the process. */
export async function startWire(
  { profile, seed, draws, scenario }: StandInChoice,
  extra: Pick<StandInOptions, 'inject'> = {},
): Promise<{ against: ArmWorld & { world: 'wire' }; connections: StandIns['connections']; close(): Promise<void> }> {
  const { urls, regions, caPem, stop, connections } = await startStandIns({
    profile: loadProfile(profile),
    seed,
    draws,
    interviews: loadInterviews(),
    scenario,
    ...extra,
  });
  const endpoints = {
    falRunUrl: urls.falRun,
    falQueueUrl: urls.falQueue,
    falRestUrl: urls.falRest,
    openRouterUrl: `${urls.openrouter}/api/v1`,
  };
  const access: ProviderAccess = {
    endpoints,
    falKey: 'stand-in',
    openRouterKey: 'stand-in',
    audioHosts: [new URL(urls.falCdn).host],
    regions,
  };
  return { against: { world: 'wire', access, caPem, seed }, connections, close: stop };
}

/**
 * Whom the arms call, until `close`; nobody in `sim`, where answers follow from profile and seed. Throws `InputError` for a live
 * world without keys.
 */
export async function openArmWorld(
  world: World,
  standIns: StandInChoice,
  env: Parameters<typeof configFrom>[0],
): Promise<{ against?: ArmWorld; close(): Promise<void> }> {
  if (world === 'wire') return startWire(standIns);
  const against = world === 'sim' ? undefined : liveWorld(configFrom({ ...env, RETAKE_WORLD: world }), standIns.seed);
  return { against, close: async () => undefined };
}

/** The real providers. Throws `InputError` naming the key that is missing. */
export function liveWorld(
  access: Pick<ProviderAccess, 'endpoints' | 'audioHosts' | 'regions'> & { falKey?: string; openRouterKey?: string },
  seed: string,
): ArmWorld & { world: 'live' } {
  const { endpoints, audioHosts, regions = {}, falKey, openRouterKey } = access;
  if (falKey === undefined || openRouterKey === undefined)
    throw new InputError(
      `--world live needs ${falKey === undefined ? 'FAL_KEY' : 'OPENROUTER_API_KEY'}; put the key into .env, or use --world sim`,
    );
  return { world: 'live', access: { endpoints, audioHosts, regions, falKey, openRouterKey }, seed };
}
