/** Posts OTLP JSON to an endpoint, one request at a time, and says what became of it. Why not the SDK's: docs/adr/0004. */
import { Agent, request } from 'undici';
import { describeError } from '../base/errors.ts';
import { fieldOf } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';

export type Outcome =
  /** 2xx. `rejectedSpans` is what a partial success left out: OTLP forbids to send those again. */
  | { kind: 'sent'; rejectedSpans: number; why?: string }
  /** The endpoint will never take it. */
  | { kind: 'refused'; why: string }
  /** It may take it later. */
  | { kind: 'failed'; why: string };

export interface OtlpClient {
  readonly url: string;
  send(body: Uint8Array, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/** Statuses that say that this very line will never be taken; 401 or 404 are a wrong configuration and may heal. */
const REFUSED_FOR_GOOD: ReadonlySet<number> = new Set([400, 413, 415, 422]);

export function createOtlpClient(options: {
  clock: Clock;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`: a base URL, `/v1/traces` is added. */
  endpoint: string;
  headers?: Readonly<Record<string, string>>;
  requestTimeoutMs?: number;
}): OtlpClient {
  const { clock, requestTimeoutMs = 10_000 } = options;
  const url = tracesUrlOf(options.endpoint);
  const headers = { ...options.headers, 'content-type': 'application/json' };
  const agent = new Agent({ connections: 1 });
  return {
    url,
    async send(body, closing) {
      const attempt = new AbortController();
      const signal = AbortSignal.any([attempt.signal, closing]);
      const tooLate = clock.sleep(requestTimeoutMs, signal).then(
        () => attempt.abort(new Error(`no answer within ${requestTimeoutMs} ms`)),
        () => undefined,
      );
      try {
        const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher: agent });
        // An answer that breaks off throws here: the line is then sent again.
        const text = await answer.body.text();
        const { statusCode } = answer;
        if (statusCode >= 200 && statusCode < 300) return { kind: 'sent', ...partialSuccessOf(text) };
        const why = `HTTP ${statusCode}`;
        return REFUSED_FOR_GOOD.has(statusCode) ? { kind: 'refused', why } : { kind: 'failed', why };
      } catch (error) {
        return { kind: 'failed', why: describeError(error) };
      } finally {
        attempt.abort();
        await tooLate;
      }
    },
    close: () => agent.destroy(),
  };
}

/** The endpoint's traces URL, as `OTEL_EXPORTER_OTLP_ENDPOINT` is defined: the base URL plus `/v1/traces`. */
export function tracesUrlOf(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

/** `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"…"}}`; anything else rejects nothing. */
function partialSuccessOf(text: string): { rejectedSpans: number; why?: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return { rejectedSpans: 0 };
  }
  const partial = fieldOf(answer, 'partialSuccess');
  const rejectedSpans = Number(fieldOf(partial, 'rejectedSpans') ?? 0);
  if (!Number.isSafeInteger(rejectedSpans) || rejectedSpans <= 0) return { rejectedSpans: 0 };
  const message = fieldOf(partial, 'errorMessage');
  return { rejectedSpans, ...(typeof message === 'string' ? { why: describeError(message, 120) } : {}) };
}
