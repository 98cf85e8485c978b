/** The network in virtual time: pools, names, set-up and upload, without a socket. */
import { AHEAD_IDLE_MS } from '../../service/net/connections.ts';
import { boundariesOf, type ConnectionFacts } from '../../service/net/phases.ts';
import type {
  AheadTarget,
  Clock,
  ExchangeContext,
  HttpMarks,
  HttpRequest,
  HttpResponse,
  Transport,
} from '../../service/base/ports.ts';
import {
  createConnectionPool,
  factsUntil,
  readyUsOf,
  setUpFacts,
  type Connection,
  type ConnectionPool,
  type KnownName,
} from './connections.ts';
import type { Handler } from '../stand-ins/exchange.ts';
import { ConnectFault } from '../faults/broken-connection.ts';
import type { ExchangePlan, NetworkPlan } from '../times/plan.ts';
import type { ConnectionSwitches } from '../faults/scenario.ts';

export interface SimTransportOptions {
  clock: Clock;
  /** A stand-in by origin, such as `https://fal.run`. */
  handlers: Readonly<Record<string, Handler>>;
  /** A connection closes after this idle time. False: a new connection for every request. */
  keepAlive: { idleMs: number } | false;
  /** Requests to one origin share one connection. */
  http2?: boolean;
  /** How long a looked-up name stays known. 0: every new connection looks it up. */
  dnsTtlMs?: number;
  /** The set-up of a connection that is opened ahead of its exchange. */
  networkOf?: (context: ExchangeContext, origin: string) => NetworkPlan;
  /**
   * Decides whether a captured exchange finds its connection open. `captured` (default) serves network knobs like the capture's:
   * the capture decides, until an origin meets an exchange that the capture does not hold; from then on the pool decides.
   * `pool` serves other knobs: the pool always decides.
   */
  reuse?: 'captured' | 'pool';
  /** A scenario's switches of an origin's server. */
  switches?: (origin: string) => ConnectionSwitches;
}

export interface SimTransport extends Transport {
  /** Connections set up so far, by origin. */
  opened(): Readonly<Record<string, number>>;
  /** Exchanges that hold a connection. 0 when a turn left nothing behind. */
  inUse(): number;
}

/**
 * A transport on the clock, which sets `marks` to the µs. A connection returns to its pool when its response's end was sent.
 * A body that is cancelled earlier closes its connection, but not over HTTP/2. Over HTTP/2 a request that comes during a
 * set-up waits for the rest of that set-up.
 */
