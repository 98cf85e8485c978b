/** What SDKs hand to `fetch` → what the transport takes: a URL, a method, headers and bytes. */
import type { HttpRequest } from '../base/ports.ts';

const encoder = new TextEncoder();

/** The transport takes bytes. Strings and bytes are there at once; whatever else an SDK may hand over is read as `fetch` would. */
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

/** A URL as logs and spans may show it: queries can hold tokens. */
export function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
