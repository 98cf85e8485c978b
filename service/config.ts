/** The environment as a fully specified configuration. An unknown RETAKE_ key is an error; nothing downstream has defaults. */
import type { CaptureLevel } from './capture/format.ts';
import { InputError } from './base/errors.ts';
import { readInputJson } from './base/input-file.ts';
import { isObject, parsedJson } from './base/json.ts';
import type { World } from './base/events.ts';
import { RESERVED_REGIONS, type Endpoints, type Regions } from './net/regions.ts';
import { LIVE_ENDPOINTS } from './world.ts';

export interface Config {
  world: Exclude<World, 'sim'>;
  host: string;
  port: number;
  dataFolder: string;
  apiKey?: string;
  strategyFile?: string;
  capture: CaptureLevel;
  /** Ask OpenRouter for its record of each answer, after the turn. */
  generationRecords: boolean;
  otlpEndpoint?: string;
  /** Sent with every export; may hold a key. */
  otlpHeaders: Readonly<Record<string, string>>;
  jaegerUi?: string;
  /** Both are there in `live`. */
  falKey?: string;
  openRouterKey?: string;
  endpoints: Endpoints;
  /** Hosts, beside fal's CDN, from which a provider's audio URL may be fetched. */
  audioHosts: readonly string[];
  /** Endpoints elsewhere, by the names that a strategy may use. */
  regions: Regions;
}

type Env = Readonly<Record<string, string | undefined>>;

const KEYS = [
  'RETAKE_WORLD',
  'RETAKE_PORT',
  'RETAKE_HOST',
  'RETAKE_DATA',
  'RETAKE_API_KEY',
  'RETAKE_TRUST_NETWORK',
  'RETAKE_STRATEGY',
  'RETAKE_CAPTURE',
  'RETAKE_JAEGER_UI',
  'RETAKE_FAL_RUN_URL',
  'RETAKE_FAL_QUEUE_URL',
  'RETAKE_FAL_REST_URL',
  'RETAKE_OPENROUTER_URL',
  'RETAKE_AUDIO_HOSTS',
  'RETAKE_REGIONS',
  'RETAKE_GENERATION_RECORDS',
] as const;
type Key = (typeof KEYS)[number];

/** Reads the configuration. Throws `InputError` that names the variable and says what it takes. */
export function configFrom(env: Env): Config {
  for (const key of Object.keys(env)) {
    if (key.startsWith('RETAKE_') && !KEYS.some((known) => known === key)) {
      throw new InputError(`${key} is not a setting; there are ${KEYS.join(', ')}`);
    }
  }
  type Other = 'FAL_KEY' | 'OPENROUTER_API_KEY' | 'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_HEADERS';
  const text = (key: Key | Other): string | undefined =>
    env[key] === undefined || env[key] === '' ? undefined : env[key];
  const world = oneOf('RETAKE_WORLD', text('RETAKE_WORLD') ?? 'wire', ['wire', 'live'] as const);
  const host = text('RETAKE_HOST') ?? '127.0.0.1';
  const apiKey = text('RETAKE_API_KEY');
  const trusted = oneOf('RETAKE_TRUST_NETWORK', text('RETAKE_TRUST_NETWORK') ?? 'no', ['no', 'yes'] as const);
  if (!isLoopback(host) && apiKey === undefined && trusted === 'no') {
    throw new InputError(`RETAKE_HOST=${host} would serve others; set RETAKE_API_KEY, or leave it at 127.0.0.1`);
  }
  const falKey = text('FAL_KEY');
  const openRouterKey = text('OPENROUTER_API_KEY');
  if (world === 'live' && (falKey === undefined || openRouterKey === undefined)) {
    throw new InputError('RETAKE_WORLD=live needs FAL_KEY and OPENROUTER_API_KEY; without keys use RETAKE_WORLD=wire');
  }
  const records = text('RETAKE_GENERATION_RECORDS') ?? (world === 'live' ? 'on' : 'off');
  return {
    world,
    generationRecords: oneOf('RETAKE_GENERATION_RECORDS', records, ['on', 'off'] as const) === 'on',
    host,
    port: portOf(text('RETAKE_PORT') ?? '8080'),
    dataFolder: dataFolderOf(env),
    capture: oneOf('RETAKE_CAPTURE', text('RETAKE_CAPTURE') ?? (world === 'live' ? 'timing' : 'full'), [
      'full',
      'timing',
      'off',
    ] as const),
    endpoints: {
      falRunUrl: urlOf('RETAKE_FAL_RUN_URL', text('RETAKE_FAL_RUN_URL') ?? LIVE_ENDPOINTS.falRunUrl),
      falQueueUrl: urlOf('RETAKE_FAL_QUEUE_URL', text('RETAKE_FAL_QUEUE_URL') ?? LIVE_ENDPOINTS.falQueueUrl),
      falRestUrl: urlOf('RETAKE_FAL_REST_URL', text('RETAKE_FAL_REST_URL') ?? LIVE_ENDPOINTS.falRestUrl),
      openRouterUrl: urlOf('RETAKE_OPENROUTER_URL', text('RETAKE_OPENROUTER_URL') ?? LIVE_ENDPOINTS.openRouterUrl),
    },
    regions: regionsOf(text('RETAKE_REGIONS') ?? '{}'),
    audioHosts: hostsOf(text('RETAKE_AUDIO_HOSTS') ?? ''),
    otlpHeaders: headersOf(text('OTEL_EXPORTER_OTLP_HEADERS') ?? ''),
    ...given('apiKey', apiKey),
    ...given('strategyFile', text('RETAKE_STRATEGY')),
    ...given('otlpEndpoint', optionalUrl('OTEL_EXPORTER_OTLP_ENDPOINT', text('OTEL_EXPORTER_OTLP_ENDPOINT'))),
    ...given('jaegerUi', optionalUrl('RETAKE_JAEGER_UI', text('RETAKE_JAEGER_UI'))),
    ...given('falKey', falKey),
    ...given('openRouterKey', openRouterKey),
  };
}

