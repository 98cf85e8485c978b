/** Errors of a provider's client → `StageError`. Texts of providers are bounded and escaped. */
import { ApiError } from '@fal-ai/client';
import { APIError } from 'openai';
import { describeError, failureOfStatus, StageError, type FailureKind } from '../base/errors.ts';
import { BodyLimitError } from '../net/body.ts';
import { PrivateAddressError } from '../net/private-address.ts';
import type { Call, Clock, HttpResponse } from '../base/ports.ts';
import type { Stage } from '../base/events.ts';
import { fieldOf, parsedJson, textIn } from '../base/json.ts';
import { scrub, type Sent } from './scrub.ts';

const REMEDY: Partial<Record<FailureKind, string>> = {
  auth: 'check the provider key',
  payment: 'top up the provider account',
  'rate-limited': 'slow down or raise the limit',
  unreachable: 'check the endpoint URL and the network',
  rejected: 'check model, endpoint and parameters',
};

const UNREACHABLE =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|CERT|SSL|TLS|self.signed|UND_ERR_CONNECT_TIMEOUT/i;
const RESET = /ECONNRESET|EPIPE|UND_ERR_SOCKET|\bterminated\b|other side closed|socket hang up/i;
/** A longer `Retry-After` counts as this. */
const RETRY_AFTER_LIMIT_MS = 60_000;
/** The rest of an error's body is not read. */
const ERROR_TEXT_LIMIT_BYTES = 4096;

/** An answer with an error status, where no client library reads it. */
export class HttpStatusError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpStatusError';
    this.status = status;
  }
}

/** The response, if it succeeded. Throws `HttpStatusError` with the message of the provider's error body. */
export async function successful<T extends HttpResponse>(response: T): Promise<T> {
  if (response.status >= 200 && response.status < 300) return response;
  throw new HttpStatusError(response.status, messageIn(await readStart(response), response.statusText));
}

async function readStart(response: HttpResponse): Promise<string> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (reader !== undefined && bytes < ERROR_TEXT_LIMIT_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.byteLength;
  }
  if (bytes >= ERROR_TEXT_LIMIT_BYTES) await reader?.cancel();
  return Buffer.concat(parts).toString('utf8', 0, ERROR_TEXT_LIMIT_BYTES);
}

/** fal says `{"detail": text or [{msg}]}`, OpenRouter `{"error": {message}}`. No other text is repeated. */
function messageIn(text: string, otherwise: string): string {
  const body = parsedJson(text);
  const detail = fieldOf(body, 'detail');
  return (
    textIn(fieldOf(body, 'error'), 'message') ??
    textIn(body, 'detail') ??
    textIn(fieldOf(detail, 0), 'msg') ??
    otherwise
  );
}

/**
 * A `StageError` for anything that a client library or our own code threw. `what` names the request in the message;
 * nothing that was `sent` is repeated there. An SDK's error holds request and answer, so it does not become the cause.
 */
export function asStageError(stage: Stage, what: string, error: unknown, call: Call, sent: Sent): StageError {
  if (error instanceof StageError) {
    const message =
      error.kind === 'provider' || sent.contents !== 'unknown' ? scrub(error.message, sent) : error.message;
    if (message === error.message) return error;
    const { kind, retryable, retryAfterMs } = error;
    return new StageError(error.stage, kind, message, {
      retryable,
      retryAfterMs,
    });
  }
  const { signal } = call;
  if (signal.aborted) {
    const { reason } = signal;
    return reason instanceof StageError ? reason : new StageError(stage, 'cancelled', `${what} was cancelled`);
  }
  // SDKs wrap the error that broke the connection, or lose it
  const broken = call.failure();
  const kind = kindOf(broken ?? error);
  const remedy = REMEDY[kind];
  const status = broken === undefined ? statusOf(error) : undefined;
  // a parser quotes the text it could not parse; the error of a connection comes from our own side
  const said =
    kind === 'malformed'
      ? 'the answer is not JSON'
      : broken === undefined
        ? scrub(describeError(error), sent)
        : describeError(broken);
  const message = `${what}: ${status === undefined ? '' : `HTTP ${status}, `}${said}${remedy === undefined ? '' : `; ${remedy}`}`;
  const retryAfterMs = status === undefined ? undefined : retryAfterOf(call.responseHeaders(), call.clock);
  return new StageError(stage, kind, message, {
    cause: broken,
    retryAfterMs,
  });
}

function kindOf(error: unknown): FailureKind {
  const status = statusOf(error);
  const byStatus = status === undefined ? undefined : failureOfStatus(status);
  const text = chainText(error);
  if (hasCause(error, (each) => each instanceof BodyLimitError)) return 'oversized';
  if (hasCause(error, (each) => each instanceof SyntaxError)) return 'malformed';
  if (hasCause(error, (each) => each instanceof PrivateAddressError)) return 'rejected';
  if (UNREACHABLE.test(text)) return 'unreachable';
  if (RESET.test(text)) return 'reset';
  if (byStatus !== undefined) return byStatus;
  return error instanceof APIError || error instanceof ApiError ? 'provider' : 'internal';
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpStatusError) return error.status;
  if (error instanceof APIError) return typeof error.status === 'number' ? error.status : undefined;
  // the fal client reports faults of its own as ApiErrors with a made-up status and no body
  if (error instanceof ApiError) return error.body === undefined ? undefined : error.status;
  return undefined;
}

/** `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110 §10.2.3). */
export function retryAfterOf(headers: Headers | undefined, clock: Clock): number | undefined {
  const exactMs = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  const text = headers?.get('retry-after') ?? undefined;
  const dateMs = text === undefined ? Number.NaN : Date.parse(text) - clock.epochUs() / 1000;
  const candidates = [exactMs, Number(text ?? Number.NaN) * 1000, dateMs];
  const askedMs = candidates.find((each) => Number.isFinite(each));
  return askedMs === undefined ? undefined : Math.min(Math.max(0, askedMs), RETRY_AFTER_LIMIT_MS);
}

function chainText(error: unknown): string {
  const texts: string[] = [];
  hasCause(error, (each) => {
    if (each instanceof Error) texts.push(each.name, each.message, 'code' in each ? String(each.code) : '');
    return false;
  });
  return texts.join(' ');
}

function hasCause(error: unknown, matches: (error: unknown) => boolean): boolean {
  let each = error;
  for (let depth = 0; depth < 6 && each !== undefined && each !== null; depth++) {
    if (matches(each)) return true;
    each = each instanceof Error ? each.cause : undefined;
  }
  return false;
}
