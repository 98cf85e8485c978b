/** The real transport: undici's fetch over own pools, whose sockets and requests show the phases. */
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnosticsChannel from 'node:diagnostics_channel';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { fetch as undiciFetch, Pool } from 'undici';
import type { Clock, ExchangeContext, HttpMarks, HttpRequest, Transport } from '../base/ports.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { AHEAD_IDLE_MS, connectionOf, createConnector, type Connection } from './connections.ts';
import { boundariesOf, type RequestFacts } from './phases.ts';
import { isPrivateAddress, PrivateAddressError, publicLookup } from './private-address.ts';
import { createNameCache, resolveBy, type Resolve } from './resolver.ts';

export interface RealTransportOptions {
  clock: Clock;
  network: Pick<Strategy['network'], 'keepAlive' | 'http2' | 'preResolve'>;
  /** PEM of a private certificate authority, trusted in place of the system's. */
  caPem?: string;
  lookup?: LookupFunction;
  /** Resolves names ahead. DNS itself by default. */
  resolve?: Resolve;
  /** Extra request headers by exchange: the stand-ins' draw keys. `live` sends none. */
  headersFor?: (context: ExchangeContext) => Readonly<Record<string, string>>;
}

interface Observed {
  context: ExchangeContext;
  facts: RequestFacts;
  clock: Clock;
  onSending: (() => void) | undefined;
  /** The connection that carried the request, or whose set-up was under way when the request failed. */
  connection?: Connection;
  /** The response's last byte was read. */
  onEnd?: () => void;
}

const current = new AsyncLocalStorage<Observed>();
const byRequest = new WeakMap<object, Observed>();
let subscribed = false;

