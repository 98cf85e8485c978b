/** The network in virtual time: connection pools, names, set-up, upload. No socket is opened. */
import type { Clock, HttpMarks, HttpRequest, Transport } from '../service/ports.ts';
import type { Handler } from './exchange.ts';
import type { ExchangePlan } from './plan.ts';

export interface SimTransportOptions {
  clock: Clock;
  /** One stand-in per origin (`https://fal.run`). */
  handlers: Readonly<Record<string, Handler>>;
  /** Idle time after which a connection is closed; false: a new connection for every request. */
  keepAlive: { idleMs: number } | false;
  /** How long a looked-up name stays known; 0 = every new connection looks it up. */
  dnsTtlMs?: number;
  /**
   * Who decides whether a captured exchange finds its connection open: the capture (default: the arm's network knobs are
   * the captured ones), or this transport's pools (they differ).
   */
  reuse?: 'captured' | 'pool';
}

export interface SimTransport extends Transport {
  /** Connections set up so far, by origin. */
  opened(): Readonly<Record<string, number>>;
}

interface Socket {
  busy: boolean;
  idleSinceUs: number;
}

/**
 * A transport on the clock. A connection goes back to its pool when its response's end has been sent and is closed when
 * the body is cancelled before that. Fills in `marks` in exact µs of the clock and calls the origin's handler.
 */
export function createSimTransport(options: SimTransportOptions): SimTransport {
  const { clock, handlers, keepAlive, dnsTtlMs = 0, reuse = 'captured' } = options;
  const pools = new Map<string, Socket[]>();
  const knownUntilUs = new Map<string, number>();
  const opened: Record<string, number> = {};

  const poolOf = (origin: string): Socket[] => {
    const pool = pools.get(origin) ?? [];
    pools.set(origin, pool);
    return pool;
  };
  /** The first open, free connection in order of opening, as undici's pool picks it. */
  const takeIdle = (origin: string): Socket | undefined => {
    if (keepAlive === false) return undefined;
    const nowUs = clock.nowUs();
    const open = poolOf(origin).filter(
      ({ busy, idleSinceUs }) => busy || nowUs - idleSinceUs < keepAlive.idleMs * 1000,
    );
    pools.set(origin, open);
    return open.find(({ busy }) => !busy);
  };
  const release = (origin: string, socket: Socket, alive: boolean): void => {
    socket.busy = false;
    socket.idleSinceUs = clock.nowUs();
    if (alive && keepAlive !== false) return;
    pools.set(
      origin,
      poolOf(origin).filter((each) => each !== socket),
    );
  };

  const send = async (request: HttpRequest, marks: HttpMarks): Promise<Response> => {
    const { origin } = new URL(request.url);
    const handler = handlers[origin];
    if (handler === undefined) throw unreachableHost(origin);
    request.signal?.throwIfAborted();
    const idle = takeIdle(origin);
    const socket = idle ?? { busy: true, idleSinceUs: 0 };
    socket.busy = true;
    if (idle === undefined) poolOf(origin).push(socket);
    let settled = false;
    const settle = (alive: boolean): void => {
      if (!settled) release(origin, socket, alive);
      settled = true;
    };

    const arrive = async (plan: ExchangePlan): Promise<void> => {
      const reused = plan.reused !== undefined && reuse === 'captured' ? plan.reused : idle !== undefined;
      const nameKnown = (knownUntilUs.get(origin) ?? -1) > clock.nowUs();
      const ahead = boundariesOf(clock.nowUs(), plan, reused, nameKnown);
      marks.reused = reused;
      marks.protocol = '1.1';
      marks.sentKnown = true;
      marks.basis = plan.basis;
      if (!reused) opened[origin] = (opened[origin] ?? 0) + 1;
      if (!reused && dnsTtlMs > 0 && !nameKnown) knownUntilUs.set(origin, (ahead.dnsUs ?? 0) + dnsTtlMs * 1000);
      try {
        const leftUs = ahead.sentUs - clock.nowUs();
        if (leftUs > 0) await clock.sleep(leftUs / 1000, request.signal);
      } finally {
        fillIn(marks, ahead, clock.nowUs());
      }
    };
    try {
      const response = await handler(requestOf(request), {
        context: request.context,
        clock,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        arrive,
        ended: settle,
      });
      marks.headersUs = clock.nowUs();
      return response;
    } catch (error) {
      settle(false);
      throw error;
    }
  };

  return {
    send,
    opened: () => opened,
    close: async () => pools.clear(),
  };
}

interface Boundaries {
  queuedUs: number;
  dnsUs?: number;
  connectedUs?: number;
  tlsUs?: number;
  sentUs: number;
}

function boundariesOf(startUs: number, plan: ExchangePlan, reused: boolean, nameKnown: boolean): Boundaries {
  const { queue, dns, connect, tls, send } = plan.networkUs;
  const boundaries: Boundaries = { queuedUs: startUs + queue, sentUs: 0 };
  let atUs = boundaries.queuedUs;
  if (!reused) {
    if (dns !== undefined && !nameKnown) boundaries.dnsUs = atUs += dns;
    if (connect !== undefined) boundaries.connectedUs = atUs += connect;
    if (tls !== undefined) boundaries.tlsUs = atUs += tls;
  }
  boundaries.sentUs = atUs + send;
  return boundaries;
}

/** Marks what has happened by now: all of it, or, after an abort, the phases that had ended. */
function fillIn(marks: HttpMarks, ahead: Boundaries, nowUs: number): void {
  if (ahead.queuedUs <= nowUs) marks.queuedUs = ahead.queuedUs;
  if (ahead.dnsUs !== undefined && ahead.dnsUs <= nowUs) marks.dnsUs = ahead.dnsUs;
  if (ahead.connectedUs !== undefined && ahead.connectedUs <= nowUs) marks.connectedUs = ahead.connectedUs;
  if (ahead.tlsUs !== undefined && ahead.tlsUs <= nowUs) marks.tlsUs = ahead.tlsUs;
  if (ahead.sentUs <= nowUs) marks.sentUs = ahead.sentUs;
}

function requestOf({ url, method, headers, body }: HttpRequest): Request {
  const sent = new Headers(headers);
  if (body === undefined) return new Request(url, { method, headers: sent });
  sent.set('content-length', String(body.length));
  return new Request(url, { method, headers: sent, body: new Uint8Array(body) });
}

function unreachableHost(origin: string): TypeError {
  const cause = Object.assign(new Error(`getaddrinfo ENOTFOUND ${origin}: no stand-in for it`), { code: 'ENOTFOUND' });
  return new TypeError('fetch failed', { cause });
}
