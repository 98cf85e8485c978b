/** Facts of socket and request → the boundaries of one exchange. Pure. Every order of facts gives contiguous phases. */
import type { EventKind } from '../base/events.ts';
import type { ExchangeContext, HttpMarks } from '../base/ports.ts';

/** When one connection's set-up steps ended, in µs of the clock. Any exchange may have begun the set-up. */
export interface ConnectionFacts {
  startUs: number;
  /** A lookup is needed. Absent for an address and for a known name. */
  looksUp?: boolean;
  dnsUs?: number;
  connectedUs?: number;
  tlsUs?: number;
}

/** The times that the client library shows of one request. */
export interface RequestFacts {
  startUs: number;
  /** The request's first byte went to a connection. */
  sendingUs?: number;
  /** The request's last byte was handed to the socket. */
  bodySentUs?: number;
  headersUs?: number;
  /** The request was given up, or its connection broke, before headers. */
  failedUs?: number;
  connection?: ConnectionFacts;
}

/**
 * The boundaries of a request on its connection, each the end of its phase. A set-up counts as far as it overlaps the
 * request's wait, also if another exchange began it. A request that finds its connection ready has no `dns`, `connect`
 * or `tls`. The rest of the wait, before and after the set-up, is `queue`. `send` ends at the earlier of last byte and
 * headers: an early refusal answers before the body is sent. A lookup that a failure cuts short ends with the failure.
 */
export function boundariesOf(facts: RequestFacts): Omit<HttpMarks, 'startUs'> {
  const { startUs, connection, sendingUs, bodySentUs, headersUs } = facts;
  const limitUs = Math.max(startUs, sendingUs ?? headersUs ?? facts.failedUs ?? Infinity);
  const reused = connection !== undefined && readyUs(connection) <= startUs;
  const marks: Omit<HttpMarks, 'startUs'> = {};
  if (connection !== undefined && !reused) Object.assign(marks, overlap(connection, startUs, limitUs, facts.failedUs));
  if (facts.failedUs !== undefined && headersUs === undefined) marks.failedUs = facts.failedUs;
  if (sendingUs === undefined) {
    if (headersUs !== undefined) marks.headersUs = headersUs;
    return marks;
  }
  const sentUs = bodySentUs ?? headersUs;
  // a request that failed during `send` failed neither in its queue nor in a set-up
  const setUpUs = marks.tlsUs ?? marks.connectedUs ?? marks.dnsUs ?? marks.queuedUs;
  if (setUpUs === undefined ? sentUs === undefined : setUpUs < limitUs) marks.readyUs = limitUs;
  marks.queuedUs ??= limitUs;
  marks.sentKnown = bodySentUs !== undefined && (headersUs === undefined || bodySentUs <= headersUs);
  if (sentUs !== undefined) marks.sentUs = Math.max(Math.min(sentUs, headersUs ?? Infinity), limitUs);
  marks.reused = reused;
  if (headersUs !== undefined) marks.headersUs = headersUs;
  return marks;
}

/** When the connection could carry its first request. Infinity where no end of its set-up was seen. */
function readyUs({ connectedUs, tlsUs }: ConnectionFacts): number {
  return tlsUs ?? connectedUs ?? Infinity;
}

/** The part of a set-up through which a request waited, as ends of the steps. */
function overlap(
  connection: ConnectionFacts,
  startUs: number,
  limitUs: number,
  failedUs: number | undefined,
): Pick<HttpMarks, 'queuedUs' | 'dnsUs' | 'connectedUs' | 'tlsUs'> {
  const within = (atUs: number): number => Math.min(Math.max(atUs, startUs), limitUs);
  const steps = { dnsUs: connection.dnsUs, connectedUs: connection.connectedUs, tlsUs: connection.tlsUs };
  const cutShort = connection.looksUp === true && connection.connectedUs === undefined;
  if (cutShort && steps.dnsUs === undefined && failedUs !== undefined) steps.dnsUs = failedUs;
  const marks: Pick<HttpMarks, 'queuedUs' | 'dnsUs' | 'connectedUs' | 'tlsUs'> = {
    queuedUs: within(connection.startUs),
  };
  const waitedFor = (atUs: number | undefined): atUs is number =>
    atUs !== undefined && (atUs > startUs || connection.startUs >= startUs);
  if (waitedFor(steps.dnsUs)) marks.dnsUs = within(steps.dnsUs);
  if (waitedFor(steps.connectedUs)) marks.connectedUs = within(steps.connectedUs);
  if (waitedFor(steps.tlsUs)) marks.tlsUs = within(steps.tlsUs);
  return marks;
}

/** `<stage>.<ordinal>.<attempt>.<fetch>`: names an exchange within its turn. */
export function exchangeIdOf({ stage, ordinal, attempt, fetchIndex }: ExchangeContext): string {
  return `${stage}.${ordinal}.${attempt}.${fetchIndex}`;
}

/** The boundary events up to headers, in causal order, without absent phases. None runs backwards. */
export function boundaryEvents(marks: HttpMarks): { kind: EventKind; atUs: number }[] {
  const ordered: [EventKind, number | undefined][] = [
    ['http.queued', marks.queuedUs],
    ['http.dns', marks.dnsUs],
    ['http.connected', marks.connectedUs],
    ['http.tls', marks.tlsUs],
    ['http.ready', marks.readyUs],
    ['http.sent', marks.sentUs],
    ['http.headers', marks.headersUs],
  ];
  let lastUs = marks.startUs;
  const events: { kind: EventKind; atUs: number }[] = [];
  for (const [kind, atUs] of ordered) {
    if (atUs === undefined) continue;
    lastUs = Math.max(lastUs, atUs);
    events.push({ kind, atUs: lastUs });
  }
  return events;
}
