/** What a strategy needs of the set-up: without it a knob does nothing, whatever a simulation says. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { stringOf, type World } from '../../service/base/events.ts';
import { fieldOf } from '../../service/base/json.ts';
import type { Endpoints, Regions } from '../../service/net/regions.ts';
import { KNOBS, touches } from '../../service/strategy/knobs.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { DEFAULT_STRATEGY, type Strategy } from '../../service/strategy/strategy.ts';
import type { Trait } from '../../service/strategy/traits.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { ReplayLane } from './lanes.ts';

/** Whom a service of these settings asks. */
export interface SetUp {
  endpoints: Endpoints;
  regions: Regions;
  /** Some captured answer named the provider that OpenRouter, or a proxy of it, had chosen. */
  isRouted: boolean;
}

/**
 * Of a replay of these sessions. Undefined where stand-ins answer, or are simulated as they answered: they have regions, providers and every
 * suffix.
 */
export function setUpOf(
  sessions: readonly Pick<CapturedSession, 'turns'>[],
  { endpoints, regions = {} }: { endpoints: Endpoints; regions?: Regions },
  world: World,
): SetUp | undefined {
  const live = sessions.flatMap(({ turns }) => turns.filter(({ identity }) => identity.world === 'live'));
  if (world === 'wire' || (world === 'sim' && live.length === 0)) return undefined;
  const isRouted = live.some(({ events }) => events.some((event) => stringOf(event, 'servedProvider') !== undefined));
  return { endpoints, regions, isRouted };
}

/** One row for each trait that needs something: why the set-up lacks it. */
const NEEDS: readonly {
  trait: Trait;
  /** Of these values only; by default of all. */
  of?: RegExp;
  lacking(setUp: SetUp): string | undefined;
}[] = [
  { trait: 'needsRegions', lacking: regionsLacking },
  { trait: 'needsRouter', lacking: routerLacking },
  // `:nitro` and the like are OpenRouter's
  { trait: 'namesModel', of: /"[\w.~-]+\/[\w.-]+:[\w-]+"/, lacking: routerLacking },
];

/** Why the candidate's difference from the baseline cannot act, with its knobs. Undefined where it can. */
export function cannotAct(baseline: Strategy, candidate: Strategy, setUp: SetUp): string | undefined {
  // a knob that is switched off needs nothing
  const changed = KNOBS.filter(({ path }) =>
    [baseline, OFF].every((other) => !isDeepStrictEqual(valueAt(other, path), valueAt(candidate, path))),
  );
  for (const { trait, of, lacking } of NEEDS) {
    const knobs = changed.filter(({ path }) => {
      const value = valueAt(candidate, path);
      return touches(patchOf(path, value), trait) && (of === undefined || of.test(JSON.stringify(value) ?? ''));
    });
    const why = knobs.length === 0 ? undefined : lacking(setUp);
    if (why !== undefined) return `cannot act here (${knobs.map(({ path }) => path).join(', ')}): ${why}`;
  }
  return undefined;
}

/** Notes of a report: candidates that cannot act in the set-up. */
export function actsNotes(
  { sessions, setUp }: { sessions: readonly CapturedSession[]; setUp?: SetUp },
  { variant, strategyOf }: ReplayLane,
  baseline: ReplayLane,
): string[] {
  const [first] = sessions;
  if (setUp === undefined || first === undefined) return [];
  const why = cannotAct(baseline.strategyOf(first.strategy), strategyOf(first.strategy), setUp);
  return why === undefined ? [] : [`warning: ${variant} ${why}`];
}

function regionsLacking({ endpoints, regions }: SetUp): string | undefined {
  if (Object.keys(regions).length === 0) return 'no region is configured; set RETAKE_REGIONS';
  const urls = [endpoints, ...Object.values(regions)].flatMap((each) => Object.values(each));
  return urls.every(isLoopback) ? 'all endpoints are on this machine, and none is nearer' : undefined;
}

function routerLacking({ endpoints: { openRouterUrl }, isRouted }: SetUp): string | undefined {
  const { hostname, host } = new URL(openRouterUrl);
  if (isRouted || /(^|\.)openrouter\.ai$/.test(hostname)) return undefined;
  return `${host} is not OpenRouter, and none of its captured answers names a provider`;
}

function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}

const OFF: Strategy = { ...DEFAULT_STRATEGY, network: { ...DEFAULT_STRATEGY.network, region: 'none' } };

const valueAt = (strategy: Strategy, path: string): unknown => path.split('.').reduce<unknown>(fieldOf, strategy);

function patchOf(path: string, value: unknown): StrategyPatch {
  const [section = '', ...names] = path.split('.');
  return { [section]: names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) };
}
