/** Latency profiles of the stand-ins: quantile tables as data, each figure with its source or "assumed". */
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { isObject } from '../../service/base/json.ts';
import { section } from '../../service/base/schema.ts';
import { readInputJson } from '../../service/base/input-file.ts';

const Figure = section({
  source: Type.String({ minLength: 1, description: 'where the figure comes from, or "assumed" and why' }),
  quantiles: Type.Array(Type.Tuple([Type.Number({ minimum: 0, maximum: 1 }), Type.Number({ minimum: 0 })]), {
    minItems: 1,
    description: '[p, value] pairs, both rising, p from 0 to 1; a single pair is a constant',
  }),
});
/** A quantile table. Its unit is the last word of the figure's name. */
export type Figure = Static<typeof Figure>;

const SetUp = section({ dnsMs: Figure, connectMs: Figure, tlsMs: Figure });

const TtsMethod = section({
  waitMs: Figure, // request received to response headers, for no text
  perCharMs: Figure, // more wait for each character of the text
  firstByteMs: Figure, // headers to the first audio
  gapMs: Figure, // between audio items
  audioMsPerItem: Figure,
});

export const LinkSchema = section({
  uploadKbps: Type.Optional(
    Type.Number({ minimum: 1, maximum: 10_000_000, description: 'kbit/s; 1 kbit = 1,000 bit' }),
  ),
  lossShare: Type.Optional(Type.Number({ minimum: 0, maximum: 0.5, description: 'of packets, each way, each alone' })),
  retransmitMs: Type.Optional(
    Type.Number({ minimum: 0, maximum: 60_000, description: 'until a lost packet comes again' }),
  ),
});
export type Link = Static<typeof LinkSchema>;

/** A stage's calls of one conversation at once. */
const Crowd = section({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'so many at once; one more is answered with 429' }),
  ),
  retryAfterS: Type.Optional(Type.Number({ minimum: 0, maximum: 3600, description: 'what the 429 asks for' })),
  slowerShare: Type.Optional(
    Type.Number({ minimum: 0, maximum: 100, description: 'more wait for each other call, as a share of the wait' }),
  ),
});
export type Crowd = Static<typeof Crowd>;

/** Times as long in each hour of the day, 0 to 23. */
const Hours = Type.Array(Type.Number({ minimum: 0.01, maximum: 100 }), { minItems: 24, maxItems: 24 });

/** The stages whose calls a profile can treat by hour and by crowd. */
export const CALLED_STAGES = ['stt', 'llm', 'tts'] as const;

export const ProfileSchema = section({
  name: Type.String({ pattern: '^[a-z0-9-]+$' }),
  description: Type.String(),
  network: section({
    dnsMs: Figure,
    connectMs: Figure,
    tlsMs: Figure,
    roundTripMs: Figure, // inside each wait
    sendMsPerKb: Figure, // 1 kB = 1,000 bytes
    dnsTtlMs: Figure,
    terminatorMs: Figure, // last item to the end of the body; 0: in the same read
    /** Losses on top of drawn times, and a bandwidth in place of `sendMsPerKb`. */
    link: Type.Optional(LinkSchema),
    /** One provider's own figures in place of `dnsMs`, `connectMs` and `tlsMs`. */
    setUps: Type.Optional(section({ fal: Type.Optional(SetUp), openrouter: Type.Optional(SetUp) })),
  }),
  /** Endpoints for `network.region`. `roundTrips` is how many times as long a round trip takes as to the default endpoints. */
  regions: Type.Optional(Type.Record(Type.String({ pattern: '^[a-z0-9-]+$' }), section({ roundTrips: Figure }))),
  stt: section({ waitMs: Figure, perAudioSecondMs: Figure, bodyMs: Figure }),
  llm: section({
    headersMs: Figure, // request received to response headers
    firstContentMs: Figure, // headers to the first content delta, before the model's scale
    perPromptCharMs: Figure, // of what is not cached
    cacheMinTokens: Type.Optional(
      Type.Integer({ minimum: 1, description: 'shortest cached prefix of every model; by default the models’ own' }),
    ),
    comments: Figure, // gateway comments before the first content
    models: Type.Record(
      Type.String(),
      section({
        scale: Figure,
        charsPerDelta: Figure,
        gapMs: Figure,
        /** The model's own figures in place of `scale` times the shared ones. */
        headersMs: Type.Optional(Figure),
        firstContentMs: Type.Optional(Figure),
      }), // `default` serves every model that is not listed
    ),
  }),
  tts: section({
    stream: TtsMethod,
    speech: TtsMethod,
    generate: TtsMethod,
    leadingSilenceMs: Figure,
    charsPerSecond: Figure, // of speech, at speed 1
  }),
  other: section({
    queueSubmitMs: Figure,
    queueStatusMs: Figure,
    cdnMs: Figure,
    storageMs: Figure,
    sideMs: Figure, // lists of models, generation records
  }),
  /** How providers treat calls at once; absent: a call does not feel another. */
  atOnce: Type.Optional(section({ stt: Type.Optional(Crowd), llm: Type.Optional(Crowd), tts: Type.Optional(Crowd) })),
  /** Providers by hour of the day. A scenario says the hour; without one all factors are 1. */
  byHour: Type.Optional(section({ stt: Type.Optional(Hours), llm: Type.Optional(Hours), tts: Type.Optional(Hours) })),
});
export type Profile = Static<typeof ProfileSchema>;

