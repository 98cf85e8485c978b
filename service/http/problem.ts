/** Errors over HTTP: application/problem+json (RFC 9457), naming what, where and the limit. */
import type { Duplex } from 'node:stream';
import type { Response } from 'express';
import { AudioFormatError } from '../audio/pcm.ts';
import { describeError, InputError, type FailureKind } from '../base/errors.ts';

export interface Problem {
  status: number;
  title: string;
  detail: string;
  /** The request's field or header that is wrong. */
  field?: string;
  /** The limit that was exceeded, with its unit. */
  limit?: string;
  headers?: Readonly<Record<string, string>>;
}

/** A request that cannot be served; thrown anywhere below a route. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

const STATUS_OF_FAILURE: ReadonlyMap<string, number> = new Map([
  ['no-speech', 422],
  ['oversized', 413],
  ['timeout', 504],
  ['rate-limited', 503],
  ['internal', 500],
] satisfies [FailureKind, number][]);

/** The status of a turn's failure, by its kind (`FailureKind`). Provider failures are 502: the request was fine. */
export function statusOfFailure(kind: string): number {
  return STATUS_OF_FAILURE.get(kind) ?? 502;
}

/** What went wrong, as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof AudioFormatError)
    return { status: 415, title: 'Unusable audio', detail: error.message, field: 'body' };
  if (error instanceof InputError) return { status: 400, title: 'Bad request', detail: describeError(error, 500) };
  return { status: 500, title: 'Internal error', detail: 'the service failed; its log has the cause' };
}

export function sendProblem(response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .status(problem.status)
    .set(problem.headers ?? {})
    .type('application/problem+json')
    .send(problemText(problem));
}

/** The body of the answer. */
export function problemText({ headers: _headers, ...problem }: Problem): string {
  return JSON.stringify({ type: 'about:blank', ...problem });
}

/** Answers a request for another protocol, which has no response of its own. */
export function refuseUpgrade(duplex: Duplex, problem: Problem): void {
  const body = problemText(problem);
  const headers = {
    ...problem.headers,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  duplex.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${head.join('')}\r\n${body}`);
}
