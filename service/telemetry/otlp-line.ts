/**
 * Spans as one OTLP JSON line, without the SDK. The bytes are the SDK's (`otel.test.ts` compares them), in a sixth of its time.
 * Most of a line repeats on every span of the turn: this part is written once a turn.
 */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  RESOURCE_ATTRIBUTES,
  SCHEMA_URL,
  SCOPE_NAME,
  SERVICE_NAME,
  SERVICE_VERSION,
  type SpanAttributes,
  type SpanKindName,
} from './names.ts';
import type { SpanEvent, SpanLink } from './draft.ts';
import type { SpanRecord } from './spans.ts';

type Value = SpanAttributes[string];

/** OTLP's numbers: the API's, one higher, since 0 is "unspecified". */
const KINDS = {
  internal: SpanKind.INTERNAL + 1,
  server: SpanKind.SERVER + 1,
  client: SpanKind.CLIENT + 1,
} satisfies Record<SpanKindName, number>;

/** Sampled, and known not to come from another process (W3C trace flags in the low byte, then OTLP's own bits). */
const FLAGS = 0x101;

const RESOURCE = [
  keyValue(RESOURCE_ATTRIBUTES.serviceName, SERVICE_NAME),
  keyValue(RESOURCE_ATTRIBUTES.serviceVersion, SERVICE_VERSION),
].join();
const SCOPE = `{"name":${quoted(SCOPE_NAME)},"version":${quoted(SERVICE_VERSION)}}`;
const BEFORE = `{"resourceSpans":[{"resource":{"attributes":[${RESOURCE}],"droppedAttributesCount":0},"scopeSpans":[{"scope":${SCOPE},"spans":[`;
const AFTER = `],"schemaUrl":${quoted(SCHEMA_URL)}}]}]}\n`;

/** The line of a turn's spans, newline included. */
export function otlpLine(records: readonly SpanRecord[]): string {
  const written = new Map<string, { value: Value; text: string }>();
  const attribute = (key: string, value: Value): string => {
    const known = written.get(key);
    if (known?.value === value) return known.text;
    const text = keyValue(key, value);
    written.set(key, { value, text });
    return text;
  };
  const identities = new Map<SpanAttributes, string>();
  const identityOf = ({ identity }: SpanRecord): string => {
    const text = identities.get(identity) ?? attributesOf(identity, attribute).join();
    identities.set(identity, text);
    return text;
  };
  // joined: a sum of strings would keep all of its parts in memory
  return [BEFORE, records.map((record) => spanOf(record, identityOf(record), attribute)).join(), AFTER].join('');
}

type Written = (key: string, value: Value) => string;

function attributesOf(attributes: SpanAttributes, attribute: Written): string[] {
  const texts: string[] = [];
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) texts.push(attribute(key, value));
  }
  return texts;
}

function spanOf(record: SpanRecord, identity: string, attribute: Written): string {
  const { traceId, spanId, parentSpanId, attributes, links, events, status } = record;
  const happened = events.map((event) => eventOf(event, attribute)).join();
  const own = attributesOf(attributes, attribute);
  if (identity !== '') own.unshift(identity);
  const parent = parentSpanId === undefined ? '' : `"parentSpanId":"${parentSpanId}",`;
  const outcome =
    status.code === 'error'
      ? `{"code":${SpanStatusCode.ERROR},"message":${quoted(status.message)}}`
      : `{"code":${SpanStatusCode.UNSET}}`;
  return (
    `{"traceId":"${traceId}","spanId":"${spanId}",${parent}"name":"${record.name}","kind":${KINDS[record.kind]},` +
    `"startTimeUnixNano":"${nanoseconds(record.startUs)}","endTimeUnixNano":"${nanoseconds(record.endUs)}",` +
    `"attributes":[${own.join()}],"droppedAttributesCount":0,"events":[${happened}],"droppedEventsCount":0,` +
    `"status":${outcome},"links":[${links.map(linkOf).join()}],"droppedLinksCount":0,"flags":${FLAGS}}`
  );
}

function eventOf({ name, atUs, attributes }: SpanEvent, attribute: Written): string {
  const own = attributesOf(attributes, attribute).join();
  return `{"attributes":[${own}],"name":${quoted(name)},"timeUnixNano":"${nanoseconds(atUs)}","droppedAttributesCount":0}`;
}

function linkOf({ traceId, spanId }: SpanLink): string {
  return `{"attributes":[],"spanId":"${spanId}","traceId":"${traceId}","droppedAttributesCount":0,"flags":${FLAGS}}`;
}

function keyValue(key: string, value: Value): string {
  return `{"key":${quoted(key)},"value":${anyValue(value)}}`;
}

function anyValue(value: Value): string {
  if (typeof value === 'string') return `{"stringValue":${quoted(value)}}`;
  if (typeof value === 'boolean') return `{"boolValue":${value}}`;
  if (typeof value === 'number') return `{"${Number.isInteger(value) ? 'intValue' : 'doubleValue'}":${value}}`;
  return `{"arrayValue":{"values":[${value.map((each) => anyValue(each)).join()}]}}`;
}

/** Integer µs as decimal ns: 19 digits, more than a number holds exactly. */
function nanoseconds(epochUs: number): string {
  return epochUs === 0 ? '0' : `${epochUs}000`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
