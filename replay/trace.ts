/** Turns to compare, from wherever they are: a run folder, a capture bundle, a data folder, an OTLP JSON lines file. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readBundle } from '../service/capture/bundle-reader.ts';
import { filesIn } from '../service/capture/store.ts';
import { InputError } from '../service/errors.ts';
import { measureTurn, type TurnSummary } from '../service/metrics.ts';
import type { Attrs, AttrValue } from '../service/ports.ts';
import { summaryOf } from '../service/telemetry/turn-attributes.ts';

/** Reads turns; throws `InputError` that says what the input is not. */
export async function loadTurns(path: string): Promise<TurnSummary[]> {
  if (!existsSync(path)) throw new InputError(`${path}: there is no such file or folder`);
  if (statSync(path).isFile()) return turnsOfOtlp(path);
  const names = await readdir(path);
  if (names.includes('session.json')) {
    const { turns } = await readBundle(filesIn(path));
    return turns.map((log) => measureTurn(log).summary);
  }
  if (names.includes('trace.otlp.jsonl')) return turnsOfOtlp(join(path, 'trace.otlp.jsonl'));
  throw new InputError(`${path}: neither a run folder (trace.otlp.jsonl) nor a capture bundle (session.json)`);
}

async function turnsOfOtlp(path: string): Promise<TurnSummary[]> {
  const turns: TurnSummary[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number++;
    if (line.trim() === '') continue;
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      throw new InputError(`${path}:${number}: not a line of OTLP JSON`);
    }
    for (const span of spansIn(json)) if (span.name === 'turn') turns.push(summaryOf(span));
  }
  if (turns.length === 0) throw new InputError(`${path}: holds no turn span of Retake`);
  return turns;
}

function* spansIn(json: unknown): Generator<{ name: string; traceId: string; attributes: Attrs }> {
  for (const resource of list(json, 'resourceSpans')) {
    for (const scope of list(resource, 'scopeSpans')) {
      for (const span of list(scope, 'spans')) {
        yield {
          name: String(field(span, 'name')),
          traceId: String(field(span, 'traceId')),
          attributes: attributesOf(span),
        };
      }
    }
  }
}

function attributesOf(span: unknown): Attrs {
  const attributes: Record<string, AttrValue> = {};
  for (const each of list(span, 'attributes')) {
    const value = valueOf(field(each, 'value'));
    if (value !== undefined) attributes[String(field(each, 'key'))] = value;
  }
  return attributes;
}

/** OTLP JSON has 64-bit integers as numbers or as strings. */
function valueOf(any: unknown): AttrValue | undefined {
  const [text, integer, double, bool] = ['stringValue', 'intValue', 'doubleValue', 'boolValue'].map((name) =>
    field(any, name),
  );
  if (typeof text === 'string') return text;
  if (integer !== undefined) return Number(integer);
  if (typeof double === 'number') return double;
  if (typeof bool === 'boolean') return bool;
  const items = list(field(any, 'arrayValue'), 'values').map(valueOf);
  return items.length > 0 && items.every((item) => typeof item === 'number') ? items.map(Number) : items.map(String);
}

function field(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}

function list(object: unknown, name: string): unknown[] {
  const value = field(object, name);
  return Array.isArray(value) ? value : [];
}
