/** The network in virtual time: connection pools, names, set-up, upload. No socket is opened. */
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
  /** One stand-in per origin (`https://fal.run`). */
  handlers: Readonly<Record<string, Handler>>;
  /** Idle time after which a connection is closed; false: a new connection for every request. */
  keepAlive: { idleMs: number } | false;
  /** Requests to one origin share one connection. */
  http2?: boolean;
  /** How long a looked-up name stays known; 0 = every new connection looks it up. */
  dnsTtlMs?: number;
  /** Figures of a connection that is opened before the exchange that will use it. */
  networkOf?: (context: ExchangeContext, origin: string) => NetworkPlan;
  /**
   * Who decides whether a captured exchange finds its connection open: the capture (default: the arm's network knobs are
   * the captured ones), at an origin's first exchange that is not in the capture the pool from then on; or always the pools (the knobs differ).
   */
  reuse?: 'captured' | 'pool';
  /** How an origin's server treats its connections, where a scenario says. */
  switches?: (origin: string) => ConnectionSwitches;
}

export interface SimTransport extends Transport {
  /** Connections set up so far, by origin. */
  opened(): Readonly<Record<string, number>>;
  /** Exchanges that hold a connection: 0 when nothing was left behind. */
  inUse(): number;
}

/**
 * A transport on the clock. A connection goes back to its pool when its response's end has been sent and is closed when
 * the body is cancelled before that; over HTTP/2 a cancelled stream leaves it open, and a request that comes during its
 * set-up waits for the rest of it. Fills in `marks` in exact µs of the clock and calls the origin's handler.
 */
export function createSimTransport(options: SimTransportOptions): SimTransport {
  const { clock, handlers, keepAlive, dnsTtlMs = 0, reuse = 'captured' } = options;
  const switches = options.switches ?? ((): ConnectionSwitches => ({}));
  const speaksHttp2 = (origin: string): boolean => options.http2 === true && switches(origin).http2 !== false;
  const pools = new Map<string, ConnectionPool>();
  const names = new Map<string, KnownName>();
  const opened: Record<string, number> = {};
  /** Origins that have met what the capture does not hold: its connections are not theirs any more. */
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

    /** When the exchange's connection is ready: set up for it, or for another whose set-up it waits for. */
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
    /** The set-up takes its time as far as it goes. */
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

/** undici closes a connection 2 s before its server would, and uses none again of which the server says less. */
function withHint(keepAlive: SimTransportOptions['keepAlive'], hintS: number | undefined): typeof keepAlive {
  if (keepAlive === false || hintS === undefined) return keepAlive;
  return hintS <= 2 ? false : { idleMs: Math.min(keepAlive.idleMs, (hintS - 2) * 1000) };
}

function unreachableHost(origin: string): TypeError {
  const cause = Object.assign(new Error(`getaddrinfo ENOTFOUND ${origin}: no stand-in for it`), { code: 'ENOTFOUND' });
  return new TypeError('fetch failed', { cause });
}
