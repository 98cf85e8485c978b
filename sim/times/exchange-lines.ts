/** Observed exchanges as lines of a file. A bench writes the file, `retake profile --bench` reads it. No text, no audio. */
import { ITEM_KINDS } from './plan.ts';
import { CALL_STAGES } from '../../service/base/events.ts';
import { parsedJson } from '../../service/base/json.ts';
import { literals } from '../../service/base/schema.ts';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { exchangeKind, type Observation } from './observed.ts';

export const EXCHANGES_FILE = 'exchanges.jsonl';

const us = Type.Integer({ minimum: 0 });
const network = Type.Object({
  queue: us,
  dns: Type.Optional(us),
  connect: Type.Optional(us),
  tls: Type.Optional(us),
  send: us,
});
const item = Type.Object({
  gapUs: us,
  kind: literals(ITEM_KINDS),
  parts: Type.Array(Type.Integer({ minimum: 0 })),
});
const ExchangeSchema = Type.Object({
  world: Type.String({ minLength: 1 }),
  sessionId: Type.String(),
  turnIndex: Type.Integer({ minimum: 0 }),
  exchange: Type.String(),
  anchorUs: Type.Optional(us),
  operation: literals(CALL_STAGES),
  what: Type.String(),
  served: Type.Optional(Type.String()),
  size: Type.Number({ minimum: 0 }),
  uploadBytes: us,
  speed: Type.Number({ exclusiveMinimum: 0 }),
  plan: Type.Object({
    reused: Type.Optional(Type.Boolean()),
    networkUs: network,
    waitUs: us,
    items: Type.Array(item),
    terminatorUs: Type.Optional(us),
    leadingSilenceMs: Type.Number({ minimum: 0 }),
  }),
});
type ExchangeLine = Static<typeof ExchangeSchema>;
const validate = new Ajv().compile<ExchangeLine>(ExchangeSchema);

/** One line with its line feed. */
export function exchangeLine(world: string, observation: Observation): string {
  return `${JSON.stringify({ world, ...observation })}\n`;
}

export interface ReadExchanges {
  worlds: readonly string[];
  observations: readonly Observation[];
  sessions: number;
}

/**
 * Reads such a file. A torn last line is left out. Arms of stand-ins meet the same draws, so an exchange with the same work
 * counts once; a provider's answers all count. Throws `InputError` that names a wrong line.
 */
export function parseExchanges(text: string, file: string): ReadExchanges {
  const lines = text.split('\n').slice(0, -1);
  const taken = new Map<string, ExchangeLine>();
  for (const [index, line] of lines.entries()) {
    const read = parseExchange(line, `${file}, line ${index + 1}`);
    const { world, sessionId, turnIndex, exchange, size, speed, uploadBytes } = read;
    const drawn = [world, sessionId, turnIndex, exchange, exchangeKind(read), size, speed, uploadBytes].join(' ');
    const key = world === 'live' ? String(index) : drawn;
    if (!taken.has(key)) taken.set(key, read);
  }
  const all = [...taken.values()];
  return {
    worlds: [...new Set(all.map(({ world }) => world))].sort(),
    observations: all.map(({ world: _world, ...observation }) => observation),
    sessions: new Set(all.map(({ sessionId }) => sessionId)).size,
  };
}

function parseExchange(text: string, where: string): ExchangeLine {
  const json = parsedJson(text);
  if (json === undefined) throw new InputError(`${where}: is not JSON; run the bench again`);
  if (validate(json)) return json;
  const { instancePath, message } = validate.errors?.[0] ?? {};
  throw new InputError(`${where}: ${instancePath} ${message}; run the bench again with this version`);
}
