/** One HTTP exchange's events as a span with its phases below it. Pure; times on the turn's clock. */
import { highest } from '../base/quantile.ts';
import { phaseOf } from '../turn-log/ledger.ts';
import { CALL_STAGES, booleanOf, numberOf, numbersOf, stringOf } from '../base/events.ts';
import type { CallStage, EventKind, HttpPhase, TurnEvent } from '../base/events.ts';
import type { ExchangeStep } from '../base/ports.ts';
import { callEndsOf, exchangeEndOf, type ExchangeEnd } from './call-ends.ts';
import type { SpanStatus } from './draft.ts';
import { ATTRIBUTES as A, put, type SpanAttributes, type SpanName } from './names.ts';

export interface HttpPart {
  name: SpanName;
  startUs: number;
  endUs: number;
  attributes: SpanAttributes;
  status: SpanStatus;
}

/** One exchange, or several polls that share one span. */
export interface HttpExchange extends HttpPart {
  /** `<stage>.<ordinal>`: the provider call that it belongs to. */
  call: string;
  /** `<stage>.<ordinal>.<attempt>.<fetch>`. */
  id: string;
  attempt: number;
  fetchIndex: number;
  /** The exchange or the turn that paid for the connection, and the exchange that this one repeats. */
  linked: readonly { exchange?: string; traceId?: string }[];
  /** What the fetch is for, in a call that makes several. */
  step?: SpanName;
  phases: readonly HttpPart[];
}

/** Whom a stage asks, whatever its host is. */
export const PROVIDER_OF = { stt: 'fal', llm: 'openrouter', tts: 'fal' } as const satisfies Record<CallStage, string>;

/** Fetches for one step of an attempt that have a span each; the later ones share a span with a count. */
const OWN_SPANS = 5;

const BOUNDARIES: readonly EventKind[] = [
  'http.start',
  'http.queued',
  'http.dns',
  'http.connected',
  'http.tls',
  'http.ready',
  'http.sent',
  'http.headers',
  'http.done',
  'http.failed',
];

/** The span of each phase of an exchange. */
export const SPAN_OF_PHASE = {
  queue: 'http.queue',
  dns: 'dns',
  connect: 'tcp.connect',
  tls: 'tls',
  send: 'http.send',
  wait: 'http.wait',
  body: 'http.body',
} as const satisfies Readonly<Record<HttpPhase, SpanName>>;
/** By what the ledger calls a wait; other waits have no span of their own. */
const SPAN_OF_WAIT: Readonly<Partial<Record<ReturnType<typeof phaseOf>, SpanName>>> = SPAN_OF_PHASE;

/** All exchanges of a turn, in order of their start events. `ends` says how each call ended. */
export function exchangesOf(events: readonly TurnEvent[], ends = callEndsOf(events)): HttpExchange[] {
  const byId = new Map<string, TurnEvent[]>();
  for (const event of events) {
    if (event.exchange === undefined || !event.kind.startsWith('http.')) continue;
    const own = byId.get(event.exchange);
    if (own === undefined) byId.set(event.exchange, [event]);
    else own.push(event);
  }
  const exchanges: HttpExchange[] = [];
  // in order of their start events, so that the last of a call stays
  const last = new Map([...byId.keys()].map((id) => [callOf(id), id]));
  for (const [id, own] of byId) {
    const exchange = exchangeOf(id, own, exchangeEndOf(own, ends.get(callOf(id)), last.get(callOf(id)) === id));
    if (exchange !== undefined) exchanges.push(exchange);
  }
  return sharePolls(exchanges);
}

function callOf(exchange: string): string {
  return exchange.split('.').slice(0, 2).join('.');
}

function exchangeOf(id: string, events: readonly TurnEvent[], end: ExchangeEnd): HttpExchange | undefined {
  const [stage = '', , attempt = '0', fetch = '0'] = id.split('.');
  const at = (kind: EventKind): TurnEvent | undefined => events.find((event) => event.kind === kind);
  const start = at('http.start');
  if (start === undefined) return undefined;
  const done = at('http.done');
  const failed = at('http.failed');
  const headers = at('http.headers');
  const sent = at('http.sent');
  const queued = at('http.queued');

  const step = STEPS.find((each) => each === stringOf(start, 'step'));
  const method = stringOf(start, 'method') ?? '_OTHER';
  const attributes: SpanAttributes = {};
  put(attributes, A.httpMethod, method);
  putUrl(attributes, stringOf(queued, 'url') ?? stringOf(start, 'url'));
  put(attributes, A.httpRegion, stringOf(queued, 'region'));
  put(attributes, A.httpAttempt, Number(attempt));
  put(attributes, A.httpFetch, Number(fetch));
  put(attributes, A.httpStep, step);
  put(attributes, A.httpReused, booleanOf(queued, 'reused'));
  put(attributes, A.httpPaidBy, stringOf(queued, 'paidBy'));
  put(attributes, A.protocolVersion, stringOf(queued, 'protocol'));
  put(attributes, A.peerAddress, stringOf(queued, 'peerAddress'));
  put(attributes, A.requestBytes, numberOf(sent, 'requestBytes'));
  put(attributes, A.httpSentKnown, booleanOf(sent, 'known'));
  put(attributes, A.httpStatus, numberOf(headers, 'status'));
  put(attributes, A.httpRequestId, stringOf(headers, 'requestId'));
  put(attributes, A.responseBytes, numberOf(done, 'responseBytes'));
  put(attributes, A.httpChunks, numbersOf(done, 'chunkUs')?.length);
  put(attributes, A.httpComplete, booleanOf(done, 'complete') ?? done !== undefined);
  put(attributes, A.httpDrained, booleanOf(done, 'drained'));
  put(attributes, A.httpBasis, stringOf(done, 'basis'));
  put(attributes, A.httpSetUpBasis, stringOf(queued, 'setUpBasis'));
  const own = CALL_STAGES.find((each) => each === stage);
  put(attributes, A.stage, own);
  put(attributes, A.peerService, own && PROVIDER_OF[own]);
  put(attributes, A.errorType, end.errorType);
  put(attributes, A.cancelled, end.cancelled);

  return {
    name: nameOf(method),
    id,
    call: callOf(id),
    linked: linksOf(start, queued),
    attempt: Number(attempt),
    fetchIndex: Number(fetch),
    startUs: start.atUs,
    // an exchange that was given up has no end: its span ends at its last event
    endUs: (done ?? failed)?.atUs ?? highest(events.map((event) => event.atUs)),
    attributes,
    status: end.status,
    step,
    phases: phasesOf(events, attributes, end),
  };
}