const validate = new Ajv({ allErrors: true }).compile<Profile>(ProfileSchema);

/** A profile from untrusted JSON. Throws `InputError` that names the figure and its fault. */
export function parseProfile(json: unknown, source: string): Profile {
  if (!validate(json)) {
    const error = validate.errors?.[0];
    const extra = error?.params['additionalProperty'] ?? '';
    throw new InputError(
      `${source}: profile${error?.instancePath ?? ''} ${error?.message ?? 'is wrong'} ${extra}`.trim(),
    );
  }
  if (json.llm.models['default'] === undefined)
    throw new InputError(`${source}: profile/llm/models has no "default": add one for models that are not listed`);
  for (const [path, figure] of figuresOf(json)) checkFigure(figure, `${source}: profile${path}`);
  return json;
}

/** Worlds that are not kind to predictions: profile `seed` with one habit of real providers each. All of it is assumed. */
export const UNKIND_PROFILES = ['cold-starts', 'by-hour', 'crowded', 'prompt-cache', 'slower-models'] as const;

/** The profiles that come with Retake. A capture may name no other. */
export const PROFILE_NAMES = ['seed', 'zero', ...UNKIND_PROFILES] as const;

/** Loads a profile by name or by the path of a JSON file. For names that the operator wrote. Throws `InputError`. */
export function loadProfile(nameOrPath: string): Profile {
  const path = /^[a-z0-9-]+$/.test(nameOrPath)
    ? fileURLToPath(new URL(`../profiles/${nameOrPath}.json`, import.meta.url))
    : nameOrPath;
  const next = `known profiles: ${PROFILE_NAMES.join(', ')}, or a JSON file (npx retake profile writes one)`;
  const json = readInputJson(path, 'settings', { where: `profile ${nameOrPath}`, next });
  if (!isObject(json) || json['base'] === undefined) return parseProfile(json, nameOrPath);
  const { base, ...own } = json;
  if (!BASES.some((name) => name === base))
    throw new InputError(
      `${nameOrPath}: profile/base must be one of ${BASES.join(', ')}: it fills in what the file lacks`,
    );
  return parseProfile(over(loadProfile(String(base)), own), nameOrPath);
}

/** The profiles that a file may build on; they build on none. */
const BASES = ['seed', 'zero'] as const;

/** Objects merge key by key, and all else replaces: a figure replaces a figure, since it has both keys. */
function over(base: unknown, own: unknown): unknown {
  if (!isObject(base) || !isObject(own)) return own;
  const merged = new Map<string, unknown>(Object.entries(base));
  for (const [key, value] of Object.entries(own)) merged.set(key, over(merged.get(key), value));
  return Object.fromEntries(merged);
}

/** The value at probability `u` in [0, 1), by straight lines between the table's quantiles. */
export function valueAt(figure: Figure, u: number): number {
  let below = figure.quantiles[0];
  for (const above of figure.quantiles) {
    if (below === undefined || u < above[0]) {
      if (below === undefined || above[0] <= below[0]) return above[1];
      return below[1] + ((above[1] - below[1]) * (u - below[0])) / (above[0] - below[0]);
    }
    below = above;
  }
  return below?.[1] ?? 0;
}

export const medianOf = (figure: Figure): number => valueAt(figure, 0.5);

/** The mean of all draws: the area under the straight lines. */
export function meanOf(figure: Figure): number {
  let mean = 0;
  figure.quantiles.forEach(([p, value], index) => {
    const before = figure.quantiles[index - 1];
    if (before !== undefined) mean += ((value + before[1]) / 2) * (p - before[0]);
  });
  return figure.quantiles.length === 1 ? (figure.quantiles[0]?.[1] ?? 0) : mean;
}

/** A model's figures by its id, by its id without a suffix like `:nitro`, or the default. */
export function modelFigures(profile: Profile, model: string): Profile['llm']['models'][string] {
  const { models } = profile.llm;
  const figures = models[model] ?? models[model.replace(/:[\w-]+$/, '')] ?? models['default'];
  if (figures === undefined)
    throw new InputError(`profile ${profile.name} has no figures for ${model}: add them, or a "default"`);
  return figures;
}

/** Throws `InputError` for a table that does not rise from p = 0 to p = 1. A single pair is a constant. */
export function checkFigure(figure: Figure, where: string): void {
  const pairs = figure.quantiles;
  if (pairs.length === 1) return;
  if (pairs[0]?.[0] !== 0 || pairs[pairs.length - 1]?.[0] !== 1) {
    throw new InputError(`${where}: quantiles must begin at p = 0 and end at p = 1`);
  }
  pairs.forEach(([p, value], index) => {
    const before = pairs[index - 1];
    if (before !== undefined && (p <= before[0] || value < before[1])) {
      throw new InputError(`${where}: quantiles must rise, but [${p}, ${value}] follows [${before.join(', ')}]`);
    }
  });
}

function figuresOf(value: unknown, path = ''): [path: string, figure: Figure][] {
  if (typeof value !== 'object' || value === null) return [];
  if ('quantiles' in value) return [[path, value as Figure]]; // parser: the schema has accepted it
  return Object.entries(value).flatMap(([key, inner]) => figuresOf(inner, `${path}/${key}`));
}
