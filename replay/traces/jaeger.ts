/**
 * Traces out of a Jaeger, by `/api/v3`. Version 2.13 has neither a cursor nor a filter by attribute there. So a time window is
 * read as one page and halved when the page is full, and attributes are compared here.
 */
import { fieldOf, isTooMuchJson, listIn, parsedJson, textIn, TOO_MUCH_JSON } from '../../service/base/json.ts';
import { InputError, describeError } from '../../service/base/errors.ts';
import { SERVICE_NAME } from '../../service/telemetry/names.ts';
import { sinceUsOf } from './times.ts';

/** What `jaeger:URL?service=…&from=…&to=…&operation=…&tag=key=value` names. */
export interface JaegerSource {
  /** As the user wrote it but for a password, for messages. */
  text: string;
  /** Base URL of Jaeger's query service. */
  url: string;
  /** From `user:password@` in the address. Sent with each request, never shown. */
  authorization?: string;
  service: string;
  /** Only traces with a span of that name. By default `turn` for Retake's own service. */
  operation?: string;
  fromUs: number;
  toUs: number;
  /** Each must stand on a span of the trace or on a resource; two tags may stand on different spans. */
  tags: readonly { key: string; value: string }[];
}

/** One trace as OTLP JSON: `{ resourceSpans }`. */
export interface JaegerTrace {
  traceId: string;
  json: { resourceSpans: readonly unknown[] };
  where: string;
}

const PREFIX = 'jaeger:';
const PARAMETERS: ReadonlySet<string> = new Set(['service', 'operation', 'from', 'to', 'tag']);
const DEFAULT_FROM = '1h';
/** Traces asked for at once: some megabytes of JSON. */
const PAGE_TRACES = 200;
/** Of one answer. */
const ANSWER_LIMIT_MB = 256;

export function isJaegerSource(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** The source without the `user:password@` of its address; any other text as it is. */
export function withoutPassword(text: string): string {
  return isJaegerSource(text) ? text.replace(/^([^/?#]*\/\/)[^?#]*@/, '$1***@') : text;
}

/** Reads a source as users write it. Throws `InputError` that says what is wrong and how it is written. */
export function jaegerSourceOf(written: string, nowUs: number): JaegerSource {
  const text = withoutPassword(written);
  const usage = `write ${PREFIX}http://127.0.0.1:16686?service=${SERVICE_NAME}&from=2h&to=now&tag=key=value`;
  const url = isJaegerSource(written) ? URL.parse(written.slice(PREFIX.length)) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new InputError(`${text}: not the address of a Jaeger; ${usage}`);
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name)) throw new InputError(`${text}: there is no parameter ${name}; ${usage}`);
  }
  const service = url.searchParams.get('service') ?? SERVICE_NAME;
  const operation = url.searchParams.get('operation') ?? (service === SERVICE_NAME ? 'turn' : undefined);
  const fromUs = sinceUsOf(url.searchParams.get('from') ?? DEFAULT_FROM, nowUs, `${text}: from`);
  const toUs = sinceUsOf(url.searchParams.get('to') ?? 'now', nowUs, `${text}: to`);
  if (toUs < fromUs) throw new InputError(`${text}: from is later than to; swap them`);
  const tags = url.searchParams.getAll('tag').map((tag) => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(tag) ?? [];
    if (key === undefined || value === undefined) throw new InputError(`${text}: tag=${tag} has no value; ${usage}`);
    return { key, value };
  });
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  return { text, url: base, authorization: basicOf(url), service, operation, fromUs, toUs, tags };
}

/** RFC 7617. Undefined without a user. Throws `InputError` for a `%` that starts no escape. */
function basicOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  } catch {
    throw new InputError('the user or password of the Jaeger cannot be decoded; write % in it as %25');
  }
}

/** The traces of the source, each once, oldest window first. Throws `InputError` when Jaeger fails or does not answer. */
export async function* jaegerTraces(source: JaegerSource, signal: AbortSignal): AsyncGenerator<JaegerTrace> {
  const seen = new Set<string>();
  const pages = pagesOf({ fromUs: source.fromUs, toUs: source.toUs }, PAGE_TRACES, (window) =>
    readPage(source, window, signal),
  );
  for await (const page of pages) {
    for (const [traceId, resourceSpans] of page) {
      // a trace whose spans start in two windows comes whole with each window
      if (seen.has(traceId)) continue;
      seen.add(traceId);
      if (source.tags.every((tag) => resourceSpans.some((resource) => carries(resource, tag)))) {
        yield { traceId, json: { resourceSpans }, where: `${source.text} trace ${traceId}` };
      }
    }
  }
}

/** Epoch µs, both ends included. */
export interface TimeWindow {
  fromUs: number;
  toUs: number;
}

/**
 * Pages of a store that returns at most `limit` entries of a time window and does not tell how many there are. The window of a
 * full page is read again as two halves. Throws `InputError` when one microsecond holds a full page.
 */
