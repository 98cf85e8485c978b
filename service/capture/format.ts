/** The capture bundle, format 1: a public, versioned contract. Every field and its unit: docs/capture-format.md. */
import { Ajv, type ValidateFunction } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../base/errors.ts';
import { LANES, STAGES, WORLDS, ZERO_KINDS } from '../base/events.ts';
import { isObject } from '../base/json.ts';
import { ROLES } from '../base/ports.ts';
import { literals } from '../base/schema.ts';
import { SERVICE_NAME, SERVICE_VERSION } from '../telemetry/names.ts';

export const FORMAT = 1;
export const EXPORTER = `${SERVICE_NAME}@${SERVICE_VERSION}`;

/** The content of a bundle: everything, or times without text and audio. */
export const BUNDLE_LEVELS = ['full', 'timing'] as const;
export type BundleLevel = (typeof BUNDLE_LEVELS)[number];
/** `off`: no bundle. */
export const CAPTURE_LEVELS = [...BUNDLE_LEVELS, 'off'] as const;
export type CaptureLevel = (typeof CAPTURE_LEVELS)[number];

const Message = Type.Object({
  role: literals(ROLES),
  content: Type.String(),
});

/** A session's id names its folder. */
export const SESSION_ID = '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$';

/** `session.json`. */
export const SessionSchema = Type.Object({
  format: Type.Literal(FORMAT),
  exporter: Type.String({ description: 'name@version of the program that wrote the bundle' }),
  level: literals(BUNDLE_LEVELS, { description: 'timing: no text and no audio' }),
  sessionId: Type.String({ pattern: SESSION_ID }),
  startedEpochUs: Type.Integer({ description: 'µs since 1970' }),
  world: literals(WORLDS),
  profile: Type.Optional(Type.String({ description: "the stand-ins' latency profile" })),
  interview: Type.Optional(Type.String({ description: 'interview whose script the stand-ins followed' })),
  commit: Type.String({ description: 'commit of the service, or unknown' }),
  language: Type.String(),
  systemPrompt: Type.Optional(Type.String({ description: 'level full only' })),
  systemPromptChars: Type.Integer({ minimum: 0 }),
  history: Type.Optional(Type.Array(Message, { description: 'before the first turn, unpruned; level full only' })),
  historyChars: Type.Array(Type.Integer({ minimum: 0 }), { description: 'length of each message of history' }),
  strategy: Type.Record(Type.String(), Type.Unknown(), { description: 'resolved strategy' }),
  endpoints: Type.Record(Type.String(), Type.String(), { description: 'base URLs' }),
  referenceDetector: Type.Object({
    name: Type.String(),
    version: Type.Integer(),
    thresholdDbfs: Type.Number(),
  }),
});
export type SessionHeader = Static<typeof SessionSchema>;

const Identity = Type.Object({
  sessionId: Type.String({ pattern: SESSION_ID }),
  turnIndex: Type.Integer({ minimum: 0 }),
  traceId: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  runId: Type.String(),
  world: literals(WORLDS),
  lane: literals(LANES),
  variant: Type.String(),
  arm: Type.String(),
  strategyHash: Type.String(),
  linkedTraceId: Type.Optional(Type.String()),
  profile: Type.Optional(Type.String()),
  interview: Type.Optional(Type.String()),
});

const StoredContent = Type.Object({
  text: Type.Optional(Type.String()),
  audioSha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'names audio/<sha256>.pcm' })),
  audioBytes: Type.Optional(Type.Integer({ minimum: 0 })),
  sampleRateHz: Type.Optional(Type.Integer({ minimum: 1 })),
  recordedSha256: Type.Optional(
    Type.String({ pattern: '^[0-9a-f]{64}$', description: 'the upload as it came: names audio/<sha256>.webm' }),
  ),
  recordedBytes: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type StoredContent = Static<typeof StoredContent>;

const StoredEvent = Type.Object(
  {
    id: Type.Integer({ minimum: 0 }),
    kind: Type.String(),
    stage: literals(STAGES),
    exchange: Type.Optional(Type.String()),
    atUs: Type.Integer({ description: "µs on the turn's clock" }),
    cause: Type.Optional(Type.Integer({ minimum: 0 })),
    also: Type.Optional(Type.Integer({ minimum: 0 })),
    attrs: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Union([
          Type.String(),
          Type.Number(),
          Type.Boolean(),
          Type.Array(Type.Number()),
          Type.Array(Type.String()),
        ]),
      ),
    ),
    content: Type.Optional(StoredContent),
  },
  { additionalProperties: false },
);
export type StoredEvent = Static<typeof StoredEvent>;

/** One line of `events.jsonl`: a turn opens, has events, closes. */
export const LineSchema = Type.Union([
  Type.Object({
    line: Type.Literal('turn'),
    turn: Type.Integer({ minimum: 0 }),
    identity: Identity,
    zero: literals(ZERO_KINDS),
    anchorUs: Type.Integer({ description: "µs since 1970 of the turn clock's 0" }),
  }),
  Type.Object({ line: Type.Literal('event'), turn: Type.Integer({ minimum: 0 }), event: StoredEvent }),
  Type.Object({ line: Type.Literal('end'), turn: Type.Integer({ minimum: 0 }), events: Type.Integer({ minimum: 0 }) }),
]);
export type Line = Static<typeof LineSchema>;

const ajv = new Ajv({ allErrors: false });
const isHeader: ValidateFunction<SessionHeader> = ajv.compile<SessionHeader>(SessionSchema);
const isLine: ValidateFunction<Line> = ajv.compile<Line>(LineSchema);

/** Steps from an older format to the next one, by the older one's number. Format 1 is the first. */
const UPGRADES: Readonly<Record<number, (header: Record<string, unknown>) => Record<string, unknown>>> = {};

/** A header from parsed JSON. Throws `InputError` that names the file and the field. */
export function parseHeader(json: unknown, where: string): SessionHeader {
  if (!isObject(json)) throw new InputError(`${where}: not a JSON object`);
  let header: Record<string, unknown> = { ...json };
  const found = header['format'];
  if (typeof found !== 'number')
    throw new InputError(`${where}: no format number; name a folder that holds a capture bundle`);
  if (found > FORMAT) {
    throw new InputError(`${where}: format ${found} is newer than this Retake reads (up to ${FORMAT}); update Retake`);
  }
  for (let format = found; format < FORMAT; format++) {
    const upgrade = UPGRADES[format];
    if (upgrade === undefined) throw new InputError(`${where}: format ${format} was never released`);
    header = upgrade(header);
  }
  if (isHeader(header)) return withoutPath(header);
  throw new InputError(`${where}: ${complaintOfLine(isHeader)}`);
}

/** Early bundles name a prompt by the path of its file. A bundle comes from anywhere: the path is dropped here, before anybody can open it. */
function withoutPath(header: SessionHeader): SessionHeader {
  const { llm } = header.strategy;
  if (!isObject(llm) || !isObject(llm['systemPrompt'])) return header;
  const { file: _file, ...systemPrompt } = llm['systemPrompt'];
  return { ...header, strategy: { ...header.strategy, llm: { ...llm, systemPrompt } } };
}

/** A line from parsed JSON, or the complaint about it. */
export function parseLine(json: unknown): Line | string {
  return isLine(json) ? json : complaintOfLine(isLine);
}

function complaintOfLine({ errors }: ValidateFunction): string {
  const error = errors?.find((each) => each.instancePath !== '') ?? errors?.[0];
  return `field ${error?.instancePath.replace(/^\//, '').replaceAll('/', '.') ?? ''} ${error?.message ?? 'is not valid'}`;
}
