/** Socket and request facts → the boundaries of one exchange. Pure: every order of facts gives contiguous phases. */
import type { EventKind, HttpMarks } from '../ports.ts';

/** When one connection's set-up steps ended, in µs of the clock, whoever the set-up was begun for. */
export interface ConnectionFacts {
  startUs: number;
  dnsUs?: number;
  connectedUs?: number;
  tlsUs?: number;
}

/** What the client library showed of one request. */
export interface RequestFacts {
  startUs: number;
  /** The request's first byte went to a connection. */
  sendingUs?: number;
  /** The request's last byte was handed to the socket. */
  bodySentUs?: number;
  headersUs?: number;
  connection?: ConnectionFacts;
}

/**
 * The boundaries (each the end of its phase) of a request on its connection. A set-up counts as far as it overlaps
 * the request's wait; a request that found its connection ready has no `dns`, `connect` or `tls`. `send` ends at the
 * earlier of last byte and headers: an early refusal answers before the body is sent.
 */
export function boundariesOf(facts: RequestFacts): Omit<HttpMarks, 'startUs'> {
  const { startUs, connection } = facts;
  const limitUs = facts.sendingUs ?? facts.headersUs ?? Infinity;
  const within = (atUs: number): number => Math.min(Math.max(atUs, startUs), limitUs);
  const reused = connection !== undefined && (connection.tlsUs ?? connection.connectedUs ?? Infinity) <= startUs;
  const marks: Omit<HttpMarks, 'startUs'> = {};
  if (connection !== undefined && !reused) {
    marks.queuedUs = within(connection.startUs);
    if (connection.dnsUs !== undefined && connection.dnsUs > startUs) marks.dnsUs = within(connection.dnsUs);
    if (connection.connectedUs !== undefined && connection.connectedUs > startUs) {
      marks.connectedUs = within(connection.connectedUs);
    }
    if (connection.tlsUs !== undefined && connection.tlsUs > startUs) marks.tlsUs = within(connection.tlsUs);
  } else if (facts.sendingUs !== undefined) {
    marks.queuedUs = Math.max(facts.sendingUs, startUs);
  }
  if (facts.sendingUs !== undefined) {
    const sentUs = facts.bodySentUs ?? facts.headersUs;
    marks.sentKnown =
      facts.bodySentUs !== undefined && (facts.headersUs === undefined || facts.bodySentUs <= facts.headersUs);
    if (sentUs !== undefined) marks.sentUs = Math.max(Math.min(sentUs, facts.headersUs ?? Infinity), limitUs);
    marks.reused = reused;
  }
  if (facts.headersUs !== undefined) marks.headersUs = facts.headersUs;
  return marks;
}

/** The exchange's boundary events up to headers, in causal order, absent phases left out; none runs backwards. */
export function boundaryEvents(marks: HttpMarks): { kind: EventKind; atUs: number }[] {
  const ordered: [EventKind, number | undefined][] = [
    ['http.queued', marks.queuedUs],
    ['http.dns', marks.dnsUs],
    ['http.connected', marks.connectedUs],
    ['http.tls', marks.tlsUs],
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
