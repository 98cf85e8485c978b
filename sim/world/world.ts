/** The composition root of `sim`: virtual clock, modelled network and stand-ins below production's clients and turn. */
import { createMemoryCache, type SpeechCache } from '../../service/calls/speech-cache.ts';
import { turnKey } from '../../service/base/events.ts';
import { keyedRandom } from '../../service/base/random.ts';
import type { TimesBasis, Transport } from '../../service/base/ports.ts';
import { differingKnobs, valuesWith } from '../../service/strategy/knobs.ts';
import { prefetches, type Strategy } from '../../service/strategy/strategy.ts';
import { inRegion, type Endpoints } from '../../service/net/regions.ts';
import { createProviders, type RunWorld } from '../../service/world.ts';
import { capturedPlans } from '../times/captured.ts';
import { capturedCosts } from '../times/captured-costs.ts';
import { capturedScript } from '../stand-ins/captured-script.ts';
import { type CapturedTurn } from '../times/captured-turn.ts';
import { createVirtualClock, type VirtualClock } from './clock.ts';
import { reachable, type Handler } from '../stand-ins/exchange.ts';
import { fitTo, type Fit } from '../times/fit.ts';
import { fittedPlans } from '../times/fitted.ts';
import { createFreyaStandIn, type FreyaHandlers } from '../stand-ins/freya.ts';
import { createSimTransport, type SimTransport } from './network.ts';
import { observationsOf } from '../times/observed.ts';
import { createOpenRouterStandIn } from '../stand-ins/openrouter.ts';
import type { DrawContext, Draws, Planner, PlannerOptions } from '../times/plan.ts';
import { atHour } from '../times/hours.ts';
import { createPlanner } from '../times/planner.ts';
import { medianOf, type Profile } from '../times/profile.ts';
import { regionalPlanning, simRegions } from '../times/regions.ts';
import type { ServerName } from '../faults/routes.ts';
import {
  connectionSwitches,
  tuneWith,
  underScenario,
  type ConnectionSwitches,
  type Scenario,
} from '../faults/scenario.ts';
import { replyAudio } from '../times/reply-audio.ts';
import { bothTunes, createCrowdedProvider } from '../faults/crowd.ts';
import { createScript, type Script } from '../stand-ins/script.ts';

export const SIM_ENDPOINTS: Endpoints = {
  falRunUrl: 'https://fal.run',
  falQueueUrl: 'https://queue.fal.run',
  falRestUrl: 'https://rest.fal.ai',
  openRouterUrl: 'https://openrouter.ai/api/v1',
};
const CDN_URL = 'https://v3.fal.media';

/** Nobody knows the providers' own time to live: a minute is assumed. */
const ASSUMED_DNS_TTL_MS = 60_000;

export interface SimWorldOptions {
  profile: Profile;
  seed: string;
  draws?: Draws;
  /** Parsed `fixtures/interviews.json`: the words where no capture has any. */
  interviews?: unknown;
  /**
   * Turns whose exchanges and texts come again, and the strategy of their capture. Requests that differ get times from `fit`,
   * by default fitted to these turns alone. By default `source` is `captured`. `fitted`: what can be drawn is drawn, as if every
   * request differed; independent draws always do so. `profile`: only texts come again, and all times are the profile's.
   */
  captured?: { turns: readonly CapturedTurn[]; strategy: Strategy; source?: TimesBasis; fit?: Fit };
  delay?: PlannerOptions['delay'];
  served?: PlannerOptions['served'];
  /** The words of the stand-ins, in place of `interviews`. */
  script?: Script;
  settleImmediates?: number;
  /** Cached speech of the arm's earlier worlds. By default empty. */
  speechCache?: SpeechCache;
  scenario?: Scenario;
}

export interface SimWorld extends RunWorld {
  clock: VirtualClock;
  /** Exchanges that hold a connection. 0 between turns. */
  exchangesInUse(): number;
}

/** The knobs that decide which exchange finds a connection open. Where one differs, pools decide instead of the capture. */
function connectionUse(strategy: Strategy): string {
  // the other prefetches open no connection of their own
  return `${valuesWith(strategy, 'connections')} ${prefetches(strategy, 'connect')}`;
}

/** `llm.route` is a knob of the LLM's exchanges. */
const stagesOf = (knobs: readonly string[]): ReadonlySet<string> =>
  new Set(knobs.map((path) => path.split('.')[0] ?? ''));

function timesOf(
  { turns, fit }: NonNullable<SimWorldOptions['captured']>,
  { profile, seed, draws }: SimWorldOptions,
  source: TimesBasis,
): Pick<PlannerOptions, 'captured' | 'fitted'> {
  if (source === 'profile') return {};
  const speech = replyAudio(turns);
  const fitted = fittedPlans(fit ?? fitTo(turns.flatMap(observationsOf), profile), { profile, seed, draws, speech });
  if (draws === 'independent') return { fitted };
  const plans = capturedPlans(turns);
  const captured: typeof plans = (context, facts) => {
    // a piece that comes as it was captured still moves the next one's place in the reply
    if (facts.operation === 'tts') speech(context, facts);
    return plans(context, facts);
  };
  if (source === 'captured') return { captured, fitted };
  return { captured: (...asked) => (fitted.planOf(...asked) === undefined ? captured(...asked) : undefined), fitted };
}

