/** The real transport: undici's fetch with an Agent of its own, and the phases that its sockets show. */
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnosticsChannel from 'node:diagnostics_channel';
import type { LookupFunction, Socket } from 'node:net';
import { Agent, fetch as undiciFetch } from 'undici';
import type { Clock, ExchangeContext, HttpMarks, HttpRequest, Transport } from '../ports.ts';
import type { Strategy } from '../strategy.ts';
import { boundariesOf, type ConnectionFacts, type RequestFacts } from './phases.ts';

export interface RealTransportOptions {
  clock: Clock;
  keepAlive: Strategy['network']['keepAlive'];
  /** PEM of a private certificate authority, trusted beside the system's. */
  caPem?: string;
  lookup?: LookupFunction;
  /** Extra request headers by exchange. Stand-ins get their draw keys so; `live` sends none. */
  headersFor?: (context: ExchangeContext) => Readonly<Record<string, string>>;
}

interface Observed {
  facts: RequestFacts;
  clock: Clock;
  socket?: SocketFacts;
}
interface SocketFacts {
  connection: ConnectionFacts;
  protocol?: string;
  peerAddress?: string;
}

const current = new AsyncLocalStorage<Observed>();
const byRequest = new WeakMap<object, Observed>();
const bySocket = new WeakMap<object, SocketFacts>();
let subscribed = false;

/** A transport over real sockets, with its own connection pool. HTTP/1.1, as Node 24's own fetch. */
export function createRealTransport(options: RealTransportOptions): Transport {
  subscribeOnce(options.clock);
  const { keepAlive } = options;
  const agent = new Agent({
    allowH2: false,
    pipelining: keepAlive === false ? 0 : 1,
    ...(keepAlive === false ? {} : { keepAliveTimeout: keepAlive.idleMs, keepAliveMaxTimeout: keepAlive.idleMs }),
    connect: {
      ...(options.caPem === undefined ? {} : { ca: options.caPem }),
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    },
  });

  return {
    async send(request: HttpRequest, marks: HttpMarks) {
      const observed: Observed = { facts: { startUs: marks.startUs }, clock: options.clock };
      const headers = new Headers(request.headers);
      for (const [name, value] of Object.entries(options.headersFor?.(request.context) ?? {})) headers.set(name, value);
      try {
        const response = await current.run(observed, () =>
          undiciFetch(request.url, {
            method: request.method,
            headers: [...headers],
            dispatcher: agent,
            redirect: 'error',
            ...(request.body === undefined ? {} : { body: request.body }),
            ...(request.signal === undefined ? {} : { signal: request.signal }),
          }),
        );
        return new Response(response.body, {
          status: response.status,
          statusText: response.statusText,
          headers: [...response.headers],
        });
      } finally {
        Object.assign(marks, boundariesOf(observed.facts));
        marks.protocol = observed.socket?.protocol ?? '1.1';
        if (observed.socket?.peerAddress !== undefined) marks.peerAddress = observed.socket.peerAddress;
      }
    },
    close: () => agent.destroy(),
  };
}

/** undici and net publish to process-wide channels; only exchanges that this module began are kept. */
function subscribeOnce(clock: Clock): void {
  if (subscribed) return;
  subscribed = true;
  on<{ socket: Socket }>('net.client.socket', ({ socket }) => {
    const facts: SocketFacts = { connection: { startUs: clock.nowUs() } };
    bySocket.set(socket, facts);
    const { connection } = facts;
    // prepended: undici's own handlers run on the same events and would send before ours had stamped them
    socket.prependOnceListener('lookup', (_error: unknown, _address: unknown, family: unknown, host: unknown) => {
      if (family !== null && host !== undefined) connection.dnsUs = clock.nowUs();
    });
    socket.prependOnceListener('connect', () => {
      connection.connectedUs = clock.nowUs();
      if (socket.remoteAddress !== undefined) facts.peerAddress = socket.remoteAddress;
    });
    socket.prependOnceListener('secureConnect', () => {
      connection.tlsUs = clock.nowUs();
    });
  });
  on<{ request: object }>('undici:request:create', ({ request }) => {
    const observed = current.getStore();
    if (observed !== undefined) byRequest.set(request, observed);
  });
  on<{ request: object; socket: Socket }>('undici:client:sendHeaders', ({ request, socket }) => {
    const observed = byRequest.get(request);
    if (observed === undefined) return;
    const facts = bySocket.get(socket);
    observed.facts.sendingUs = observed.clock.nowUs();
    if (facts === undefined) return;
    observed.facts.connection = facts.connection;
    observed.socket = facts;
  });
  on<{ request: object }>('undici:request:bodySent', ({ request }) => {
    const observed = byRequest.get(request);
    if (observed !== undefined) observed.facts.bodySentUs ??= observed.clock.nowUs();
  });
  on<{ request: object }>('undici:request:headers', ({ request }) => {
    const observed = byRequest.get(request);
    if (observed !== undefined) observed.facts.headersUs ??= observed.clock.nowUs();
  });
}

function on<Message>(channel: string, listener: (message: Message) => void): void {
  // the channels' messages are documented by Node and undici; nothing else publishes to them
  diagnosticsChannel.subscribe(channel, (message) => listener(message as Message));
}
