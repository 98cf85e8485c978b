/** Spans as integration tests compare them: the same span is the same text, from a spool or from Jaeger. */
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { jaegerTraces, type JaegerSource } from '../../replay/traces/jaeger.ts';
import { foldersIn } from '../../service/base/data-folder.ts';
import { linesOf } from '../../service/base/file-lines.ts';
import { spoolsBeside } from '../../service/spool/claim.ts';
import { segmentsIn } from '../../service/spool/files.ts';

export interface StoredSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** Nanoseconds as text. */
  start: string;
  end: string;
  kind: number;
  status: { code: number; message: string };
  /** Attributes of the resource, `service.name` among them. */
  resource: Record<string, string>;
  /** Each as `type:value`. */
  attributes: Record<string, string>;
  links: string[];
}

type Json = Record<string, unknown>;

/** All spans of one OTLP JSON document, in order. */
export function storedSpans(document: unknown): StoredSpan[] {
  const spans: StoredSpan[] = [];
  for (const resource of list(document, 'resourceSpans')) {
    for (const scope of list(resource, 'scopeSpans')) {
      for (const span of list(scope, 'spans')) spans.push(storedSpan(span, attributesOf(object(resource['resource']))));
    }
  }
  return spans;
}

function storedSpan(span: Json, resource: Record<string, string>): StoredSpan {
  const text = (name: string): string => (typeof span[name] === 'string' ? span[name] : '');
  const status = object(span['status']);
  return {
    traceId: text('traceId'),
    spanId: text('spanId'),
    parentSpanId: text('parentSpanId'),
    name: text('name'),
    start: String(span['startTimeUnixNano']),
    end: String(span['endTimeUnixNano']),
    kind: Number(span['kind'] ?? 0),
    status: { code: Number(status['code'] ?? 0), message: String(status['message'] ?? '') },
    resource,
    attributes: attributesOf(span),
    links: list(span, 'links').map((link) => `${String(link['traceId'])}/${String(link['spanId'])}`),
  };
}

function attributesOf(holder: Json): Record<string, string> {
  const pairs = list(holder, 'attributes').map(({ key, value }): [string, string] => [
    String(key),
    valueOf(object(value)),
  ]);
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** OTLP JSON writes 64-bit integers as text or as numbers. The result shows the type, except of lists (docs/operating.md). */
function valueOf(value: Json): string {
  if ('arrayValue' in value) {
    const items = list(value['arrayValue'], 'values').map((item) => Object.values(item)[0]);
    // Jaeger's badger keeps Jaeger's own model, which has no lists: they come back as their JSON
    return `string:${JSON.stringify(items)}`;
  }
  const [[type = '', content] = []] = Object.entries(value);
  return `${type.replace('Value', '')}:${String(content)}`;
}

/** Every span that the service has spooled and still holds, by `traceId/spanId`. */
export function spooledSpans(dataFolder: string): Map<string, StoredSpan> {
  const spans = new Map<string, StoredSpan>();
  for (const { path } of spoolsBeside(foldersIn(dataFolder).spool).flatMap(segmentsIn)) {
    for (const { bytes, torn } of linesOf(readFileSync(path))) {
      if (torn) continue;
      for (const span of storedSpans(JSON.parse(bytes.toString()))) spans.set(spanKey(span), span);
    }
  }
  return spans;
}

/** Every span that Jaeger gives back through /api/v3 for the last hour. */
export async function jaegerSpans(url: string, query: Partial<JaegerSource> = {}): Promise<Map<string, StoredSpan>> {
  const nowUs = Date.now() * 1000;
  const source = { text: url, url, service: 'retake', operation: 'turn', tags: [] };
  const window = { fromUs: nowUs - 3_600e6, toUs: nowUs + 60e6 };
  const spans = new Map<string, StoredSpan>();
  for await (const { json } of jaegerTraces({ ...source, ...window, ...query }, new AbortController().signal)) {
    for (const span of storedSpans(json)) spans.set(spanKey(span), span);
  }
  return spans;
}

const WARNINGS = '@jaeger@warnings';

/**
 * Jaeger lengthens a span of no duration to 1 ns and adds a warning. That is the only change that the comparison allows.
 */
export function asJaegerKeeps(span: StoredSpan, kept: StoredSpan | undefined): StoredSpan {
  const warning = kept?.attributes[WARNINGS];
  if (span.start !== span.end || warning === undefined || !warning.includes('sanitizing end timestamp')) return span;
  const attributes = Object.entries({ ...span.attributes, [WARNINGS]: warning }).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...span, end: String(BigInt(span.end) + 1n), attributes: Object.fromEntries(attributes) };
}

/** How often each span arrived at the Collector, by its file export before sampling, rotated files included. */
export async function exportedSpans(path: string): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  const folder = dirname(path);
  if (!existsSync(folder)) return seen;
  for (const name of readdirSync(folder)) {
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      if (line === '') continue;
      for (const span of storedSpans(JSON.parse(line))) seen.set(spanKey(span), (seen.get(spanKey(span)) ?? 0) + 1);
    }
  }
  return seen;
}

export function spanKey({ traceId, spanId }: StoredSpan): string {
  return `${traceId}/${spanId}`;
}

export function traceIdsOf(keys: Iterable<string>): Set<string> {
  return new Set([...keys].map((key) => key.slice(0, 32)));
}

/** Paths of span names from the root. Jaeger's compare merges spans by them. */
export function pathsOf(spans: readonly StoredSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (span: StoredSpan): string => {
    const parent = byId.get(span.parentSpanId);
    const own = `${span.resource['service.name'] ?? ''}:${span.name}`;
    return parent === undefined ? own : `${path(parent)} > ${own}`;
  };
  return [...new Set(spans.map(path))].sort();
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function list(holder: unknown, name: string): Json[] {
  const value = object(holder)[name];
  return Array.isArray(value) ? value.map(object) : [];
}