function linksOf(start: TurnEvent, queued: TurnEvent | undefined): HttpExchange['linked'] {
  const paidBy = stringOf(queued, 'paidBy');
  const traceId = stringOf(queued, 'paidTraceId');
  const repeats = stringOf(start, 'repeats');
  const payer = paidBy === undefined || paidBy === 'own' || paidBy === 'ahead' ? [] : [{ exchange: paidBy }];
  return [
    ...(traceId === undefined ? payer : [{ traceId }]),
    ...(repeats === undefined ? [] : [{ exchange: repeats }]),
  ];
}

/** A phase lies between two boundaries in a row. One that did not happen has no boundary, and so no span. */
function phasesOf(events: readonly TurnEvent[], exchange: SpanAttributes, end: ExchangeEnd): HttpPart[] {
  const phases: HttpPart[] = [];
  let from: TurnEvent | undefined;
  for (const kind of BOUNDARIES) {
    const to = events.find((event) => event.kind === kind);
    if (to === undefined) continue;
    const name = from === undefined ? undefined : SPAN_OF_WAIT[phaseOf(from.kind, kind)];
    if (from !== undefined && name !== undefined && to.atUs >= from.atUs) {
      const attributes: SpanAttributes = {};
      const [host, stage] = [exchange[A.serverAddress.key], exchange[A.stage.key]];
      put(attributes, A.serverAddress, typeof host === 'string' ? host : undefined);
      put(attributes, A.stage, typeof stage === 'string' ? stage : undefined);
      // a phase that a failure left no time to begin did not happen
      if (kind !== 'http.failed' || to.atUs > from.atUs || phases.length === 0)
        phases.push({ name, startUs: from.atUs, endUs: to.atUs, attributes, status: { code: 'unset' } });
    }
    from = to;
    if (kind === 'http.done') break;
  }
  const last = phases.pop();
  if (last === undefined) return phases;
  // the exchange ended in its last phase
  put(last.attributes, A.errorType, end.errorType);
  put(last.attributes, A.cancelled, end.cancelled);
  return [...phases, { ...last, status: end.status }];
}

const STEPS = [
  'queue.submit',
  'queue.poll',
  'queue.result',
  'cdn.get',
  'storage.initiate',
  'storage.put',
] as const satisfies readonly (SpanName & ExchangeStep)[];

function sharePolls(exchanges: readonly HttpExchange[]): HttpExchange[] {
  const byStep = Map.groupBy(exchanges, ({ call, attempt, step }) => `${call}.${attempt}.${step ?? ''}`);
  const late = new Set([...byStep.values()].flatMap((group) => group.slice(OWN_SPANS)));
  const shared = exchanges.filter((exchange) => !late.has(exchange));
  for (const all of byStep.values()) {
    const group = all.slice(OWN_SPANS);
    const [first] = group;
    if (first === undefined) continue;
    const worst = group.find(({ status }) => status.code === 'error') ?? group.at(-1) ?? first;
    const attributes: SpanAttributes = {};
    for (const spec of [A.stage, A.httpMethod, A.httpStep, A.serverAddress, A.serverPort, A.httpAttempt, A.httpFetch]) {
      const value = first.attributes[spec.key];
      if (value !== undefined) attributes[spec.key] = value;
    }
    put(attributes, A.httpCount, group.length);
    for (const spec of [A.errorType, A.cancelled]) {
      const value = worst.attributes[spec.key];
      put(attributes, spec, typeof value === 'string' ? value : undefined);
    }
    shared.push({
      ...first,
      endUs: highest(group.map((exchange) => exchange.endUs)),
      attributes,
      status: worst.status,
      phases: [],
    });
  }
  return shared;
}

function nameOf(method: string): SpanName {
  if (method === 'POST') return 'http POST';
  return method === 'PUT' ? 'http PUT' : 'http GET';
}

function putUrl(attributes: SpanAttributes, address: string | undefined): void {
  const url = address === undefined ? null : URL.parse(address);
  if (url === null) return;
  const standardPort = url.protocol === 'https:' ? 443 : 80;
  put(attributes, A.urlFull, `${url.origin}${url.pathname}`);
  put(attributes, A.serverAddress, url.hostname);
  put(attributes, A.serverPort, url.port === '' ? standardPort : Number(url.port));
}
