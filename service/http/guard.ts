/**
 * Who may talk to the service by what a browser says of itself. Pure: headers and settings give a verdict. For example a page of
 * `https://evil.example` that finds a service on this machine is refused by its `Origin`. A page whose name was pointed at
 * 127.0.0.1 is refused by its `Host`. Programs that are no browsers send none of these headers but `Host`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Problem } from './problem.ts';

export interface GuardRules {
  /** Hosts that the service answers for, beside those of loopback: `host` for every port, or `host:port`. */
  hosts: readonly string[] | 'any';
  /** Foreign origins whose pages may use the service, such as `https://app.example.com`. */
  origins: readonly string[];
}

export interface GuardedRequest {
  method?: string;
  url?: string;
  headers: IncomingHttpHeaders;
}

export type Verdict =
  | { kind: 'pass'; headers: Readonly<Record<string, string>> }
  /** A browser asks whether the page may send its request: the answer is these headers. */
  | { kind: 'preflight'; headers: Readonly<Record<string, string>> }
  | { kind: 'refuse'; problem: Problem };

/** `localhost`, an address of 127.0.0.0/8, or `::1`, with brackets or without. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

/** What becomes of a request, before anything of the service sees it. */
export function judgeRequest({ method, url, headers }: GuardedRequest, { hosts, origins }: GuardRules): Verdict {
  // load balancers ask by address or by any name, and the answer tells nothing
  if (/^\/healthz(?:\?|$)/.test(url ?? '')) return { kind: 'pass', headers: {} };
  const { host = '', origin } = headers;
  if (hosts !== 'any' && !answersFor(host, hosts)) return { kind: 'refuse', problem: foreignHost(host) };
  const vary: Readonly<Record<string, string>> = origins.length === 0 ? {} : { vary: 'Origin' };
  if (origin !== undefined && origins.includes(origin)) {
    const allowed = { ...vary, 'access-control-allow-origin': origin };
    return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
      ? { kind: 'preflight', headers: { ...allowed, ...PREFLIGHT } }
      : { kind: 'pass', headers: { ...allowed, ...READABLE } };
  }
  if (origin === undefined ? isCrossSite(method, headers) : !isSameOrigin(origin, host))
    return { kind: 'refuse', problem: foreignOrigin(origin) };
  return { kind: 'pass', headers: vary };
}

const PREFLIGHT = {
  'access-control-allow-methods': 'GET, POST, DELETE',
  'access-control-allow-headers': 'authorization, content-type, accept',
  'access-control-max-age': '600',
} as const;
/** Headers of an answer that a page's code may read. */
const READABLE = { 'access-control-expose-headers': 'location, retry-after, x-trace-id' } as const;

function answersFor(host: string, hosts: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  return isLoopback(name) || hosts.includes(name) || hosts.includes(host.toLowerCase());
}

/** By host and port: behind a proxy that ends TLS the service does not know its own scheme. */
function isSameOrigin(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  return page !== null && URL.parse(`${page.protocol}//${host}`)?.host === page.host && page.host !== '';
}

/** A page of another site sends this without an `Origin`: an image, a form. Following a link is no such thing: no page can read the answer. */
function isCrossSite(method: string | undefined, headers: IncomingHttpHeaders): boolean {
  const followsLink =
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return headers['sec-fetch-site'] === 'cross-site' && !followsLink;
}

function foreignHost(host: string): Problem {
  const name = JSON.stringify(host.slice(0, 80));
  const detail = `this service does not answer for the host ${name}; if that is its name, add the name to RETAKE_ALLOWED_HOSTS`;
  return { status: 421, title: 'Misdirected request', detail, field: 'host' };
}

function foreignOrigin(origin: string | undefined): Problem {
  const page = origin === undefined ? 'another site' : JSON.stringify(origin.slice(0, 80));
  const detail = `pages of ${page} may not use this service; if such a page is yours, add its origin to RETAKE_ALLOWED_ORIGINS`;
  return { status: 403, title: 'Foreign origin', detail, field: origin === undefined ? 'sec-fetch-site' : 'origin' };
}
