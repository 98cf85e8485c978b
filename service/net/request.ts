/** What SDKs hand to `fetch` → what the transport takes: a URL, a method, headers and bytes. */
import type { HttpRequest } from '../ports.ts';

/** SDKs hand over strings, bytes or a FormData; the transport takes bytes. */
export async function normalize(
  input: string | URL | Request,
  init: RequestInit | undefined,
): Promise<Pick<HttpRequest, 'url' | 'method' | 'headers' | 'body'>> {
  const body = init?.body;
  if (!(input instanceof Request) && (body === undefined || body === null || typeof body === 'string')) {
    return {
      url: String(input),
      method: init?.method ?? 'GET',
      headers: new Headers(init?.headers),
      ...(typeof body === 'string' ? { body: new TextEncoder().encode(body) } : {}),
    };
  }
  const { signal: _signal, ...rest } = init ?? {};
  const request = new Request(input, rest);
  const bytes = new Uint8Array(await request.arrayBuffer());
  return { url: request.url, method: request.method, headers: request.headers, body: bytes };
}

/** A URL as logs and spans may show it: queries can hold tokens. */
export function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