export function createSimTransport(options: SimTransportOptions): SimTransport {
  const { clock, handlers, keepAlive, dnsTtlMs = 0, reuse = 'captured' } = options;
  const switches = options.switches ?? ((): ConnectionSwitches => ({}));
  const speaksHttp2 = (origin: string): boolean => options.http2 === true && switches(origin).http2 !== false;
  const pools = new Map<string, ConnectionPool>();
  const names = new Map<string, KnownName>();
  const opened: Record<string, number> = {};
  /** Origins that met an exchange outside the capture: the captured connections no longer fit them. */
  const strayed = new Set<string>();

  const poolOf = (origin: string): ConnectionPool => {
    const http2 = speaksHttp2(origin);
    const hinted = http2 ? keepAlive : withHint(keepAlive, switches(origin).keepAliveHintS);
    const pool = pools.get(origin) ?? createConnectionPool({ keepAlive: hinted, http2, aheadIdleMs: AHEAD_IDLE_MS });
    pools.set(origin, pool);
    return pool;
  };
  const setUp = (
    origin: string,
    connection: Connection,
    network: NetworkPlan,
    paidBy: Connection['paidBy'],
  ): ConnectionFacts => {
    const { tlsMs = 0 } = switches(origin);
    const slower = tlsMs === 0 ? network : { ...network, tls: (network.tls ?? 0) + tlsMs * 1000 };
    const facts = setUpFacts(clock.nowUs() + network.queue, slower, names.get(origin));
    if (facts.dnsUs !== undefined) know(origin, facts.dnsUs);
    Object.assign(connection, { facts, paidBy });
    connection.settingUp.resolve(undefined);
    opened[origin] = (opened[origin] ?? 0) + 1;
    return facts;
  };
  const know = (origin: string, fromUs: number): void => {
    if (dnsTtlMs > 0) names.set(origin, { fromUs, untilUs: fromUs + dnsTtlMs * 1000 });
  };

  const send = async (request: HttpRequest, marks: HttpMarks): Promise<HttpResponse> => {
    const { origin } = new URL(request.url);
    const handler = handlers[origin];
    if (handler === undefined) throw unreachableHost(origin);
    request.signal?.throwIfAborted();
    if (request.fresh === true) pools.delete(origin);
    const pool = poolOf(origin);
    const found = pool.take(clock.nowUs());
    const connection = found ?? pool.open(request.context, clock.nowUs());
    let settled = false;
    const settle = (alive: boolean): void => {
      if (settled) return;
      settled = true;
      pool.release(connection, alive, clock.nowUs());
    };

    /** The connection's set-up: the exchange's own, or one that another exchange began. */
    const factsFor = async ({ networkUs }: ExchangePlan): Promise<ConnectionFacts> => {
      if (found !== undefined && connection.facts === undefined) await connection.settingUp.promise;
      return connection.facts ?? setUp(origin, connection, networkUs, request.context);
    };
    const until = async (atUs: number): Promise<void> => {
      const leftUs = atUs - clock.nowUs();
      if (leftUs > 0) await clock.sleep(leftUs / 1000, request.signal);
    };
    const arrive = async (plan: ExchangePlan): Promise<number> => {
      const { queue, send } = plan.networkUs;
      const startUs = clock.nowUs();
      if (plan.reused === undefined) strayed.add(origin);
      const captured = reuse === 'captured' && !strayed.has(origin) ? plan.reused : undefined;
      if (captured === true) connection.facts ??= { startUs };
      if (captured === false) setUp(origin, connection, plan.networkUs, request.context);
      const facts = captured === true ? undefined : await factsFor(plan);
      const { basis } = plan.networkUs;
      if (basis !== undefined && connection.paidBy === request.context && captured !== true) marks.setUpBasis = basis;
      const sendingUs = Math.max(startUs + queue, facts === undefined ? 0 : readyUsOf(facts));
      const bodySentUs = sendingUs + send;
      marks.protocol = speaksHttp2(origin) ? '2' : '1.1';
      marks.basis = plan.basis;
      if (captured === undefined) marks.paidBy = connection.paidBy;
      try {
        await until(sendingUs);
        request.onSending?.();
        await until(bodySentUs);
      } finally {
        const nowUs = clock.nowUs();
        const boundaries = boundariesOf({
          startUs: marks.startUs,
          connection: facts && factsUntil(facts, nowUs),
          ...(sendingUs > nowUs ? { failedUs: nowUs } : { sendingUs }),
          bodySentUs: bodySentUs > nowUs ? undefined : bodySentUs,
        });
        Object.assign(marks, boundaries);
        if (captured === true) marks.reused = true;
      }
      return bodySentUs;
    };
    /** Takes the time of the set-up's steps up to the one that fails. */
    const failSettingUp = async ({ phase }: ConnectFault): Promise<void> => {
      const startUs = clock.nowUs();
      const network = options.networkOf?.(request.context, origin) ?? { queue: 0, send: 0 };
      const facts = setUpFacts(startUs, network, undefined);
      const { dnsUs, connectedUs, tlsUs } = facts;
      const endUs = { dns: dnsUs, connect: connectedUs, tls: tlsUs }[phase] ?? startUs;
      await until(endUs);
      const connection: ConnectionFacts = { startUs };
      if (phase !== 'dns' && dnsUs !== undefined) connection.dnsUs = dnsUs;
      if (phase === 'tls' && connectedUs !== undefined) connection.connectedUs = connectedUs;
      Object.assign(marks, boundariesOf({ startUs: marks.startUs, connection, failedUs: clock.nowUs() }));
    };
    try {
      const response = await handler(request, {
        context: request.context,
        clock,
        signal: request.signal,
        arrive,
        ended: settle,
      });
      marks.headersUs = clock.nowUs();
      return response;
    } catch (error) {
      settle(false);
      connection.settingUp.resolve(undefined);
      if (error instanceof ConnectFault) await failSettingUp(error);
      throw error;
    }
  };

  const openAhead = async ({ origin, sockets, contexts }: AheadTarget, signal?: AbortSignal): Promise<void> => {
    const { networkOf } = options;
    const [first] = contexts;
    if (handlers[origin] === undefined || networkOf === undefined || first === undefined) return;
    const nowUs = clock.nowUs();
    let readyUs = nowUs;
    if (sockets === 0) {
      const known = names.get(origin);
      if (known !== undefined && known.untilUs > nowUs) return;
      readyUs += networkOf(first, origin).dns ?? 0;
      know(origin, readyUs);
    } else {
      const pool = poolOf(origin);
      const http2 = speaksHttp2(origin);
      const wanted = http2 ? 1 : sockets;
      const lasting = http2 || (keepAlive !== false && keepAlive.idleMs >= AHEAD_IDLE_MS);
      for (let index = pool.free(nowUs, lasting); index < wanted; index++) {
        const facts = setUp(origin, pool.open('ahead', nowUs), networkOf(contexts[index] ?? first, origin), 'ahead');
        readyUs = Math.max(readyUs, readyUsOf(facts));
      }
    }
    await clock.sleep((readyUs - nowUs) / 1000, signal).catch(() => undefined);
  };

  return {
    send,
    openAhead,
    opened: () => opened,
    inUse: () => [...pools.values()].reduce((sum, pool) => sum + pool.inUse(), 0),
    close: async () => pools.clear(),
  };
}

/** undici closes a connection 2 s before its server would, and reuses none that the server closes within 2 s. */
function withHint(keepAlive: SimTransportOptions['keepAlive'], hintS: number | undefined): typeof keepAlive {
  if (keepAlive === false || hintS === undefined) return keepAlive;
  return hintS <= 2 ? false : { idleMs: Math.min(keepAlive.idleMs, (hintS - 2) * 1000) };
}

function unreachableHost(origin: string): TypeError {
  const cause = Object.assign(new Error(`getaddrinfo ENOTFOUND ${origin}: no stand-in for it`), { code: 'ENOTFOUND' });
  return new TypeError('fetch failed', { cause });
}
