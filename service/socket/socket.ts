/** The WebSocket side: a microphone's frames up at the speaker's pace, events and reply audio down. */
import type { IncomingMessage } from 'node:http';
import { WebSocketServer } from 'ws';
import type { ByteBudget } from '../base/byte-budget.ts';
import type { Clock } from '../base/ports.ts';
import type { Session } from '../turn/session.ts';
import { checkApiKey } from '../http/api-key.ts';
import type { ClientOf } from '../http/client-address.ts';
import type { Doorkeeper } from '../http/doorkeeper.ts';
import type { Handlers } from '../http/entrance.ts';
import { LIMITS } from '../http/limits.ts';
import { notFound, problemOf, ProblemError, refuseAndClose } from '../http/problem.ts';
import type { Registry } from '../http/registry.ts';
import { STOPPING, talk } from './talk.ts';
import type { Tickets } from '../http/tickets.ts';

/** How often conversations look at the time. */
const TICK_MS = 1000;

/** A constant of its own, since the types of ws lack `closeTimeout` and `maxFragments`. */
const SERVER_OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: LIMITS.messageBytes.value,
  maxFragments: LIMITS.fragments.value,
  // then the turn ends, and its capture and spans have the rest of the 2 s of close
  closeTimeout: LIMITS.closing.value,
};

export interface SocketOptions {
  clock: Clock;
  registry: Registry;
  tickets: Tickets;
  /** For the audio of turns. */
  memory: ByteBudget;
  clientOf: ClientOf;
  doorkeeper: Doorkeeper;
  apiKey?: string;
  onError: (error: unknown) => void;
}

export interface Sockets {
  /** A client's request for a WebSocket. */
  upgrade: Handlers['upgrade'];
  /** A client that begins a turn is told that the service stops (1001). Running turns go on. */
  refuseNew(): void;
  /** Tells every client that the service stops (1001). */
  close(): void;
}

/** Serves `/v1/sessions/:id/stream`. */
export function createSockets({ apiKey, tickets, ...options }: SocketOptions): Sockets {
  const { registry } = options;
  const sockets = new WebSocketServer(SERVER_OPTIONS);
  const talks = new Set<{ session: Session; tick: () => boolean }>();
  const closing = new AbortController();
  let refusing = false;
  const tickOn = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await options.clock.sleep(TICK_MS, closing.signal).catch(() => undefined);
      // turns that fell silent in one second would otherwise end in one round of the event loop
      for (const { tick } of talks) if (tick()) await options.clock.giveWay(0);
    }
  };
  void tickOn();
  return {
    upgrade(request, duplex, head) {
      try {
        const session = sessionFor(request, { registry, tickets, apiKey });
        options.doorkeeper.admit('connection');
        const ofSession = [...talks].filter((each) => each.session === session);
        if (ofSession.length >= LIMITS.connections.value) throw tooManyConnections();
        const client = options.clientOf(request);
        sockets.handleUpgrade(request, duplex, head, (socket) => {
          const connected = { session, tick: talk(socket, session, { ...options, client, refusing: () => refusing }) };
          talks.add(connected);
          socket.on('close', () => talks.delete(connected));
        });
      } catch (error) {
        refuseAndClose(duplex, problemOf(error));
      }
    },
    refuseNew: () => void (refusing = true),
    close() {
      closing.abort(new Error(STOPPING));
      for (const socket of sockets.clients) socket.close(1001, STOPPING);
      sockets.close();
    },
  };
}

function sessionFor(
  { url, headers }: IncomingMessage,
  { registry, tickets, apiKey }: Pick<SocketOptions, 'registry' | 'tickets' | 'apiKey'>,
): Session {
  const [, id, query = ''] = /^\/v1\/sessions\/([\w.-]+)\/stream(?:\?(.*))?$/.exec(url ?? '') ?? [];
  if (id === undefined) throw notFound('sockets are served at /v1/sessions/:id/stream');
  const ticket = new URLSearchParams(query).get('ticket');
  if (ticket === null) checkApiKey(headers.authorization, apiKey);
  else tickets.use(ticket, id);
  return registry.get(id);
}

function tooManyConnections(): ProblemError {
  const limit = `${LIMITS.connections.value} ${LIMITS.connections.unit}`;
  const detail = `the session has ${limit}; close one, or open another session`;
  return new ProblemError({ status: 409, title: 'Too many connections', detail, limit });
}
