/** What a provider's client throws → our one union of errors. Provider texts are bounded and escaped. */
import { ApiError } from '@fal-ai/client';
import { APIError } from 'openai';
import { describeError, failureOfStatus, StageError, type FailureKind } from '../errors.ts';
import { BodyLimitError } from '../net/body.ts';
import type { Stage } from '../ports.ts';

const REMEDY: Partial<Record<FailureKind, string>> = {
  auth: 'check the provider key',
  payment: 'top up the provider account',
  'rate-limited': 'slow down or raise the limit',
  unreachable: 'check the endpoint URL and the network',
  rejected: 'check model, endpoint and parameters',
};

const UNREACHABLE =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|CERT|SSL|TLS|self.signed|UND_ERR_CONNECT_TIMEOUT/i;
const RESET = /ECONNRESET|EPIPE|UND_ERR_SOCKET|terminated|other side closed|socket hang up/i;

/** A `StageError` for whatever a client library threw; `what` names the request in the message. */
export function asStageError(stage: Stage, what: string, error: unknown, signal: AbortSignal): StageError {
  if (error instanceof StageError) return error;
  if (signal.aborted) {
    const { reason } = signal;
    return reason instanceof StageError
      ? reason
      : new StageError(stage, 'cancelled', `${what} was cancelled`, { cause: error });
  }
  const kind = kindOf(error);
  const remedy = REMEDY[kind];
  const status = statusOf(error);
  const message = `${what}: ${status === undefined ? '' : `HTTP ${status}, `}${describeError(error)}${remedy === undefined ? '' : `; ${remedy}`}`;
  const retryAfterMs = retryAfterOf(error);
  return new StageError(stage, kind, message, {
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function kindOf(error: unknown): FailureKind {
  const status = statusOf(error);
  const byStatus = status === undefined ? undefined : failureOfStatus(status);
  const text = chainText(error);
  if (hasCause(error, (each) => each instanceof BodyLimitError)) return 'oversized';
  if (UNREACHABLE.test(text)) return 'unreachable';
  if (RESET.test(text)) return 'reset';
  if (hasCause(error, (each) => each instanceof SyntaxError)) return 'malformed';
  if (byStatus !== undefined) return byStatus;
  return error instanceof APIError || error instanceof ApiError ? 'provider' : 'internal';
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof APIError) return typeof error.status === 'number' ? error.status : undefined;
  // the fal client reports its own stream faults as ApiErrors with a made-up status and no body
  if (error instanceof ApiError) return error.body === undefined ? undefined : error.status;
  return undefined;
}

function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof APIError)) return undefined;
  const seconds = Number(error.headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 60) * 1000 : undefined;
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
