/** OTLP JSON as spans: lines of a file, one at a time, and what a span says. Attributes are read only when asked for. */
import { createReadStream } from 'node:fs';
import { InputError } from '../../service/base/errors.ts';
import { whenUnreadable } from '../../service/base/input-file.ts';
import type { Attrs, AttrValue } from '../../service/base/events.ts';
import { fieldOf, listIn } from '../../service/base/json.ts';
import { SCOPE_NAME } from '../../service/telemetry/names.ts';

/** A span of any pipeline. Times are whole µs since 1970: OTLP's nanoseconds, cut. */
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

/** A parsed piece of input and where it stands, for messages. */
export interface Located {
  json: unknown;
  where: string;
}

const NO_ATTRIBUTES = (): Attrs => ({});

/** A line longer than this is no trace. */
const LINE_LIMIT_BYTES = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The parsed lines of a file, read as a stream. A torn last line is an error, as every other that is not JSON. */
export async function* jsonLines(path: string): AsyncGenerator<Located> {
  let number = 0;
  for await (const line of linesOf(path)) {
    number++;
    const text = line.toString('utf8').trim();
    if (text === '') continue;
    yield { json: parsed(text, `${path}:${number}`), where: `${path}:${number}` };
  }
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError(`${where}: not a line of OTLP JSON`);
  }
}

async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of chunksOf(path)) {
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
    if (openBytes > LINE_LIMIT_BYTES) throw new InputError(`${path}: a line of more than 256 MB is no OTLP JSON line`);
  }
  if (open.length > 0) yield Buffer.concat(open);
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
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
      for (const span of listIn(scope, 'spans')) yield spanOf(span, isOurs);
    }
  }
}

/** Of our own spans only the turn's attributes are ever read: the others are let go, so that a held span is small. */
function spanOf(json: unknown, isOurs: boolean): TraceSpan {
  const name = text(fieldOf(json, 'name'));
  const startUs = microseconds(fieldOf(json, 'startTimeUnixNano'));
  const endUs = microseconds(fieldOf(json, 'endTimeUnixNano'));
  return {
    traceId: text(fieldOf(json, 'traceId')),
    spanId: text(fieldOf(json, 'spanId')),
    parentSpanId: text(fieldOf(json, 'parentSpanId')),
    name,
    startUs,
    endUs: Math.max(startUs, endUs),
    failed: [2, 'STATUS_CODE_ERROR'].some((code) => fieldOf(fieldOf(json, 'status'), 'code') === code),
    attributes: isOurs && name !== 'turn' ? NO_ATTRIBUTES : () => attributesOf(json),
  };
}

/** Nanoseconds as OTLP JSON has them: decimal text, or a number that has lost some of its digits. */
function microseconds(nanoseconds: unknown): number {
  if (typeof nanoseconds === 'string' && /^\d+$/.test(nanoseconds)) return Number(nanoseconds.slice(0, -3));
  return typeof nanoseconds === 'number' && nanoseconds >= 0 ? Math.floor(nanoseconds / 1000) : 0;
}

function attributesOf(span: unknown): Attrs {
  const attributes: Record<string, AttrValue> = {};
  for (const each of listIn(span, 'attributes')) {
    const value = valueOf(fieldOf(each, 'value'));
    if (value !== undefined) attributes[text(fieldOf(each, 'key'))] = value;
  }
  return attributes;
}

/** OTLP JSON has 64-bit integers as numbers or as strings. */
function valueOf(any: unknown): AttrValue | undefined {
  const [string, integer, double, bool] = ['stringValue', 'intValue', 'doubleValue', 'boolValue'].map((name) =>
    fieldOf(any, name),
  );
  if (typeof string === 'string') return string;
  if (integer !== undefined) return Number(integer);
  if (typeof double === 'number') return double;
  if (typeof bool === 'boolean') return bool;
  const items = listIn(fieldOf(any, 'arrayValue'), 'values').map(valueOf);
  return items.length > 0 && items.every((item) => typeof item === 'number') ? items.map(Number) : items.map(String);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
