/** The one union of failures that a turn can meet. A message says what happened, to what, and what to do. */
import { getSystemErrorMessage } from 'node:util';
import type { Stage } from './events.ts';
import { UNSEEN } from './unseen.ts';

export type FailureKind =
  | 'unreachable' // name not found, connection refused, TLS failure
  | 'reset' // the connection broke
  | 'timeout' // one of Retake's deadlines passed
  | 'auth' // 401, 403
  | 'payment' // 402
  | 'rejected' // other 4xx: asking again would not help
  | 'rate-limited' // 429
  | 'provider' // 5xx, or an error inside a 200
  | 'malformed' // an answer that is not what the wire format says
  | 'empty' // a well-formed answer without content
  | 'oversized'
  | 'no-speech' // nothing to transcribe
  | 'cancelled'
  | 'internal';

const RETRYABLE: ReadonlySet<FailureKind> = new Set(['unreachable', 'reset', 'rate-limited', 'provider', 'malformed']);

/** A stage's failure. `retryable` says whether the same request may succeed later; never carries keys or content. */
export class StageError extends Error {
  readonly stage: Stage;
  readonly kind: FailureKind;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    stage: Stage,
    kind: FailureKind,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number; retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StageError';
    this.stage = stage;
    this.kind = kind;
    this.retryable = options.retryable ?? RETRYABLE.has(kind);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Input from outside that cannot be used: one line that says what, where and what to do. Exit code 2, HTTP 400. */
export class InputError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InputError';
  }
}

/** A broken invariant of our own: never the user's fault. Exit code 4. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

const DISK_CODES: ReadonlySet<unknown> = new Set([
  ...['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO'], // full, read-only, broken
  ...['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EEXIST', 'EMFILE', 'ENFILE'], // not ours, not there, in the way, too many
]);

/** Whether the file system refused. The message names call and path. A socket's errors have other codes. */
export function isDiskError(error: unknown): error is Error & { code: unknown } {
  return error instanceof Error && 'code' in error && DISK_CODES.has(error.code);
}

/** Clearer words for codes whose own words say little. */
const DISK_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder',
  EEXIST: 'something else is there',
  ENOTDIR: 'a part of its path is no folder',
};

/** Why the file system refused: `EACCES: permission denied`. Of any other error its description. */
export function diskReason(error: unknown): string {
  if (!isDiskError(error)) return describeError(error, 120);
  const code = String(error.code);
  const words =
    'errno' in error && typeof error.errno === 'number' ? getSystemErrorMessage(error.errno) : error.message;
  return `${code}: ${DISK_REASONS[code] ?? words}`;
}

/** An error's class, such as `TypeError`: it holds no content, as a message may. */
export function errorClass(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** Closes a union switch: fails to compile when a case is missing. */
export function unreachable(value: never, what: string): never {
  throw new InvariantError(`${what}: no case for ${JSON.stringify(value)}`);
}

/** What failed, in at most `limit` characters of one line, from anything that was thrown. Untrusted text is escaped. */
export function describeError(error: unknown, limit = 300): string {
  const text = error instanceof Error ? deepestMessage(error) : String(error);
  const line = text.replace(UNSEEN, ' ').replace(/ {2,}/g, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

function deepestMessage(error: Error): string {
  const parts = [error.message];
  let inner = error.cause;
  for (let depth = 0; depth < 4 && inner instanceof Error; depth++) {
    const { message } = inner;
    if (message !== '' && !parts.some((part) => part.includes(message))) parts.push(message);
    inner = inner.cause;
  }
  return parts.join(': ');
}

/** The failure kind of an HTTP status, or undefined for success. */
export function failureOfStatus(status: number): FailureKind | undefined {
  if (status < 300) return undefined;
  if (status === 401 || status === 403) return 'auth';
  if (status === 402) return 'payment';
  if (status === 413) return 'oversized';
  if (status === 429) return 'rate-limited';
  if (status === 408 || status >= 500) return 'provider';
  return 'rejected';
}
