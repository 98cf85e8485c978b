/** Connections in virtual time: one origin's pool, and the set-up of each connection as facts for phases. */
import type { ConnectionFacts } from '../../service/net/phases.ts';
import type { HttpMarks } from '../../service/base/ports.ts';
import type { NetworkPlan } from '../times/plan.ts';

export interface PoolOptions {
  /** A connection closes after this idle time. False: a new connection for every request. */
  keepAlive: { idleMs: number } | false;
  /** Requests share one connection. */
  http2: boolean;
  /** How long a connection that was opened ahead waits for its first request. */
  aheadIdleMs: number;
}

export interface Connection {
  /** Exchanges on the connection: at most one, over HTTP/2 any number. */
  streams: number;
  closed: boolean;
  idleSinceUs: number;
  paidBy: NonNullable<HttpMarks['paidBy']>;
  /** Resolves when `facts` are set, or when the opener gave up without them. */
  settingUp: PromiseWithResolvers<undefined>;
  facts?: ConnectionFacts;
}

export interface ConnectionPool {
  /** A connection for an exchange. Undefined: the exchange must open one. */
  take(nowUs: number): Connection | undefined;
  /** Connections opened ahead that still wait. With `used`: all that are open and idle. */
  free(nowUs: number, used: boolean): number;
  open(paidBy: Connection['paidBy'], nowUs: number): Connection;
  /** Exchanges under way. */
  inUse(): number;
  /** Ends an exchange's use of a connection. `alive`: the connection may serve another. */
  release(connection: Connection, alive: boolean, nowUs: number): void;
}

/**
 * Like undici's pools without a limit. An exchange goes to the first free place, in the order of their making. A place whose
 * connection has closed takes one that was opened ahead, or opens one, even where a later place has an open connection.
 */
export function createConnectionPool({ keepAlive, http2, aheadIdleMs }: PoolOptions): ConnectionPool {
  const idleMs = keepAlive === false ? 0 : keepAlive.idleMs;
  const places: Connection[] = [];
  let waiting: Connection[] = [];
  const isOpen = ({ streams, closed, idleSinceUs }: Connection, nowUs: number): boolean =>
    !closed && (streams > 0 || nowUs - idleSinceUs < idleMs * 1000);
  const firstFree = (): number => {
    const place = places.findIndex(({ streams }) => http2 || streams === 0);
    return place === -1 ? places.length : place;
  };
  const unused = (nowUs: number): Connection[] =>
    (waiting = waiting.filter(({ idleSinceUs }) => nowUs - idleSinceUs < aheadIdleMs * 1000));
  return {
    take(nowUs) {
      const place = firstFree();
      const own = places[place];
      const connection = own !== undefined && isOpen(own, nowUs) ? own : unused(nowUs).shift();
      if (connection === undefined) return undefined;
      places[place] = connection;
      connection.streams++;
      return connection;
    },
    free: (nowUs, used) => {
      const idle = places.filter((each) => (http2 || each.streams === 0) && isOpen(each, nowUs));
      return unused(nowUs).length + (used ? idle.length : 0);
    },
    open(paidBy, nowUs) {
      const ahead = paidBy === 'ahead';
      const settingUp = Promise.withResolvers<undefined>();
      const connection: Connection = { streams: ahead ? 0 : 1, closed: false, idleSinceUs: nowUs, paidBy, settingUp };
      if (ahead) waiting.push(connection);
      else places[firstFree()] = connection;
      return connection;
    },
    inUse: () => places.reduce((sum, { streams }) => sum + streams, 0),
    release(connection, alive, nowUs) {
      connection.streams--;
      connection.idleSinceUs = nowUs;
      const ready = connection.facts !== undefined && readyUsOf(connection.facts) <= nowUs;
      const outlives = http2 ? ready : alive && keepAlive !== false;
      if (!outlives && connection.streams === 0) connection.closed = true;
    },
  };
}

/** A looked-up name, known from the answer until its time to live ends. */
export interface KnownName {
  fromUs: number;
  untilUs: number;
}

/** A set-up from `startUs` on. Of a lookup that is under way the set-up waits only for the rest. */
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

export function readyUsOf({ startUs, dnsUs, connectedUs, tlsUs }: ConnectionFacts): number {
  return tlsUs ?? connectedUs ?? dnsUs ?? startUs;
}

/** The steps of a set-up that have ended by now. */
export function factsUntil(facts: ConnectionFacts, nowUs: number): ConnectionFacts | undefined {
  if (facts.startUs > nowUs) return undefined;
  const { dnsUs, connectedUs, tlsUs } = facts;
  const past = (atUs: number | undefined): number | undefined =>
    atUs === undefined || atUs > nowUs ? undefined : atUs;
  return { ...facts, dnsUs: past(dnsUs), connectedUs: past(connectedUs), tlsUs: past(tlsUs) };
}
