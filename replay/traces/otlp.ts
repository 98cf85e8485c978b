/** OTLP JSON as spans, from the lines of a file. Attributes are read only when a caller asks. */
import { createReadStream } from 'node:fs';
import { InputError } from '../../service/base/errors.ts';
import { checkRegular, whenUnreadable } from '../../service/base/input-file.ts';
import type { Attrs, AttrValue } from '../../service/base/events.ts';
import { fieldOf, isTooMuchJson, listIn, parsedJson, textIn, TOO_MUCH_JSON } from '../../service/base/json.ts';
import { SCOPE_NAME } from '../../service/telemetry/names.ts';
import { charsRead } from './read-keys.ts';

/** A span of any pipeline. Times are whole µs since 1970, cut from OTLP's nanoseconds. */
export interface TraceSpan {
  traceId: string;
  spanId: string;
  /** Empty on a root. */
  parentSpanId: string;
  name: string;
  startUs: number;
  endUs: number;
  failed: boolean;
  /** Those that somebody reads (read-keys.ts): a held span is small, whatever else it carried. */
  attributes: Attrs;
}

/** A parsed piece of input. */
export interface Located {
  json: unknown;
  /** File and line, for messages. */
  where: string;
}

const NO_ATTRIBUTES: Attrs = {};

/** A parsed line takes up to twenty times its bytes. Collectors write some megabytes a line, a page of Jaeger has about 12. */
const LINE_LIMIT_MB = 64;
/** A longer name is cut: rows of a report show less. */
const NAME_CHARS = 200;
/** OTLP's ids have 32 and 16 characters. */
const ID_CHARS = 128;
/** As many digits as 2⁶⁴ nanoseconds have. */
const TIME = /^\d{1,20}$/;
const NEWLINE = 0x0a;

/** The parsed lines of a file, read as a stream. Throws `InputError` for a line that is not JSON, the last one too. */
export async function* jsonLines(path: string): AsyncGenerator<Located> {
  let number = 0;
  for await (const line of readLines(path)) {
    number++;
    const text = line.toString('utf8').trim();
    if (text === '') continue;
    const where = `${path}:${number}`;
    const json = parsedJson(text);
    if (json === undefined && isTooMuchJson(text)) throw new InputError(`${where}: ${TOO_MUCH_JSON}`);
    if (json === undefined)
      throw new InputError(`${where}: not a line of OTLP JSON; name a file that Retake or a Collector wrote`);
    yield { json, where };
  }
}

async function* readLines(path: string): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of readChunks(path)) {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const head = rest.subarray(0, end);
      yield open.length === 0 ? head : Buffer.concat([...open, head]);
      [open, openBytes] = [[], 0];
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) continue;
    open.push(rest);
    openBytes += rest.length;
    if (openBytes > LINE_LIMIT_MB * 1024 * 1024)
      throw new InputError(
        `${path}: a line is longer than ${LINE_LIMIT_MB} MB; write one export request a line, as the Collector's file exporter does`,
      );
  }
  if (open.length > 0) yield Buffer.concat(open);
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  checkRegular(path);
  try {
    yield* createReadStream(path, { highWaterMark: 1024 * 1024 });
  } catch (error) {
    whenUnreadable(path)(error);
  }
}

/**
 * The spans of one OTLP JSON document: an export request, an array of them, or Jaeger's `{result}` around one. A span whose ids or times
 * cannot be used is counted and left out. `attribute` is read beside those of read-keys.ts.
 */
export function* spansIn(json: unknown, problems = { unusableSpans: 0 }, attribute?: string): Generator<TraceSpan> {
  // a stack in place of recursion: a hostile document is nested a million times
  const open: Iterator<unknown>[] = [[json].values()];
  for (let documents = open.at(-1); documents !== undefined; documents = open.at(-1)) {
    const { done, value: document } = documents.next();
    if (done === true) {
      open.pop();
      continue;
    }
    if (Array.isArray(document)) {
      open.push(document.values());
      continue;
    }
    const result = fieldOf(document, 'result');
    if (result !== undefined) open.push([result].values());
    for (const resource of listIn(document, 'resourceSpans')) {
      for (const scope of listIn(resource, 'scopeSpans')) {
        const isOurs = fieldOf(fieldOf(scope, 'scope'), 'name') === SCOPE_NAME;
        for (const each of listIn(scope, 'spans')) {
          const span = readSpan(each, isOurs, attribute);
          if (span === undefined) problems.unusableSpans++;
          else yield span;
        }
      }
    }
  }
}

/** Of Retake's own spans only the turn's attributes are read. */
function readSpan(json: unknown, isOurs: boolean, attribute: string | undefined): TraceSpan | undefined {
  const [traceId = '', spanId = '', parentSpanId = ''] = ['traceId', 'spanId', 'parentSpanId'].map((key) =>
    textIn(json, key),
  );
  const startUs = microseconds(fieldOf(json, 'startTimeUnixNano'));
  const endUs = microseconds(fieldOf(json, 'endTimeUnixNano'));
  const isNamed = [traceId, spanId, parentSpanId].every((id) => id.length <= ID_CHARS);
  if (!isNamed || startUs === undefined || endUs === undefined) return undefined;
  const name = (textIn(json, 'name') ?? '').slice(0, NAME_CHARS);
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    startUs,
    endUs: Math.max(startUs, endUs),
    failed: [2, 'STATUS_CODE_ERROR'].some((code) => fieldOf(fieldOf(json, 'status'), 'code') === code),
    attributes: isOurs && name !== 'turn' ? NO_ATTRIBUTES : readAttributes(json, attribute),
  };
}

/** OTLP JSON writes nanoseconds as decimal text. Some exporters write a number, which has lost digits. Undefined where it is no time. */
function microseconds(nanoseconds: unknown): number | undefined {
  const isNumber = typeof nanoseconds === 'number' && nanoseconds >= 0;
  const us =
    typeof nanoseconds === 'string' && TIME.test(nanoseconds)
      ? Number(nanoseconds.slice(0, -3))
      : isNumber
        ? Math.floor(nanoseconds / 1000)
        : undefined;
  return Number.isSafeInteger(us) ? us : undefined;
}

function readAttributes(span: unknown, attribute: string | undefined): Attrs {
  let attributes: Record<string, AttrValue> | undefined;
  for (const each of listIn(span, 'attributes')) {
    const key = textIn(each, 'key') ?? '';
    const chars = charsRead(key, attribute);
    const value = chars === undefined ? undefined : readValue(fieldOf(each, 'value'));
    if (chars === undefined || value === undefined) continue;
    if (typeof value !== 'string' || value.length <= chars) (attributes ??= {})[key] = value;
  }
  return attributes ?? NO_ATTRIBUTES;
}

/** OTLP JSON has 64-bit integers as numbers or as strings. Nobody reads lists, nor what is nested. */
function readValue(any: unknown): AttrValue | undefined {
  const [string, integer, double, bool] = ['stringValue', 'intValue', 'doubleValue', 'boolValue'].map((name) =>
    fieldOf(any, name),
  );
  if (typeof string === 'string') return string;
  const number = typeof integer === 'string' && /^-?\d{1,20}$/.test(integer) ? Number(integer) : (integer ?? double);
  if (typeof number === 'number') return Number.isFinite(number) ? number : undefined;
  return typeof bool === 'boolean' ? bool : undefined;
}
