/** OTLP JSON as spans, from the lines of a file. Attributes are read only when a caller asks. */
import { createReadStream } from 'node:fs';
import { InputError } from '../../service/base/errors.ts';
import { checkRegular, whenUnreadable } from '../../service/base/input-file.ts';
import type { Attrs, AttrValue } from '../../service/base/events.ts';
import { fieldOf, listIn, parsedJson, textIn } from '../../service/base/json.ts';
import { SCOPE_NAME } from '../../service/telemetry/names.ts';

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
  attributes(): Attrs;
}

/** A parsed piece of input. */
export interface Located {
  json: unknown;
  /** File and line, for messages. */
  where: string;
}

const NO_ATTRIBUTES = (): Attrs => ({});

const LINE_LIMIT_BYTES = 256 * 1024 * 1024;
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
    if (json === undefined) throw new InputError(`${where}: not a line of OTLP JSON`);
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
    if (openBytes > LINE_LIMIT_BYTES)
      throw new InputError(`${path}: a line is longer than 256 MB; this is no OTLP JSON`);
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

/** The spans of one OTLP JSON document: an export request, an array of them, or Jaeger's `{result}` around one. */
export function* spansIn(json: unknown): Generator<TraceSpan> {
  if (Array.isArray(json)) {
    for (const each of json) yield* spansIn(each);
    return;
  }
  const result = fieldOf(json, 'result');
  if (result !== undefined) yield* spansIn(result);
  for (const resource of listIn(json, 'resourceSpans')) {
    for (const scope of listIn(resource, 'scopeSpans')) {
      const isOurs = fieldOf(fieldOf(scope, 'scope'), 'name') === SCOPE_NAME;
      for (const span of listIn(scope, 'spans')) yield readSpan(span, isOurs);
    }
  }
}

/** Of Retake's own spans only the turn's attributes are read. The others are dropped, so that a held span is small. */
function readSpan(json: unknown, isOurs: boolean): TraceSpan {
  const name = textIn(json, 'name') ?? '';
  const startUs = microseconds(fieldOf(json, 'startTimeUnixNano'));
  const endUs = microseconds(fieldOf(json, 'endTimeUnixNano'));
  return {
    traceId: textIn(json, 'traceId') ?? '',
    spanId: textIn(json, 'spanId') ?? '',
    parentSpanId: textIn(json, 'parentSpanId') ?? '',
    name,
    startUs,
    endUs: Math.max(startUs, endUs),
    failed: [2, 'STATUS_CODE_ERROR'].some((code) => fieldOf(fieldOf(json, 'status'), 'code') === code),
    attributes: isOurs && name !== 'turn' ? NO_ATTRIBUTES : () => readAttributes(json),
  };
}

/** OTLP JSON writes nanoseconds as decimal text. Some exporters write a number, which has lost digits. */
function microseconds(nanoseconds: unknown): number {
  if (typeof nanoseconds === 'string' && /^\d+$/.test(nanoseconds)) return Number(nanoseconds.slice(0, -3));
  return typeof nanoseconds === 'number' && nanoseconds >= 0 ? Math.floor(nanoseconds / 1000) : 0;
}

function readAttributes(span: unknown): Attrs {
  const attributes: Record<string, AttrValue> = {};
  for (const each of listIn(span, 'attributes')) {
    const value = readValue(fieldOf(each, 'value'));
    if (value !== undefined) attributes[textIn(each, 'key') ?? ''] = value;
  }
  return attributes;
}

/** OTLP JSON has 64-bit integers as numbers or as strings. */
function readValue(any: unknown): AttrValue | undefined {
  const [string, integer, double, bool] = ['stringValue', 'intValue', 'doubleValue', 'boolValue'].map((name) =>
    fieldOf(any, name),
  );
  if (typeof string === 'string') return string;
  if (integer !== undefined) return Number(integer);
  if (typeof double === 'number') return double;
  if (typeof bool === 'boolean') return bool;
  const items = listIn(fieldOf(any, 'arrayValue'), 'values').map(readValue);
  return items.length > 0 && items.every((item) => typeof item === 'number') ? items.map(Number) : items.map(String);
}
