/** What leaves the service is what OpenTelemetry says it is: keys of its conventions or of our registry, and decodable OTLP. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { ATTRIBUTES, EVENTS, RESOURCE_ATTRIBUTES, SCHEMA_URL, SPANS, type AttributeSpec } from './names.ts';
import { otlpLineOf } from './otel.ts';
import { failedTurn, wholeTurn } from '../../testing/sample-turn.ts';

const CONVENTIONS: ReadonlySet<unknown> = new Set(Object.values(conventions));
const REGISTRY: ReadonlyMap<string, AttributeSpec> = new Map(Object.values(ATTRIBUTES).map((spec) => [spec.key, spec]));

type Value = Record<string, unknown>;
interface Attribute {
  key: string;
  value: Value;
}
interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: Attribute[];
  links?: { traceId: string; spanId: string; attributes?: Attribute[] }[];
  events?: { name: string; attributes?: Attribute[] }[];
}
interface Trace {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { schemaUrl?: string; scope: { attributes?: Attribute[] }; spans: Span[] }[];
  }[];
}

const TRACES = [wholeTurn({ linkedTraceId: 'a'.repeat(32) }), failedTurn()].map(
  ({ log, measured }) => JSON.parse(otlpLineOf(log, measured)) as Trace,
);
const SPANS_SENT = TRACES.flatMap(spansOf);

function spansOf(trace: Trace): Span[] {
  return trace.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** A number that is whole travels as an integer, also where the registry says double. */
const TYPES: Readonly<Record<AttributeSpec['type'], readonly string[]>> = {
  string: ['stringValue'],
  int: ['intValue'],
  double: ['doubleValue', 'intValue'],
  boolean: ['boolValue'],
  'string[]': ['arrayValue'],
};

/** What is wrong with an attribute, if anything. */
function complaint({ key, value }: Attribute): string | undefined {
  const spec = REGISTRY.get(key);
  if (spec === undefined) return `${key} is not in the registry`;
  if (spec.source === 'semconv' && !CONVENTIONS.has(key)) return `${key} is not in the semantic conventions`;
  if (spec.source === 'retake' && CONVENTIONS.has(key)) return `${key} is a convention of its own`;
  const [type = ''] = Object.keys(value);
  if (!TYPES[spec.type].includes(type)) return `${key} is a ${type}, the registry says ${spec.type}`;
  return undefined;
}

test('every key is a semantic convention or ours, with the type that the registry gives', () => {
  assert.deepEqual(
    SPANS_SENT.flatMap(({ attributes }) => attributes.flatMap((each) => complaint(each) ?? [])),
    [],
  );
  for (const key of Object.values(RESOURCE_ATTRIBUTES)) assert.ok(CONVENTIONS.has(key), key);
  assert.ok(new Set(SPANS_SENT.flatMap(({ attributes }) => attributes.map(({ key }) => key))).size > 60);
});

test('every registered key is one of the two, and what has a unit says so, last', () => {
  for (const { key, source, unit } of REGISTRY.values()) {
    assert.equal(CONVENTIONS.has(key), source === 'semconv', key);
    if (source === 'semconv') continue;
    const suffix = { us: '_us', ms: '_ms', s: '_s', By: '_bytes', usd: '_usd', dbfs: '_dbfs', '': '' }[unit];
    assert.ok(key.endsWith(suffix), `${key} has unit ${unit}`);
  }
});

test('control: an unknown key, a wrong type and a borrowed name are seen', () => {
  assert.match(complaint({ key: 'transcript', value: { stringValue: 'x' } }) ?? '', /not in the registry/);
  assert.match(complaint({ key: ATTRIBUTES.e2eUs.key, value: { stringValue: '1' } }) ?? '', /is a stringValue/);
  assert.equal(complaint({ key: ATTRIBUTES.e2eUs.key, value: { intValue: '1' } }), undefined);
});

test('scope and resource: schema URL of the conventions, one service, events of the registry, no attributes on links', () => {
  for (const { resourceSpans } of TRACES) {
    assert.equal(resourceSpans.length, 1);
    for (const { resource, scopeSpans } of resourceSpans) {
      assert.deepEqual(resource.attributes.map(({ key }) => key).sort(), ['service.name', 'service.version']);
      assert.deepEqual(
        scopeSpans.map(({ schemaUrl, scope }) => [schemaUrl, scope.attributes ?? []]),
        [[SCHEMA_URL, []]],
      );
    }
  }
  assert.match(SCHEMA_URL, /^https:\/\/opentelemetry\.io\/schemas\/1\.41\.0$/);
  for (const { name, links = [], events = [] } of SPANS_SENT) {
    assert.ok(name in SPANS, name);
    assert.deepEqual(
      links.flatMap(({ attributes = [] }) => attributes),
      [],
    );
    for (const event of events) {
      assert.ok(
        EVENTS.some((known) => known === event.name),
        event.name,
      );
      assert.deepEqual(
        (event.attributes ?? []).flatMap((each) => complaint(each) ?? []),
        [],
      );
    }
  }
  assert.ok(SPANS_SENT.some(({ events = [] }) => events.length > 0));
  assert.ok(SPANS_SENT.some(({ links = [] }) => links.length > 0));
});

/** The part of a protobufjs message class that is used here. */
interface MessageType {
  fromObject(object: object): object;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: object): unknown;
}

/** OpenTelemetry's own message classes, generated from its .proto files. */
function officialRequest(): MessageType {
  const require = createRequire(import.meta.url);
  const root = require('../../node_modules/@opentelemetry/otlp-proto-exporter-base/build/src/generated/root.js') as {
    opentelemetry: { proto: { collector: { trace: { v1: { ExportTraceServiceRequest: MessageType } } } } };
  };
  return root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
}

/** OTLP's JSON has ids in hexadecimal where protobuf's has base64, and lets 64-bit integers be text. */
function asProtobufJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asProtobufJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]: [string, unknown]) =>
      /^(traceId|spanId|parentSpanId)$/.test(key) && typeof each === 'string'
        ? [key, Buffer.from(each, 'hex').toString('base64')]
        : [key, asProtobufJson(each)],
    ),
  );
}

/** Fields that say what is the default are the same as no field. */
function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== 'object' || value === null) return typeof value === 'number' ? String(value) : value;
  const isValue = Object.keys(value).some((key) => key.endsWith('Value'));
  return Object.fromEntries(
    Object.entries(value)
      // the flags field is younger than the published message classes
      .filter(([key, each]) => isValue || (key !== 'flags' && !['', '0', 0].includes(each as string) && !isEmpty(each)))
      .map(([key, each]) => [key, withoutDefaults(each)]),
  );
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

test('OTLP decodes with the official message classes, through protobuf and back, and nothing is lost', () => {
  const Request = officialRequest();
  for (const trace of TRACES) {
    const sent = asProtobufJson(trace) as object;
    const bytes = Request.encode(Request.fromObject(sent)).finish();
    const back = Request.toObject(Request.decode(bytes), { longs: String, bytes: String });
    assert.deepEqual(withoutDefaults(back), withoutDefaults(sent));
    assert.ok(bytes.length > 2000);
  }
  const [trace] = TRACES;
  const renamed = JSON.parse(
    JSON.stringify(asProtobufJson(trace)).replaceAll('"startTimeUnixNano"', '"startTime"'),
  ) as object;
  const lost = Request.toObject(Request.fromObject(renamed), { longs: String, bytes: String });
  assert.notDeepEqual(withoutDefaults(lost), withoutDefaults(renamed), 'control: a field with another name is lost');
});