/** A transport over real sockets, with its own connection pool for each origin. */
export function createRealTransport(options: RealTransportOptions): Transport {
  subscribeOnce();
  const { clock, caPem, lookup } = options;
  const { keepAlive, http2, preResolve } = options.network;
  const resolve = options.resolve ?? (lookup === undefined ? undefined : resolveBy(lookup));
  const names = preResolve ? createNameCache(clock, resolve) : undefined;
  const pools = new Map<string, Pool>();
  const newest = new Map<string, Connection>();
  const shared = {
    clock,
    allowH2: http2,
    caPem,
    opener: () => current.getStore()?.context,
    opened: (origin: string, connection: Connection) => {
      newest.set(origin, connection);
      const observed = current.getStore();
      if (observed !== undefined && connection.openedBy !== undefined) observed.connection = connection;
    },
  };
  const connector = createConnector({
    ...shared,
    lookup,
    names,
  });
  /** For URLs that a provider named: connects to public addresses only. */
  const publicConnector = createConnector({ ...shared, lookup: publicLookup(lookup) });
  const poolOf = (origin: string, publicOnly = false): Pool => {
    const key = publicOnly ? `public ${origin}` : origin;
    const known = pools.get(key);
    if (known !== undefined) return known;
    const pool = new Pool(origin, {
      allowH2: http2,
      pipelining: keepAlive === false ? 0 : 1,
      ...(keepAlive === false ? {} : { keepAliveTimeout: keepAlive.idleMs, keepAliveMaxTimeout: keepAlive.idleMs }),
      connect: (publicOnly ? publicConnector : connector).connect,
    });
    pools.set(key, pool);
    return pool;
  };
  /**
   * undici frees a connection one round of the event loop after its response's end. A request released by that end
   * would open another connection, so it waits for that round. The wait is its `queue`.
   */
  const freeing = new Map<string, Promise<void>>();
  const soonFree = (origin: string): void => {
    const free = setImmediate()
      .then(() => setImmediate())
      .then(() => {
        if (freeing.get(origin) === free) freeing.delete(origin);
      });
    freeing.set(origin, free);
  };
  /** Connections so far finish their requests and get no more. */
  const retire = (origin: string): void => {
    connector.forget(origin);
    for (const key of [origin, `public ${origin}`]) {
      pools
        .get(key)
        ?.close()
        .catch(() => undefined);
      pools.delete(key);
    }
  };

  return {
    async send(request: HttpRequest, marks: HttpMarks) {
      const { origin, hostname } = new URL(request.url);
      if (request.publicOnly === true && isIP(hostname) !== 0 && isPrivateAddress(hostname)) {
        throw new PrivateAddressError(hostname, hostname);
      }
      if (request.fresh === true) retire(origin);
      const { context, onSending } = request;
      const observed: Observed = { context, onSending, facts: { startUs: marks.startUs }, clock };
      if (keepAlive !== false && !http2) {
        observed.onEnd = () => soonFree(origin);
        await freeing.get(origin);
      }
      const headers = new Headers(request.headers);
      for (const [name, value] of Object.entries(options.headersFor?.(request.context) ?? {})) headers.set(name, value);
      try {
        const response = await current.run(observed, () =>
          undiciFetch(request.url, {
            method: request.method,
            headers: [...headers],
            dispatcher: poolOf(origin, request.publicOnly),
            redirect: 'manual',
            body: request.body,
            signal: request.signal,
          }),
        );
        const { status, statusText, body } = response;
        return { status, statusText, headers: new Headers([...response.headers]), body };
      } catch (error) {
        observed.facts.failedUs = clock.nowUs();
        throw error;
      } finally {
        const { facts } = observed;
        const connection = observed.connection ?? (facts.sendingUs === undefined ? newest.get(origin) : undefined);
        if (connection !== undefined) facts.connection = connection.facts;
        Object.assign(marks, boundariesOf(facts), connectionMarks(connection));
      }
    },
    async openAhead(target) {
      const { origin } = target;
      if (target.sockets === 0) return void (await names?.resolve(new URL(origin).hostname).catch(() => undefined));
      const { stats } = poolOf(origin);
      const lasting = keepAlive !== false && keepAlive.idleMs >= AHEAD_IDLE_MS;
      const ready = http2 ? stats.connected : lasting ? stats.free : 0;
      await connector.openAhead(origin, http2 ? 1 - ready : target.sockets - ready);
    },
    pools: () =>
      [...pools].map(([origin, { stats }]) => {
        const { connected, free, running, queued } = stats;
        return { origin, connected, free, running, queued };
      }),
    async close() {
      connector.close();
      publicConnector.close();
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

function connectionMarks(connection: Connection | undefined): Partial<HttpMarks> {
  if (connection === undefined) return { protocol: '1.1' };
  const { protocol = '1.1', peerAddress, openedBy } = connection;
  return {
    protocol,
    peerAddress,
    paidBy: openedBy ?? 'ahead',
  };
}

/** undici publishes to process-wide channels. Only requests that this module began are kept. */
function subscribeOnce(): void {
  if (subscribed) return;
  subscribed = true;
  on<{ request: object }>('undici:request:create', ({ request }) => {
    const observed = current.getStore();
    if (observed !== undefined) byRequest.set(request, observed);
  });
  on<{ request: object; socket: Socket }>('undici:client:sendHeaders', ({ request, socket }) => {
    const observed = byRequest.get(request);
    if (observed === undefined) return;
    observed.facts.sendingUs = observed.clock.nowUs();
    observed.onSending?.();
    const connection = connectionOf(socket);
    if (connection === undefined) delete observed.connection;
    else observed.connection = connection;
  });
  on<{ request: object }>('undici:request:bodySent', ({ request }) => {
    const observed = byRequest.get(request);
    if (observed !== undefined) observed.facts.bodySentUs ??= observed.clock.nowUs();
  });
  on<{ request: object; response: { statusCode: number } }>('undici:request:headers', ({ request, response }) => {
    const observed = byRequest.get(request);
    // 1xx only announces the answer
    if (observed !== undefined && response.statusCode >= 200) observed.facts.headersUs ??= observed.clock.nowUs();
  });
  on<{ request: object }>('undici:request:trailers', ({ request }) => byRequest.get(request)?.onEnd?.());
}

function on<Message>(channel: string, listener: (message: Message) => void): void {
  // undici documents the channels' messages, and alone publishes to them
  diagnosticsChannel.subscribe(channel, (message) => listener(message as Message));
}
