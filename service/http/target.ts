/** What a request asks for, in each form that a request line may have (RFC 9112). Pure. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Problem } from './problem.ts';

export interface Target {
  /** Path and query, as the client wrote them. */
  url: string;
  /** In place of the header, where the request line names a host. */
  host?: string;
}

/** Undefined for what names no path, such as `*`, `host:80`, `ftp://host/` or `http://[::bad`. */
export function targetIn(url: string): Target | undefined {
  if (url.startsWith('/')) return { url };
  const [whole, authority = ''] = /^https?:\/\/([^/?#]*)/i.exec(url) ?? [];
  if (whole === undefined || authority.includes('@') || URL.parse(url) === null) return undefined;
  const path = url.slice(whole.length);
  return { url: path.startsWith('/') ? path : `/${path}`, host: authority };
}

/** The headers as they count: a host in the request line is the one that was meant. */
export function headersFor(headers: IncomingHttpHeaders, { host }: Target): IncomingHttpHeaders {
  return host === undefined ? headers : { ...headers, host };
}

export const BAD_TARGET: Problem = {
  status: 400,
  title: 'Bad request',
  detail: 'the request line names no path of this service; send for example "GET /healthz HTTP/1.1"',
  field: 'path',
};
