/** Connections in virtual time: one origin's pool, with the set-up of each as facts that a phase can be read from. */
import type { ConnectionFacts } from '../service/net/phases.ts';
import type { HttpMarks } from '../service/ports.ts';
import type { NetworkPlan } from './plan.ts';

export interface PoolOptions {
  /** Idle time after which a connection is closed; false: a new connection for every request. */
  keepAlive: { idleMs: number } | false;
  /** Requests share one connection. */
  http2: boolean;
  /** How long a connection that was opened ahead waits for its first request. */
  aheadIdleMs: number;
}

export interface Connection {
  /** Who has it: at most one exchange, over HTTP/2 any number. */
  streams: number;
  idleSinceUs: number;
  /** No exchange has had it yet. */
  ahead: boolean;
  paidBy: NonNullable<HttpMarks['paidBy']>;
  /** Resolves when `facts` are there, or when its opener has gone without them. */
  settingUp: PromiseWithResolvers<undefined>;
  facts?: ConnectionFacts;
}

export interface ConnectionPool {
  /** A connection that an exchange may use now, in the order of their opening, those already used first. */
  take(nowUs: number): Connection | undefined;
  /** How many connections wait that were opened ahead; with `used`, how many a next exchange could have at all. */
  free(nowUs: number, used: boolean): number;
  open(paidBy: Connection['paidBy'], nowUs: number): Connection;
  /** Exchanges under way. */
  inUse(): number;
  /** An exchange lets go of it; `alive` says whether it outlives the exchange. */
  release(connection: Connection, alive: boolean, nowUs: number): void;
}

export function createConnectionPool({ keepAlive, http2, aheadIdleMs }: PoolOptions): ConnectionPool {
  let open: Connection[] = [];
  const prune = (nowUs: number): void => {
    open = open.filter(({ streams, ahead, idleSinceUs }) => {
      const idleMs = ahead ? aheadIdleMs : keepAlive === false ? 0 : keepAlive.idleMs;
      return streams > 0 || nowUs - idleSinceUs < idleMs * 1000;
    });
  };
  const usable = (nowUs: number): Connection[] => {
    prune(nowUs);
    return open.filter(({ streams }) => http2 || streams === 0);
  };
  return {
    take(nowUs) {
      const found = usable(nowUs);
      const connection = found.find(({ ahead }) => !ahead) ?? found[0];
      if (connection === undefined) return undefined;
      connection.streams++;
      connection.ahead = false;
      return connection;
    },
    free: (nowUs, used) => usable(nowUs).filter(({ ahead }) => used || ahead).length,
    open(paidBy, nowUs) {
      const ahead = paidBy === 'ahead';
      const settingUp = Promise.withResolvers<undefined>();
      const connection: Connection = { streams: ahead ? 0 : 1, idleSinceUs: nowUs, ahead, paidBy, settingUp };
      open.push(connection);
      return connection;
    },
    inUse: () => open.reduce((sum, { streams }) => sum + streams, 0),
    release(connection, alive, nowUs) {
      connection.streams--;
      connection.idleSinceUs = nowUs;
      const ready = connection.facts !== undefined && readyUsOf(connection.facts) <= nowUs;
      const outlives = http2 ? ready : alive && keepAlive !== false;
      if (!outlives && connection.streams === 0) open = open.filter((each) => each !== connection);
    },
  };
}

/** A name that was looked up: known from the answer on, until its time to live is over. */
export interface KnownName {
  fromUs: number;
  untilUs: number;
}

/** A set-up that begins at `startUs`; of a lookup that is under way only the rest is waited for. */
export function setUpFacts(startUs: number, network: NetworkPlan, name: KnownName | undefined): ConnectionFacts {
  const { dns, connect, tls } = network;
  const known = name !== undefined && name.untilUs > startUs;
  const looksUp = dns !== undefined && !(known && name.fromUs <= startUs);
  const facts: ConnectionFacts = { startUs, looksUp };
  let atUs = startUs;
  if (looksUp) facts.dnsUs = atUs = known ? name.fromUs : atUs + dns;
  if (connect !== undefined) facts.connectedUs = atUs += connect;
  if (tls !== undefined) facts.tlsUs = atUs += tls;
  return facts;
}

/** When a set-up is over. */
export function readyUsOf({ startUs, dnsUs, connectedUs, tlsUs }: ConnectionFacts): number {
  return tlsUs ?? connectedUs ?? dnsUs ?? startUs;
}

/** What of a set-up has happened by now. */
export function factsUntil(facts: ConnectionFacts, nowUs: number): ConnectionFacts | undefined {
  if (facts.startUs > nowUs) return undefined;
  const { dnsUs, connectedUs, tlsUs, ...seen } = facts;
  return {
    ...seen,
    ...(dnsUs === undefined || dnsUs > nowUs ? {} : { dnsUs }),
    ...(connectedUs === undefined || connectedUs > nowUs ? {} : { connectedUs }),
    ...(tlsUs === undefined || tlsUs > nowUs ? {} : { tlsUs }),
  };
}
