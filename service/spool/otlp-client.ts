/** Posts OTLP JSON to an endpoint, one request at a time. Why not the SDK's exporter: docs/adr/0004-spool-sender.md. */
import { Agent, request } from 'undici';
import { describeError } from '../base/errors.ts';
import { fieldOf, parsedJson, textIn } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';

export type Outcome =
  /** 2xx. A partial success left `rejectedSpans` out: OTLP forbids to send those again. */
  | { kind: 'sent'; rejectedSpans: number; why?: string }
  /** The endpoint will never take the line. */
  | { kind: 'refused'; why: string }
  /** The endpoint may take the line later. */
  | { kind: 'failed'; why: string };

export interface OtlpClient {
  readonly url: string;
  send(body: Uint8Array, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/** Statuses of a line that will never be taken. 401 or 404 mean a wrong configuration, which may be put right. */
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
        // an answer that breaks off throws here, and the line is sent again
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

/** Where traces go: `http://collector:4318` gives `http://collector:4318/v1/traces`. */
export function tracesUrlOf(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

/** `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"…"}}`; anything else rejects nothing. */
function partialSuccessOf(text: string): { rejectedSpans: number; why?: string } {
  const partial = fieldOf(parsedJson(text), 'partialSuccess');
  const rejectedSpans = Number(fieldOf(partial, 'rejectedSpans') ?? 0);
  if (!Number.isSafeInteger(rejectedSpans) || rejectedSpans <= 0) return { rejectedSpans: 0 };
  const message = textIn(partial, 'errorMessage');
  return { rejectedSpans, why: message && describeError(message, 120) };
}
