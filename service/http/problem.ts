/** Errors over HTTP: application/problem+json (RFC 9457). */
import type { Duplex } from 'node:stream';
import type { Response } from 'express';
import { AudioFormatError } from '../audio/pcm.ts';
import { describeError, InputError, type FailureKind } from '../base/errors.ts';

export interface Problem {
  status: number;
  title: string;
  detail: string;
  /** The wrong part of the request: a field, a header, or `body`. */
  field?: string;
  /** The limit that was exceeded, with its unit, such as `300 s`. */
  limit?: string;
  headers?: Readonly<Record<string, string>>;
}

/** A request that cannot be served. Thrown anywhere below a route, sent at one place. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

export function notFound(detail: string): ProblemError {
  return new ProblemError({ status: 404, title: 'Not found', detail });
}

export function sessionBusy(detail: string): ProblemError {
  return new ProblemError({ status: 409, title: 'Session busy', detail });
}

/** The memory for users' audio is used up, by this client and others. */
export function audioMemoryFull(): ProblemError {
  const detail = 'the service holds as much audio as it may; try again in some seconds';
  return new ProblemError({ status: 503, title: 'Busy', detail, headers: { 'retry-after': '2' } });
}

const STATUS_OF_FAILURE: ReadonlyMap<string, number> = new Map([
  ['no-speech', 422],
  ['oversized', 413],
  ['timeout', 504],
  ['rate-limited', 503],
  ['internal', 500],
] satisfies [FailureKind, number][]);

/** By the failure's kind (`FailureKind`). A provider's failure is 502: the request was fine. Audio in which STT hears no word is not. */
export function statusOfFailure({ stage, kind }: { stage: string; kind: string }): number {
  return STATUS_OF_FAILURE.get(stage === 'stt' && kind === 'empty' ? 'no-speech' : kind) ?? 502;
}

/** Whatever was thrown, as a problem. An internal error tells the client nothing of its cause. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof AudioFormatError)
    return { status: 415, title: 'Unusable audio', detail: error.message, field: 'body' };
  if (error instanceof InputError) return { status: 400, title: 'Bad request', detail: describeError(error, 500) };
  return { status: 500, title: 'Internal error', detail: 'the service failed; see its log for the cause' };
}

export function sendProblem(response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .status(problem.status)
    .set(problem.status === 503 ? { 'retry-after': '5', ...problem.headers } : (problem.headers ?? {}))
    .type('application/problem+json')
    .send(problemText(problem));
}

/** The response's body. */
export function problemText({ headers: _headers, ...problem }: Problem): string {
  return JSON.stringify({ type: 'about:blank', ...problem });
}

/** Refuses what Node makes no response object for, as a request for a WebSocket. No limit of its server holds any more, so the connection ends. */
export function refuseAndClose(duplex: Duplex, problem: Problem): void {
  const body = problemText(problem);
  const headers = {
    ...problem.headers,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  duplex.once('finish', () => duplex.destroy());
  duplex.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${head.join('')}\r\n${body}`);
}