/** The folder that a command names (`--data`), else RETAKE_DATA, else `./data`. */
export function dataFolderOf(env: Env, named?: string): string {
  const byEnv = env['RETAKE_DATA'] ?? '';
  return named ?? (byEnv === '' ? './data' : byEnv);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function oneOf<const Value extends string>(key: string, text: string, values: readonly Value[]): Value {
  const value = values.find((each) => each === text);
  if (value === undefined) throw new InputError(`${key}=${text.slice(0, 40)}: must be one of ${values.join(', ')}`);
  return value;
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InputError(`RETAKE_PORT=${text.slice(0, 40)}: must be a port number, 0 for any free one`);
}

function optionalUrl(key: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : urlOf(key, text);
}

/** `name=value,name=value`, values percent-encoded, as OpenTelemetry defines it. The message repeats no value. */
function headersOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      if (name === undefined || value === undefined) {
        throw new InputError('OTEL_EXPORTER_OTLP_HEADERS: must be name=value pairs with commas between them');
      }
      try {
        return [name.toLowerCase(), decodeURIComponent(value)];
      } catch {
        throw new InputError(`OTEL_EXPORTER_OTLP_HEADERS: the value of ${name} is not percent-encoded text`);
      }
    }),
  );
}

/** `host` or `host:port`, with commas between them. */
function hostsOf(text: string): string[] {
  const hosts = text
    .split(',')
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== '');
  for (const host of hosts) {
    if (URL.parse(`https://${host}`)?.host !== host) {
      throw new InputError(
        'RETAKE_AUDIO_HOSTS: must be hosts with commas between them, such as cdn.example.com,10.0.0.5:8443',
      );
    }
  }
  return hosts;
}

/** `{"eu": {"falRunUrl": "https://…"}}` as JSON, or a file of it. */
function regionsOf(textOrFile: string): Regions {
  const form = '{"NAME": {"falRunUrl": "https://…", …}}, as JSON or the name of a file that holds it';
  const isJson = textOrFile.trimStart().startsWith('{');
  const json = isJson
    ? parsedJson(textOrFile)
    : readInputJson(textOrFile, 'settings', { where: `RETAKE_REGIONS=${textOrFile}`, next: `it must be ${form}` });
  const entriesOf = (value: unknown): [string, unknown][] => {
    if (isObject(value)) return Object.entries(value);
    throw new InputError(`RETAKE_REGIONS must be ${form}`);
  };
  const keys = Object.keys(LIVE_ENDPOINTS);
  const regions = entriesOf(json).map(([name, urls]) => {
    if (!/^[a-z0-9-]{1,40}$/.test(name) || RESERVED_REGIONS.includes(name)) {
      throw new InputError(
        `RETAKE_REGIONS: "${name.slice(0, 60)}" cannot be a name: small letters, digits and -, but not ${RESERVED_REGIONS.join(', ')}`,
      );
    }
    const region: Partial<Endpoints> = Object.fromEntries(
      entriesOf(urls).map(([key, url]) => {
        if (!keys.includes(key))
          throw new InputError(`RETAKE_REGIONS: ${name} may have ${keys.join(', ')}, not ${key}`);
        return [key, urlOf(`RETAKE_REGIONS: ${name}.${key}`, String(url))];
      }),
    );
    return [name, region] as const;
  });
  return Object.fromEntries(regions);
}

/** A base URL without its trailing slash. */
function urlOf(key: string, text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) {
    throw new InputError(`${key} must be a full http(s) URL such as https://example.com/base`);
  }
  return text.replace(/\/+$/, '');
}

function given<Name extends string>(key: Name, value: string | undefined): { [K in Name]?: string } {
  const object: { [K in Name]?: string } = {};
  if (value !== undefined) object[key] = value;
  return object;
}
