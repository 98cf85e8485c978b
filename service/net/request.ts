/** Arguments of `fetch` → a request for the transport: URL, method, headers and bytes. */
import type { HttpRequest } from '../base/ports.ts';

const encoder = new TextEncoder();

/** Strings and bytes become bytes at once. Any other body is read as `fetch` would read it. */
export async function normalize(
  input: string | URL | Request,
  init: RequestInit | undefined,
): Promise<Pick<HttpRequest, 'url' | 'method' | 'headers' | 'body'>> {
  const body = init?.body ?? undefined;
  const known = typeof body === 'string' ? encoder.encode(body) : body instanceof Uint8Array ? body : undefined;
  if (!(input instanceof Request) && (body === undefined || known !== undefined)) {
    return {
      url: String(input),
      method: init?.method ?? 'GET',
      headers: new Headers(init?.headers),
      body: known,
    };
  }
  const { signal: _signal, ...rest } = init ?? {};
  const request = new Request(input, rest);
  const bytes = new Uint8Array(await request.arrayBuffer());
  return { url: request.url, method: request.method, headers: request.headers, body: bytes };
}

/** A URL for logs and spans: queries can hold tokens. */
export function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
