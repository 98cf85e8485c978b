/** Sockets to providers: who opened each, and when its set-up steps ended. Some are opened ahead. */
import { isIP, Socket, type LookupFunction } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import type { Clock, ExchangeContext } from '../base/ports.ts';
import type { ConnectionFacts } from './phases.ts';
import { lookupBy, type NameCache } from './resolver.ts';

export interface Connection {
  facts: ConnectionFacts;
  /** The exchange for which the socket was opened. Absent for one opened ahead. */
  openedBy?: ExchangeContext;
  protocol?: string;
  peerAddress?: string;
}

export interface ConnectorOptions {
  clock: Clock;
  allowH2: boolean;
  caPem?: string;
  lookup?: LookupFunction;
  /** Known names need no lookup. */
  names?: NameCache;
  /** The exchange for which undici asks for a socket now. */
  opener(): ExchangeContext | undefined;
  opened(origin: string, connection: Connection): void;
}

export interface Connector {
  /** For undici's pools: takes a socket opened ahead, or opens one. */
  connect: buildConnector.connector;
  /**
   * Opens sockets until `sockets` wait at the origin. Resolves with how many became ready. The first request meets
   * failures.
   */
  openAhead(origin: string, sockets: number): Promise<number>;
  /** Closes the sockets that wait at an origin: the next request opens its own. */
  forget(origin: string): void;
  close(): void;
}

interface Ahead {
  socket?: Socket;
  ready: Promise<Socket>;
}

/**
 * A socket opened ahead waits this long for its first request. A user may speak for long, and servers keep an idle
 * connection for a minute or more. The first request notices a socket that was closed all the same.
 */
export const AHEAD_IDLE_MS = 60_000;
/** At one origin: pieces that are synthesized at once are fewer. */
const AHEAD_LIMIT = 8;

const connections = new WeakMap<object, Connection>();

/** The facts of a socket that one of these connectors opened. Undefined for other sockets of the process. */
export function connectionOf(socket: object): Connection | undefined {
  return connections.get(socket);
}

export function createConnector(options: ConnectorOptions): Connector {
  const { clock, names } = options;
  const lookup = names === undefined ? options.lookup : lookupBy(names.resolve);
  const connect = buildConnector({
    allowH2: options.allowH2,
    // shared: a context for each socket takes 0.1 to 0.2 ms of the event loop
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

/** The listeners are prepended: undici's run on the same events, and would send before the events are stamped. */
function observe(socket: Socket, connection: Connection, clock: Clock): void {
  connections.set(socket, connection);
  const { facts } = connection;
  socket.prependListener('lookup', (error: Error | null) => {
    // a failed lookup ends together with its exchange
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
