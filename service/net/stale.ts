/** Connections that died before their next use. */
import type { HttpMarks } from '../base/ports.ts';

/**
 * A reused connection broke before any byte of an answer. Most likely the server had closed it while it was idle, and
 * never saw the request. So a request of any method may be sent again, once (RFC 9110, 9.2.2).
 */
export class StaleConnection extends Error {
  readonly exchange: string;
  constructor(exchange: string, cause: unknown) {
    super('a reused connection was dead', { cause });
    this.name = 'StaleConnection';
    this.exchange = exchange;
  }
}

const DEAD = /ECONNRESET|EPIPE|UND_ERR_SOCKET|other side closed/;

export function diedUnused(error: unknown, marks: HttpMarks): boolean {
  return marks.reused === true && marks.headersUs === undefined && DEAD.test(errorName(error));
}

/** A failure's code, or its class. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  const inner: unknown = error.cause ?? error;
  const code: unknown = typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'code') : undefined;
  return typeof code === 'string' ? code : error.name;
}