interface Origin {
  handler: Handler;
  planner: Planner;
  switches: ConnectionSwitches;
}

/** One arm's world, with its own clock, connections and draws, and without sockets, files and timers. */
export function createSimWorld(options: SimWorldOptions): SimWorld {
  const { seed, draws, delay, served, scenario, captured, settleImmediates } = options;
  const profile = atHour(options.profile, scenario?.hour);
  const crowded = createCrowdedProvider(profile);
  const clock = createVirtualClock({ settleImmediates });
  const asked = captured?.source ?? (captured === undefined ? 'profile' : 'captured');
  const source = asked === 'captured' && draws === 'independent' ? 'fitted' : asked;
  const times = captured && timesOf(captured, options, source);
  /** By turn: stages whose exchanges a knob may have made faster or slower unseen. */
  const unseenStages = new Map<string, ReadonlySet<string>>();
  const unseen = (context: DrawContext): boolean => unseenStages.get(turnKey(context))?.has(context.stage) === true;
  const tune = bothTunes(scenario && tuneWith(scenario), crowded.tune);
  const planning: PlannerOptions = {
    profile,
    seed,
    draws,
    delay,
    tune,
    link: scenario?.link,
    served,
    unseen,
    ...times,
  };
  const planner = createPlanner(planning);
  const scripted = options.script ?? createScript(options.interviews ?? []);
  const script = captured === undefined ? scripted : capturedScript(captured.turns, scripted);
  const costOf = captured && capturedCosts(captured.turns);
  const origins = new Map<string, Origin>();
  const serve = (url: string, server: ServerName, own: Planner, standIn: Handler): void => {
    const reached = reachable(standIn, own);
    const handler = scenario === undefined ? reached : underScenario(reached, scenario, own);
    origins.set(new URL(url).origin, {
      handler: crowded.under(handler, own),
      planner: own,
      switches: connectionSwitches(scenario, server),
    });
  };
  const freyaOf = (own: Planner): FreyaHandlers =>
    createFreyaStandIn({ planner: own, script, cdnUrl: CDN_URL, queueUrl: SIM_ENDPOINTS.falQueueUrl });
  const freya = freyaOf(planner);
  serve(SIM_ENDPOINTS.falRunUrl, 'falRun', planner, freya.falRun);
  serve(SIM_ENDPOINTS.falQueueUrl, 'falQueue', planner, freya.falQueue);
  serve(SIM_ENDPOINTS.falRestUrl, 'falRest', planner, freya.falRest);
  serve(CDN_URL, 'falCdn', planner, freya.falCdn);
  serve(SIM_ENDPOINTS.openRouterUrl, 'openrouter', planner, createOpenRouterStandIn({ planner, script, costOf }));
  const regions = simRegions(profile);
  for (const [region, { falRunUrl, openRouterUrl }] of Object.entries(regions)) {
    const there = createPlanner(regionalPlanning(planning, region));
    serve(falRunUrl, 'falRun', there, freyaOf(there).falRun);
    serve(openRouterUrl, 'openrouter', there, createOpenRouterStandIn({ planner: there, script, costOf }));
  }
  const handlers = Object.fromEntries([...origins].map(([origin, { handler }]) => [origin, handler]));
  const providers = createProviders({
    endpoints: SIM_ENDPOINTS,
    falKey: 'simulated',
    openRouterKey: 'simulated',
    audioHosts: [],
  });
  const speechCache = options.speechCache ?? createMemoryCache(() => clock.epochUs());
  // the resolver's cache, which every new connection asks
  const resolverTtlMs = medianOf(profile.network.dnsTtlMs);
  const transports = new Map<string, Transport>();
  const pools: SimTransport[] = [];
  const transportFor = (strategy: Strategy): Transport => {
    const use = connectionUse(strategy);
    const known = transports.get(use);
    if (known !== undefined) return known;
    const { keepAlive } = strategy.network;
    const asCaptured = source === 'captured' && captured !== undefined && connectionUse(captured.strategy) === use;
    const pool = createSimTransport({
      clock,
      handlers,
      keepAlive: keepAlive === false ? false : { idleMs: keepAlive.idleMs },
      http2: strategy.network.http2,
      networkOf: (context, origin) => (origins.get(origin)?.planner ?? planner).networkOf(context),
      dnsTtlMs: strategy.network.preResolve ? ASSUMED_DNS_TTL_MS : resolverTtlMs,
      reuse: asCaptured ? 'captured' : 'pool',
      switches: (origin) => origins.get(origin)?.switches ?? {},
    });
    pools.push(pool);
    const transport = inRegion(pool, { clock, endpoints: SIM_ENDPOINTS, regions, region: strategy.network.region });
    transports.set(use, transport);
    return transport;
  };
  return {
    clock,
    exchangesInUse: () => pools.reduce((sum, pool) => sum + pool.inUse(), 0),
    endpoints: SIM_ENDPOINTS,
    regions,
    ports: (strategy, sessionId, turnIndex) => {
      if (captured !== undefined)
        unseenStages.set(
          turnKey({ sessionId, turnIndex }),
          stagesOf(differingKnobs(captured.strategy, strategy, 'unseen')),
        );
      return {
        clock,
        transport: transportFor(strategy),
        ...providers,
        speechCache,
        random: keyedRandom(seed, sessionId, turnIndex, 'retry'),
      };
    },
    close: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}
