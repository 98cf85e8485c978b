/** The service's port: taken first of all, and answering 503 until the service is warm. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import helmet from 'helmet';
import { InputError } from '../base/errors.ts';
import { judgeRequest, type GuardRules } from './guard.ts';
import { problemText, refuseUpgrade, type Problem } from './problem.ts';

export interface Handlers {
  request: RequestListener;
  /** A client asks for a WebSocket. */
  upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void;
}

export interface EntranceOptions {
  host: string;
  port: number;
  guard: GuardRules;
}

export interface Entrance {
  readonly url: string;
  /** From now on requests and upgrades go there. */
  open(handlers: Handlers): void;
  /** New requests and upgrades get 503. Those under way go on. */
  refuseNew(): void;
  /** Takes no more connections, and cuts the requests that are being answered. WebSockets stay: their owner tells the clients. */
  shut(): void;
  /** Cuts all connections that are left. */
  close(): void;
}

const WARMING_UP: Problem = {
  status: 503,
  title: 'Warming up',
  detail: 'the service warms up and will answer in some seconds; try again',
  headers: { 'retry-after': '1' },
};

const STOPPING: Problem = {
  status: 503,
  title: 'Stopping',
  detail: 'the service ends its running turns and stops; try another one, or again in some seconds',
  headers: { 'retry-after': '5' },
};

const answeringAll = (problem: Problem): Handlers => ({
  request: (_request, response) => refuse(response, problem),
  upgrade: (_request, duplex) => refuseUpgrade(duplex, problem),
});

/** The answers are data: a browser that shows one runs nothing of it, in no frame. TLS is the business of a proxy. */
const browserHeaders = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  strictTransportSecurity: false,
});

/**
 * Takes the port. A request that the guard refuses reaches no handler. Throws `InputError`, one line that says what to set, where the
 * address cannot be had.
 */
export async function openEntrance({ guard, ...address }: EntranceOptions): Promise<Entrance> {
  let handlers = answeringAll(WARMING_UP);
  const server = createServer({ shouldUpgradeCallback: asksForWebSocket }, (request, response) =>
    browserHeaders(request, response, () => {
      const verdict = judgeRequest(request, guard);
      if (verdict.kind === 'refuse') return refuse(response, verdict.problem);
      for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
      if (verdict.kind === 'preflight') response.writeHead(204).end();
      else handlers.request(request, response);
    }),
  );
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('upgrade', (request, duplex, head) => {
    duplex.on('error', () => undefined); // a client may vanish during the handshake
    const verdict = judgeRequest(request, guard);
    if (verdict.kind === 'refuse') refuseUpgrade(duplex, verdict.problem);
    else handlers.upgrade(request, duplex, head);
  });
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, address);
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const shut = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`,
    open: (to) => void (handlers = to),
    refuseNew: () => void (handlers = answeringAll(STOPPING)),
    shut,
    close() {
      shut();
      for (const socket of connections) socket.destroy();
    },
  };
}

/** A client that offers another protocol, as Java's offers `h2c`, is answered as if it had not. */
function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** The rest of the request is not waited for. */
function refuse(response: ServerResponse, problem: Problem): void {
  response
    .writeHead(problem.status, {
      ...problem.headers,
      'content-type': 'application/problem+json; charset=utf-8',
      connection: 'close',
    })
    .end(problemText(problem));
}

/** Why an address cannot be had, and what to set. Any other error is returned as it is. */
export function listenError(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const message = error instanceof Error && 'code' in error ? reasonOf(String(error.code), host, port) : undefined;
  return message === undefined ? error : new InputError(message);
}

function reasonOf(code: string, host: string, port: number): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is taken; stop what listens there, or set RETAKE_PORT to another port (0: any free port)`;
    case 'EACCES':
      return `port ${port} is not for this user, as ports below 1024 usually are; set RETAKE_PORT=8080`;
    case 'EADDRNOTAVAIL':
      return `RETAKE_HOST=${host} is no address of this machine; set RETAKE_HOST=127.0.0.1, or 0.0.0.0 for every address`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `RETAKE_HOST=${host} cannot be looked up; set RETAKE_HOST=127.0.0.1, or an address of this machine`;
    default:
      return undefined;
  }
}
