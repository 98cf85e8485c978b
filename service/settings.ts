/** Every variable that the service reads, one row each. docs/settings.md is made from these rows: `npm run docs -- settings`. */

interface Setting {
  name: string;
  /** Heading of the page below which the variable stands. */
  group: string;
  /** What it takes, as Markdown. */
  takes: string;
  /** What holds where the variable is absent or empty, as Markdown. */
  otherwise: string;
  meaning: string;
}

export const SETTINGS = [
  {
    name: 'RETAKE_WORLD',
    group: 'Providers',
    takes: '`wire` or `live`',
    otherwise: '`wire`',
    meaning:
      'Who answers: stand-ins on this machine, or fal and OpenRouter, for money. Keys alone never select `live`.',
  },
  {
    name: 'FAL_KEY',
    group: 'Providers',
    takes: 'a key of fal',
    otherwise: 'none; `live` needs it',
    meaning: 'Pays for STT and TTS.',
  },
  {
    name: 'OPENROUTER_API_KEY',
    group: 'Providers',
    takes: 'a key of OpenRouter',
    otherwise: 'none; `live` needs it',
    meaning: 'Pays for the LLM.',
  },
  {
    name: 'RETAKE_STRATEGY',
    group: 'Providers',
    takes: 'a JSON file',
    otherwise: 'today’s production',
    meaning: 'The strategy: a patch of the defaults in [strategies](strategies.md).',
  },
  {
    name: 'RETAKE_GENERATION_RECORDS',
    group: 'Providers',
    takes: '`on` or `off`',
    otherwise: '`on` in `live`, else `off`',
    meaning: 'After each turn, ask OpenRouter what the answer took and cost.',
  },
  {
    name: 'RETAKE_FAL_RUN_URL',
    group: 'Providers',
    takes: 'a base URL',
    otherwise: '`https://fal.run`',
    meaning: 'Another address for fal’s synchronous calls, for gateways and tests.',
  },
  {
    name: 'RETAKE_FAL_QUEUE_URL',
    group: 'Providers',
    takes: 'a base URL',
    otherwise: '`https://queue.fal.run`',
    meaning: 'Another address for fal’s queue.',
  },
  {
    name: 'RETAKE_FAL_REST_URL',
    group: 'Providers',
    takes: 'a base URL',
    otherwise: '`https://rest.fal.ai`',
    meaning: 'Another address for fal’s uploads.',
  },
  {
    name: 'RETAKE_OPENROUTER_URL',
    group: 'Providers',
    takes: 'a base URL',
    otherwise: '`https://openrouter.ai/api/v1`',
    meaning: 'Another address for OpenRouter.',
  },
  {
    name: 'RETAKE_REGIONS',
    group: 'Providers',
    takes: 'JSON, or a JSON file',
    otherwise: 'none',
    meaning: 'Endpoints in other regions, for the knob `network.region`. Keys are sent to these URLs.',
  },
  {
    name: 'RETAKE_AUDIO_HOSTS',
    group: 'Providers',
    takes: '`host` or `host:port`, with commas between',
    otherwise: 'fal’s CDN only',
    meaning: 'Further hosts from which a provider’s audio may be fetched.',
  },
  {
    name: 'RETAKE_HOST',
    group: 'Who may call',
    takes: 'an address of this machine, or a name of it',
    otherwise: '`127.0.0.1`',
    meaning: 'Where the service listens. Any but loopback needs a key.',
  },
  {
    name: 'RETAKE_PORT',
    group: 'Who may call',
    takes: '0 to 65535',
    otherwise: '`8080`',
    meaning: 'The port; 0 takes any free one.',
  },
  {
    name: 'RETAKE_API_KEY',
    group: 'Who may call',
    takes: 'a text of your own',
    otherwise: 'none: whoever reaches the port may call',
    meaning: 'Clients send it as `Authorization: Bearer KEY`.',
  },
  {
    name: 'RETAKE_TRUST_NETWORK',
    group: 'Who may call',
    takes: '`yes` or `no`',
    otherwise: '`no`',
    meaning:
      '`yes`: an address beyond loopback needs no key. For a container whose port is published to one machine only.',
  },
  {
    name: 'RETAKE_ALLOWED_HOSTS',
    group: 'Who may call',
    takes: 'hosts, with commas between',
    otherwise: 'without a key none beside loopback and RETAKE_HOST; with a key any',
    meaning: 'Names under which the service may be asked.',
  },
  {
    name: 'RETAKE_ALLOWED_ORIGINS',
    group: 'Who may call',
    takes: 'origins such as `https://app.example.com`, with commas between',
    otherwise: 'none beside the service’s own',
    meaning: 'Pages of other origins that may use the service.',
  },
  {
    name: 'RETAKE_TRUSTED_PROXIES',
    group: 'Who may call',
    takes: 'addresses or networks such as `10.0.0.2`, `fd00::/8`, with commas between',
    otherwise: 'none: `X-Forwarded-For` is ignored',
    meaning:
      'Proxies whose `X-Forwarded-For` tells the client. Clients share memory and take turns by address; behind a proxy that is not named all are one.',
  },
  {
    name: 'RETAKE_DATA',
    group: 'What is kept',
    takes: 'a folder',
    otherwise: '`./data`',
    meaning: 'Captures, unsent traces and cached speech. Commands take `--data` instead.',
  },
  {
    name: 'RETAKE_CAPTURE',
    group: 'What is kept',
    takes: '`full`, `timing` or `off`',
    otherwise: '`timing` in `live`, else `full`',
    meaning: 'Audio and text with all times; times and lengths only; nothing.',
  },
  {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    group: 'Where traces go',
    takes: 'a base URL, such as `http://127.0.0.1:4318`',
    otherwise: 'none: traces stay in the spool',
    meaning: 'Where traces are sent. A slow or missing endpoint delays no turn.',
  },
  {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    group: 'Where traces go',
    takes: '`name=value`, percent-encoded, with commas between',
    otherwise: 'none',
    meaning: 'Headers for that endpoint, such as a key.',
  },
  {
    name: 'RETAKE_JAEGER_UI',
    group: 'Where traces go',
    takes: 'a URL',
    otherwise: 'none: no links',
    meaning: 'Jaeger’s page, for links in reports.',
  },
  {
    name: 'RETAKE_PUBLIC_URL',
    group: 'Where traces go',
    takes: 'a URL, such as `https://voice.example`',
    otherwise: '`http://127.0.0.1:8080`',
    meaning:
      'Where a browser finds the service: `npm run infra:up` gives Jaeger’s page links to sessions and turns there.',
  },
  {
    name: 'RETAKE_TRACE_PLAYBACK',
    group: 'Where traces go',
    takes: '`short` or `full`',
    otherwise: '`short`',
    meaning:
      'How far the spans `turn` and `playback` reach: to the end of the work, so that the wait fills Jaeger’s screen, or to the end of the reply.',
  },
  {
    name: 'RETAKE_SLOW_MS',
    group: 'Where traces go',
    takes: 'ms, from 1',
    otherwise: '`1400`, the target of STT + TTFT + TTFB',
    meaning: 'Above this end to end, a turn is tagged as a slow response.',
  },
  {
    name: 'RETAKE_READ_LAG_MS',
    group: 'Where traces go',
    takes: 'ms, from 1',
    otherwise: '`20`, one frame of a usual client',
    meaning:
      'Above this [read lag](metrics.md#read-lag), a turn is tagged and counted as read late: its end to end is that much too short.',
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];

/** Variables that begin with RETAKE_: any other one is an error, so that a typo shows. */
export const OWN_SETTINGS: readonly string[] = SETTINGS.map(({ name }) => name).filter((name) =>
  name.startsWith('RETAKE_'),
);
