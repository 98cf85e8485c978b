/** The real composition root: real clock, real sockets, real providers (or stand-ins that speak like them). */
import type { LookupFunction } from 'node:net';
import { createRealClock } from './base/clock.ts';
import { createRealTransport } from './net/fetch.ts';
import { inRegion, type Endpoints, type Regions } from './net/regions.ts';
import type { Clock, ExchangeContext, PoolState, Transport } from './base/ports.ts';
import { createAudioHosts } from './providers/audio-hosts.ts';
import { createFreyaStt } from './providers/freya-stt.ts';
import { createFreyaTts } from './providers/freya-tts.ts';
import { createGenerationRecord } from './providers/generation.ts';
import { createOpenRouter } from './providers/openrouter.ts';
import { keyedRandom } from './base/random.ts';
import type { TurnPorts } from './calls/stage.ts';
import { createStallMonitor } from './stalls.ts';
import type { Strategy } from './strategy/strategy.ts';

export const LIVE_ENDPOINTS: Endpoints = {
  falRunUrl: 'https://fal.run',
  falQueueUrl: 'https://queue.fal.run',
  falRestUrl: 'https://rest.fal.ai',
  openRouterUrl: 'https://openrouter.ai/api/v1',
};

export interface ProviderAccess {
  endpoints: Endpoints;
  falKey: string;
  openRouterKey: string;
  /** Hosts, beside fal's CDN, that a URL returned by a provider may name. */
  audioHosts: readonly string[];
  /** Endpoints in other regions, by the names that `network.region` may have. */
  regions?: Regions;
}

/** Where turns run: makes the ports of each turn, and owns the connections that turns share. */
export interface RunWorld {
  clock: Clock;
  /** Whom the providers' clients call. */
  endpoints: Endpoints;
  /** The same in other regions. */
  regions?: Regions;
  /** Names of the interviews that its stand-ins know; absent where there are none. */
  interviews?: readonly string[];
  ports(strategy: Strategy, sessionId: string, turnIndex: number): TurnPorts;
  /** Connections of all its transports; absent in a world without sockets. */
  pools?(): readonly PoolState[];
  close(): Promise<void>;
}

export interface RealWorldOptions {
  access: ProviderAccess;
  /** Seeds retry jitter. */
  seed: string;
  /** A certificate authority in place of the system's, such as the stand-ins'. */
  caPem?: string;
  lookup?: LookupFunction;
  headersFor?: (context: ExchangeContext) => Readonly<Record<string, string>>;
}

/** Provider clients over any transport: the one place where they are built. */
export function createProviders({
  endpoints,
  falKey,
  openRouterKey,
  audioHosts,
}: ProviderAccess): Pick<TurnPorts, 'stt' | 'llm' | 'tts' | 'origins' | 'generationRecord'> {
  const { falRunUrl, falQueueUrl, falRestUrl } = endpoints;
  const keys = [falKey, openRouterKey];
  const fal = { falRunUrl, falQueueUrl, falRestUrl, falKey, keys, audioHosts: createAudioHosts(audioHosts) };
  return {
    stt: createFreyaStt(fal),
    llm: createOpenRouter({ openRouterUrl: endpoints.openRouterUrl, openRouterKey, keys }),
    tts: createFreyaTts(fal),
    generationRecord: createGenerationRecord({ openRouterUrl: endpoints.openRouterUrl, openRouterKey }),
    origins: {
      stt: originOf(endpoints.falRunUrl),
      llm: originOf(endpoints.openRouterUrl),
      tts: originOf(endpoints.falRunUrl),
    },
  };
}

function originOf(url: string): string {
  return new URL(url).origin;
}

export function createRealWorld(options: RealWorldOptions): RunWorld {
  const clock = createRealClock();
  const monitor = createStallMonitor(clock);
  const providers = createProviders(options.access);
  const { regions = {} } = options.access;
  /** Sessions whose `network` knobs agree share sockets. */
  const transports = new Map<string, Transport>();
  const transportFor = (strategy: Strategy): Transport => {
    const key = JSON.stringify(strategy.network);
    const known = transports.get(key);
    if (known !== undefined) return known;
    const socketTransport = createRealTransport({
      clock,
      network: strategy.network,
      caPem: options.caPem,
      lookup: options.lookup,
      headersFor: options.headersFor,
    });
    const transport = inRegion(socketTransport, {
      clock,
      endpoints: options.access.endpoints,
      regions,
      region: strategy.network.region,
    });
    transports.set(key, transport);
    return transport;
  };
  return {
    clock,
    endpoints: options.access.endpoints,
    regions,
    ports: (strategy, sessionId, turnIndex) => ({
      clock,
      transport: transportFor(strategy),
      ...providers,
      stalls: monitor.stalls,
      random: keyedRandom(options.seed, sessionId, turnIndex, 'retry'),
    }),
    pools: () => [...transports.values()].flatMap((transport) => transport.pools?.() ?? []),
    close: async () => {
      monitor.close();
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}
