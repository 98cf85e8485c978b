/** The environment as a whole configuration: nothing behind it has defaults. An unknown RETAKE_ key is an error, so that a typo shows. */
import { CAPTURE_LEVELS, type CaptureLevel } from './capture/format.ts';
import { didYouMean } from './base/edits.ts';
import { InputError } from './base/errors.ts';
import { readInputJson } from './base/input-file.ts';
import { isObject, parsedJson } from './base/json.ts';
import type { World } from './base/events.ts';
import { networksOf } from './http/client-address.ts';
import { isLoopback, type GuardRules } from './http/guard.ts';
import { RESERVED_REGIONS, type Endpoints, type Regions } from './net/regions.ts';
import { OWN_SETTINGS, type SettingName } from './settings.ts';
import { PLAYBACKS } from './telemetry/playback-span.ts';
import { DEFAULT_VIEW, type TraceView } from './telemetry/spans.ts';
import { LIVE_ENDPOINTS } from './world.ts';

export interface Config {
  world: Exclude<World, 'sim'>;
  host: string;
  port: number;
  dataFolder: string;
  apiKey?: string;
  /** Addresses and networks of proxies that tell the client's address in `X-Forwarded-For`. */
  trustedProxies: readonly string[];
  /** Hosts that the service answers for, and origins of pages that may use it. */
  guard: GuardRules;
  strategyFile?: string;
  capture: CaptureLevel;
  /** After each turn, ask OpenRouter for its record of each answer. */
  generationRecords: boolean;
  otlpEndpoint?: string;
  /** Sent with every export; may hold a key. */
  otlpHeaders: Readonly<Record<string, string>>;
  jaegerUi?: string;
  /** Where a browser finds the service. */
  publicUrl?: string;
  traceView: TraceView;
  /** In `live` both keys are there. */
  falKey?: string;
  openRouterKey?: string;
  endpoints: Endpoints;
  /** Hosts, beside fal's CDN, from which a provider's audio URL may be fetched. */
  audioHosts: readonly string[];
  /** Endpoints in other regions, by the names that `network.region` may have. */
  regions: Regions;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Reads the configuration. Throws `InputError` that names the variable and says what it takes. */
export function configFrom(env: Env): Config {
  for (const key of Object.keys(env)) {
    if (key.startsWith('RETAKE_') && !OWN_SETTINGS.includes(key)) {
      const meant = didYouMean(key, OWN_SETTINGS);
      throw new InputError(`${key} is not a setting${meant}; unset it, or use one of ${OWN_SETTINGS.join(', ')}`);
    }
  }
  const text = (key: SettingName): string | undefined => (env[key] === '' ? undefined : env[key]);
  const choice = <Value extends string>(key: SettingName, values: readonly Value[], otherwise: Value): Value => {
    const found = text(key) ?? otherwise;
    const value = values.find((each) => each === found);
    if (value === undefined)
      throw new InputError(`${key}=${found.slice(0, 40)} is not known; set one of ${values.join(', ')}`);
    return value;
  };
  const endpoint = (key: SettingName, name: keyof Endpoints): string => urlOf(key, text(key) ?? LIVE_ENDPOINTS[name]);

  const world = choice('RETAKE_WORLD', ['wire', 'live'], 'wire');
  const isLive = world === 'live';
  const host = text('RETAKE_HOST') ?? '127.0.0.1';
  const apiKey = text('RETAKE_API_KEY');
  const trustsNetwork = choice('RETAKE_TRUST_NETWORK', ['no', 'yes'], 'no') === 'yes';
  if (!trustsNetwork && !isLoopback(host) && apiKey === undefined) {
    throw new InputError(
      `RETAKE_HOST=${host} would serve others without a key; set RETAKE_API_KEY, or RETAKE_HOST=127.0.0.1`,
    );
  }
  const allowedHosts = hostsOf('RETAKE_ALLOWED_HOSTS', text('RETAKE_ALLOWED_HOSTS') ?? '');
  // a page whose name was pointed here has no key, and proxies pass names of their own; a host that is named is meant
  const anyHost = allowedHosts.length === 0 && (apiKey !== undefined || trustsNetwork);
  const falKey = text('FAL_KEY');
  const openRouterKey = text('OPENROUTER_API_KEY');
  if (isLive && (falKey === undefined || openRouterKey === undefined)) {
    throw new InputError(
      'RETAKE_WORLD=live needs FAL_KEY and OPENROUTER_API_KEY; set both, or RETAKE_WORLD=wire, which needs no keys',
    );
  }
  return {
    world,
    generationRecords: choice('RETAKE_GENERATION_RECORDS', ['on', 'off'], isLive ? 'on' : 'off') === 'on',
    host,
    port: portOf(text('RETAKE_PORT') ?? '8080'),
    dataFolder: dataFolderOf(env),
    capture: choice('RETAKE_CAPTURE', CAPTURE_LEVELS, isLive ? 'timing' : 'full'),
    endpoints: {
      falRunUrl: endpoint('RETAKE_FAL_RUN_URL', 'falRunUrl'),
      falQueueUrl: endpoint('RETAKE_FAL_QUEUE_URL', 'falQueueUrl'),
      falRestUrl: endpoint('RETAKE_FAL_REST_URL', 'falRestUrl'),
      openRouterUrl: endpoint('RETAKE_OPENROUTER_URL', 'openRouterUrl'),
    },
    regions: regionsOf(text('RETAKE_REGIONS') ?? '{}'),
    audioHosts: hostsOf('RETAKE_AUDIO_HOSTS', text('RETAKE_AUDIO_HOSTS') ?? ''),
    trustedProxies: proxiesOf(text('RETAKE_TRUSTED_PROXIES') ?? ''),
    guard: {
      hosts: anyHost ? 'any' : [...allowedHosts, (host.includes(':') ? `[${host}]` : host).toLowerCase()],
      origins: originsOf(text('RETAKE_ALLOWED_ORIGINS') ?? ''),
    },
    otlpHeaders: headersOf(text('OTEL_EXPORTER_OTLP_HEADERS') ?? ''),
    apiKey,
    strategyFile: text('RETAKE_STRATEGY'),
    otlpEndpoint: optionalUrl('OTEL_EXPORTER_OTLP_ENDPOINT', text('OTEL_EXPORTER_OTLP_ENDPOINT')),
    jaegerUi: optionalUrl('RETAKE_JAEGER_UI', text('RETAKE_JAEGER_UI')),
    publicUrl: optionalUrl('RETAKE_PUBLIC_URL', text('RETAKE_PUBLIC_URL')),
    traceView: {
      playback: choice('RETAKE_TRACE_PLAYBACK', PLAYBACKS, DEFAULT_VIEW.playback),
      slowMs: wholeMsOf('RETAKE_SLOW_MS', text('RETAKE_SLOW_MS') ?? String(DEFAULT_VIEW.slowMs), 3000),
      readLagMs: wholeMsOf('RETAKE_READ_LAG_MS', text('RETAKE_READ_LAG_MS') ?? String(DEFAULT_VIEW.readLagMs), 50),
    },
    falKey,
    openRouterKey,
  };
}

/** The folder that a command names (`--data`), else RETAKE_DATA, else `./data`. */
export function dataFolderOf(env: Env, named?: string): string {
  const byEnv = env['RETAKE_DATA'] ?? '';
  return named ?? (byEnv === '' ? './data' : byEnv);
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InputError(
    `RETAKE_PORT=${text.slice(0, 40)} is not a port; set a number from 1 to 65535, or 0 for any free port`,
  );
}

function wholeMsOf(key: SettingName, text: string, exampleMs: number): number {
  const ms = Number(text);
  if (Number.isSafeInteger(ms) && ms > 0) return ms;
  throw new InputError(`${key}=${text.slice(0, 40)} is no time; set whole ms from 1, such as ${exampleMs}`);
}

function optionalUrl(key: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : urlOf(key, text);
}

/** `name=value,name=value`, values percent-encoded, as OpenTelemetry defines it. Values may be keys: no message repeats one. */
function headersOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      if (name === undefined || value === undefined) {
        throw new InputError(
          'OTEL_EXPORTER_OTLP_HEADERS cannot be read; write name=value pairs with commas between them',
        );
      }
      try {
        return [name.toLowerCase(), decodeURIComponent(value)];
      } catch {
        throw new InputError(
          `OTEL_EXPORTER_OTLP_HEADERS: the value of ${name} cannot be decoded; write % in it as %25`,
        );
      }
    }),
  );
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '');
}

