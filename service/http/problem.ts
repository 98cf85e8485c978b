/** Errors over HTTP: application/problem+json (RFC 9457), naming what, where and the limit. */
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

export function sendProblem(response: Response, { headers = {}, ...problem }: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .status(problem.status)
    .set(headers)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', ...problem }));
}
