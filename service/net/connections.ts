/** Sockets to providers, seen from their first step on: who opened each, when its set-up steps ended, and some ahead. */
import { isIP, Socket, type LookupFunction } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import type { Clock, ExchangeContext } from '../base/ports.ts';
import type { ConnectionFacts } from './phases.ts';
import { lookupBy, type NameCache } from './resolver.ts';

export interface Connection {
  facts: ConnectionFacts;
  /** The exchange for which it was opened; absent when it was opened ahead of any. */
  openedBy?: ExchangeContext;
  protocol?: string;
  peerAddress?: string;
}

export interface ConnectorOptions {
  clock: Clock;
  allowH2: boolean;
  caPem?: string;
  lookup?: LookupFunction;
  /** Names that are known need no lookup. */
  names?: NameCache;
  /** The exchange on whose behalf undici asks for a socket. */
  opener(): ExchangeContext | undefined;
  opened(origin: string, connection: Connection): void;
}

export interface Connector {
  /** What undici's pools connect by: takes a socket opened ahead, or opens one. */
  connect: buildConnector.connector;
  /** Opens sockets to an origin until `sockets` wait there; resolves when they are ready. Failures are left to the first request. */
  openAhead(origin: string, sockets: number): Promise<number>;
  /** Gives up what waits at an origin: the next request opens its own. */
  forget(origin: string): void;
  close(): void;
}

interface Ahead {
  socket?: Socket;
  ready: Promise<Socket>;
}

/**
 * How long a socket that was opened ahead waits for its first request: a user may speak for long, and servers keep an idle
 * connection for a minute and more. One that was closed all the same is found out by its first request.
 */
export const AHEAD_IDLE_MS = 60_000;
/** An origin's spare sockets are few: as many as pieces are synthesized at once. */
const AHEAD_LIMIT = 8;

const connections = new WeakMap<object, Connection>();

/** What is known of a socket that a connector of ours opened; other sockets of the process are nobody's business. */
export function connectionOf(socket: object): Connection | undefined {
  return connections.get(socket);
}

export function createConnector(options: ConnectorOptions): Connector {
  const { clock, names } = options;
  const lookup = names === undefined ? options.lookup : lookupBy(names.resolve);
  const connect = buildConnector({
    allowH2: options.allowH2,
    // one for all: each socket would make its own, 0.1 to 0.2 ms of the event loop
    secureContext: createSecureContext({ ca: options.caPem }),
    lookup,
  });
  const ahead = new Map<string, Ahead[]>();
  const closed = new AbortController();

  const open = (
    target: buildConnector.Options,
    openedBy: ExchangeContext | undefined,
    done: Done,
  ): Socket | undefined => {
    const known = names?.known(target.hostname) !== undefined;
    const connection: Connection = {
      facts: { startUs: clock.nowUs(), looksUp: !known && isIP(target.hostname) === 0 },
      openedBy,
    };
    const socket: unknown = connect(target, (...[error, made]: CallbackArgs) => done(error, made ?? null));
    options.opened(originOf(target), connection);
    if (!(socket instanceof Socket)) return undefined;
    observe(socket, connection, clock);
    return socket;
  };
  const drop = (origin: string, one: Ahead): void => {
    const waiting = ahead.get(origin) ?? [];
    if (waiting.includes(one)) waiting.splice(waiting.indexOf(one), 1);
  };

  const one = (origin: string): Promise<boolean> => {
    const { protocol, host, hostname, port } = new URL(origin);
    const ready = Promise.withResolvers<Socket>();
    const spare: Ahead = { ready: ready.promise };
    const socket = open({ protocol, host, hostname, port }, undefined, (error, made) =>
      error === null && made !== null ? ready.resolve(made) : ready.reject(error),
    );
    if (socket !== undefined) spare.socket = socket;
    ahead.set(origin, [...(ahead.get(origin) ?? []), spare]);
    socket?.once('close', () => drop(origin, spare));
    clock.sleep(AHEAD_IDLE_MS, closed.signal).then(expire, expire);
    function expire(): void {
      if (ahead.get(origin)?.includes(spare) !== true) return;
      drop(origin, spare);
      spare.socket?.destroy();
    }
    return ready.promise.then(
      () => true,
      () => {
        drop(origin, spare);
        return false;
      },
    );
  };

  return {
    connect(target, callback) {
      const spare = ahead.get(originOf(target))?.shift();
      if (spare === undefined) return open(target, options.opener(), adapt(callback));
      spare.ready.then(
        (socket) => (socket.destroyed ? open(target, options.opener(), adapt(callback)) : callback(null, socket)),
        () => open(target, options.opener(), adapt(callback)),
      );
    },
    async openAhead(origin, sockets) {
      const missing = Math.min(sockets, AHEAD_LIMIT) - (ahead.get(origin)?.length ?? 0);
      const opening = Array.from({ length: Math.max(0, missing) }, () => one(origin));
      return (await Promise.all(opening)).filter(Boolean).length;
    },
    forget(origin) {
      for (const spare of ahead.get(origin)?.splice(0) ?? []) spare.socket?.destroy();
    },
    close: () => closed.abort(new Error('closed')),
  };
}

function originOf(target: buildConnector.Options): string {
  return `${target.protocol}//${target.host ?? target.hostname}`;
}

type CallbackArgs = Parameters<buildConnector.Callback>;
type Done = (error: Error | null, socket: Socket | null) => void;

function adapt(callback: buildConnector.Callback): Done {
  return (error, socket) => {
    if (error === null && socket !== null) callback(null, socket);
    else callback(error ?? new Error('no socket'), null);
  };
}

/** Prepended listeners: undici's own run on the same events and would send before ours had stamped them. */
function observe(socket: Socket, connection: Connection, clock: Clock): void {
  connections.set(socket, connection);
  const { facts } = connection;
  socket.prependListener('lookup', (error: Error | null) => {
    // a lookup that failed ends with the exchange that it fails
    if (facts.looksUp === true && error === null) facts.dnsUs ??= clock.nowUs();
  });
  socket.prependOnceListener('connect', () => {
    facts.connectedUs = clock.nowUs();
    connection.protocol = '1.1';
    if (socket.remoteAddress !== undefined) connection.peerAddress = socket.remoteAddress;
  });
  socket.prependOnceListener('secureConnect', () => {
    facts.tlsUs = clock.nowUs();
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') connection.protocol = '2';
  });
}