/** `host` or `host:port`, with commas between them. */
function hostsOf(key: SettingName, text: string): string[] {
  const hosts = listOf(text);
  if (hosts.every((host) => URL.parse(`https://${host}`)?.host === host)) return hosts;
  throw new InputError(
    `${key} cannot be read; write hosts with commas between them, such as cdn.example.com,10.0.0.5:8443`,
  );
}

/** Addresses and networks, with commas between them. */
function proxiesOf(text: string): string[] {
  const proxies = listOf(text);
  if (networksOf(proxies) !== undefined) return proxies;
  throw new InputError(
    'RETAKE_TRUSTED_PROXIES cannot be read; write addresses or networks with commas between them, such as 10.0.0.2,fd00::/8',
  );
}

/** `scheme://host` or `scheme://host:port`, with commas between them. */
function originsOf(text: string): string[] {
  const origins = listOf(text);
  if (origins.every((origin) => URL.parse(origin)?.origin === origin && origin !== 'null')) return origins;
  throw new InputError(
    'RETAKE_ALLOWED_ORIGINS cannot be read; write full origins with commas between them, such as https://app.example.com',
  );
}

/** From `{"eu": {"falRunUrl": "https://…"}}` as JSON, or from a file that holds it. */
function regionsOf(textOrFile: string): Regions {
  const form = '{"NAME": {"falRunUrl": "https://…", …}}, or the name of a file that holds it';
  const json = textOrFile.trimStart().startsWith('{')
    ? parsedJson(textOrFile)
    : readInputJson(textOrFile, 'settings', { where: `RETAKE_REGIONS=${textOrFile}`, next: `set ${form}` });
  const entriesOf = (value: unknown): [string, unknown][] => {
    if (isObject(value)) return Object.entries(value);
    throw new InputError(`RETAKE_REGIONS cannot be read; set ${form}`);
  };
  const keys = Object.keys(LIVE_ENDPOINTS);
  const regions = entriesOf(json).map(([name, urls]) => {
    if (!/^[a-z0-9-]{1,40}$/.test(name) || RESERVED_REGIONS.includes(name)) {
      throw new InputError(
        `RETAKE_REGIONS: "${name.slice(0, 60)}" cannot be a name; use small letters, digits and -, but not ${RESERVED_REGIONS.join(', ')}`,
      );
    }
    const region: Partial<Endpoints> = Object.fromEntries(
      entriesOf(urls).map(([key, url]) => {
        if (!keys.includes(key))
          throw new InputError(`RETAKE_REGIONS: ${name} has ${key}; a region may have ${keys.join(', ')}`);
        return [key, urlOf(`RETAKE_REGIONS: ${name}.${key}`, String(url))];
      }),
    );
    return [name, region] as const;
  });
  return Object.fromEntries(regions);
}

/** A base URL without its trailing slash. */
export function urlOf(key: string, text: string): string {
  const url = URL.parse(text);
  if (!/^https?:$/.test(url?.protocol ?? '')) {
    throw new InputError(`${key} is not a full URL; set one such as https://example.com/base`);
  }
  // captures keep the providers' URLs, and logs name them
  if (url?.username !== '' || url.password !== '') {
    throw new InputError(`${key} holds a user or password, which a URL here must not; set the URL without it`);
  }
  return text.replace(/\/+$/, '');
}