export async function* pagesOf<Page extends { size: number }>(
  window: TimeWindow,
  limit: number,
  read: (window: TimeWindow) => Promise<Page>,
): AsyncGenerator<Page> {
  const open: TimeWindow[] = [window];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const page = await read(next);
    if (page.size < limit) {
      yield page;
      continue;
    }
    const { fromUs, toUs } = next;
    if (fromUs === toUs)
      throw new InputError(
        `${limit} traces or more begin in the microsecond ${fromUs}: Jaeger cannot list them; narrow the search with tag=key=value`,
      );
    const middleUs = Math.floor((fromUs + toUs) / 2);
    open.push({ fromUs: middleUs + 1, toUs }, { fromUs, toUs: middleUs });
  }
}

/** Trace id → its `resourceSpans`. */
async function readPage(
  source: JaegerSource,
  { fromUs, toUs }: TimeWindow,
  signal: AbortSignal,
): Promise<Map<string, unknown[]>> {
  const query = new URLSearchParams({
    'query.service_name': source.service,
    'query.start_time_min': isoOf(fromUs),
    'query.start_time_max': isoOf(toUs),
    'query.num_traces': String(PAGE_TRACES),
    'query.raw_traces': 'true',
  });
  if (source.operation !== undefined) query.set('query.operation_name', source.operation);
  const answer = await askJaeger(source, `/api/v3/traces?${query}`, signal);
  const traces = new Map<string, unknown[]>();
  for (const resource of listIn(fieldOf(answer, 'result'), 'resourceSpans')) {
    for (const [traceId, own] of byTrace(resource)) {
      const known = traces.get(traceId);
      if (known === undefined) traces.set(traceId, [own]);
      else known.push(own);
    }
  }
  return traces;
}

/** Splits a resource that holds several traces. Jaeger itself puts the spans of one trace below one resource. */
function byTrace(resource: unknown): Map<string, unknown> {
  /** Trace id → scope → its spans. */
  const traces = new Map<string, Map<unknown, unknown[]>>();
  for (const scope of listIn(resource, 'scopeSpans')) {
    for (const span of listIn(scope, 'spans')) {
      const traceId = textIn(span, 'traceId') ?? '';
      let scopes = traces.get(traceId);
      if (scopes === undefined) traces.set(traceId, (scopes = new Map<unknown, unknown[]>()));
      const spans = scopes.get(scope);
      if (spans === undefined) scopes.set(scope, [span]);
      else spans.push(span);
    }
  }
  const only = (scopes: ReadonlyMap<unknown, unknown[]>): unknown => ({
    ...Object(resource),
    scopeSpans: [...scopes].map(([scope, spans]) => ({ ...Object(scope), spans })),
  });
  return new Map([...traces].map(([traceId, scopes]) => [traceId, traces.size === 1 ? resource : only(scopes)]));
}

async function askJaeger(source: JaegerSource, path: string, signal: AbortSignal): Promise<unknown> {
  const { authorization } = source;
  const headers: Readonly<Record<string, string>> = authorization === undefined ? {} : { authorization };
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${source.url}${path}`, { headers, signal });
    text = await limitedText(response, source.url);
  } catch (error) {
    if (signal.aborted || error instanceof InputError) throw error;
    throw new InputError(`${source.url}: no Jaeger answers; start it, or correct the address`, { cause: error });
  }
  const answer = parsedJson(text);
  if (answer === undefined && isTooMuchJson(text)) throw new InputError(`${source.url}: ${TOO_MUCH_JSON}`);
  // this body is Jaeger's "No traces found"; another server's 404 has another body
  if (response.status === 404 && fieldOf(fieldOf(answer, 'error'), 'httpCode') === 404) return {};
  if (response.ok || response.status === 404) {
    if (fieldOf(answer, 'result') !== undefined) return answer;
    throw new InputError(`${source.url}: the server is not Jaeger's query service; give the address of its UI`);
  }
  throw new InputError(
    `${source.url} answered ${response.status}: ${describeError(text.trim(), 300)}; see Jaeger's log`,
  );
}

async function limitedText(response: Response, url: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > ANSWER_LIMIT_MB * 1024 * 1024)
      throw new InputError(
        `${url}: an answer is larger than ${ANSWER_LIMIT_MB} MB; give a shorter time by from and to`,
      );
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function carries(resource: unknown, tag: { key: string; value: string }): boolean {
  const has = (object: unknown): boolean =>
    listIn(object, 'attributes').some((attribute) => {
      if (fieldOf(attribute, 'key') !== tag.key) return false;
      const value = fieldOf(attribute, 'value');
      const [first] = typeof value === 'object' && value !== null ? Object.values(value) : [];
      return typeof first !== 'object' && String(first) === tag.value;
    });
  return (
    has(fieldOf(resource, 'resource')) ||
    listIn(resource, 'scopeSpans').some((scope) => listIn(scope, 'spans').some(has))
  );
}

/** RFC 3339 with microseconds. */
function isoOf(epochUs: number): string {
  const seconds = new Date(Math.floor(epochUs / 1e6) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(epochUs % 1e6).padStart(6, '0')}Z`;
}
