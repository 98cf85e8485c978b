/** The service's port: taken first of all, and answering 503 until the service is warm. */
import { createServer, STATUS_CODES, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import helmet from 'helmet';
import { InputError } from '../base/errors.ts';
import { fieldOf } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';
import { judgeRequest, type GuardRules, type Verdict } from './guard.ts';
import { LIMITS } from './limits.ts';
import { createLines, createUnread, type Lines } from './line.ts';
import { problemText, refuseAndClose, type Problem } from './problem.ts';
import { BAD_TARGET, headersFor, targetIn } from './target.ts';

export interface Handlers {
  request: RequestListener;
  /** A client asks for a WebSocket. */
  upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void;
}

export interface EntranceOptions {
  host: string;
  port: number;
  guard: GuardRules;
  clock: Pick<Clock, 'nowUs'>;
  /** Instead of those of `LIMITS`. */
  limits?: { stillMs?: number; unreadBytes?: number; connections?: number };
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

const PIPELINED_UPGRADE: Problem = {
  status: 400,
  title: 'Bad request',
  detail: 'a WebSocket was asked for before earlier requests of the connection were answered; open a connection for it',
  field: 'upgrade',
};

/** Heads come at once. A whole request has the time of an upload, and something to be answered in. */
const SLOWEST = {
  headersTimeout: 15_000,
  requestTimeout: LIMITS.uploadTime.value + 10_000,
  connectionsCheckingInterval: 5000,
};

const answeringAll = (problem: Problem): Handlers => ({
  request: (_request, response) => refuse(response, problem),
  upgrade: (_request, duplex) => refuseAndClose(duplex, problem),
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
export async function openEntrance({ guard, clock, limits = {}, ...address }: EntranceOptions): Promise<Entrance> {
  let handlers = answeringAll(WARMING_UP);
  const lines = createLines();
  const answer = (request: IncomingMessage, response: ServerResponse): void =>
    browserHeaders(request, response, () => {
      const verdict = judge(request, guard);
      if (verdict.kind === 'refuse') return refuse(response, verdict.problem);
      for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
      if (verdict.kind === 'preflight') response.writeHead(204).end();
      else handlers.request(request, response);
    });
  const connections = new Set<Socket>();
  const unread = createUnread(connections, { clock, limitBytes: limits.unreadBytes ?? LIMITS.unreadAnswers.value });
  const server = createServer({ shouldUpgradeCallback: asksForWebSocket, ...SLOWEST }, (request, response) => {
    unread.bound();
    lines.request(request.socket, response, () => answer(request, response));
  });
  server.timeout = limits.stillMs ?? LIMITS.stalledReader.value;
  server.on('timeout', (socket) => {
    // an answer that is still being made may take its time
    if (socket.writableLength > 0 || lines.first(socket) === undefined) socket.destroy();
  });
  const upgraded = new WeakSet<Duplex>();
  const mostConnections = limits.connections ?? LIMITS.openConnections.value;
  server.on('connection', (socket) => {
    if (connections.size >= mostConnections) makeRoom(connections, (each) => idleness(each, upgraded, lines));
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('upgrade', (request, duplex, head) => {
    upgraded.add(duplex);
    duplex.on('error', () => undefined); // a client may vanish during the handshake
    if (lines.first(duplex) !== undefined) return lines.last(duplex, () => refuseAndClose(duplex, PIPELINED_UPGRADE));
    const verdict = judge(request, guard);
    if (verdict.kind === 'refuse') refuseAndClose(duplex, verdict.problem);
    else handlers.upgrade(request, duplex, head);
  });
  server.on('connect', (_request, duplex) => {
    duplex.on('error', () => undefined);
    lines.last(duplex, () => refuseAndClose(duplex, BAD_TARGET));
  });
  server.on('clientError', (error, duplex) => {
    const answered = lines.first(duplex);
    // a body may be broken before its request is answered; what comes between others is not
    const mayAnswer = answered === undefined || (!answered.req.complete && !answered.headersSent);
    if (duplex.writable && mayAnswer) refuseAndClose(duplex, unreadable(error));
    else duplex.destroy();
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

/** 2: nothing is asked; 1: a request comes in; 0: it is answered, or is a WebSocket. */
function idleness(connection: Socket, upgraded: WeakSet<Duplex>, lines: Lines): 0 | 1 | 2 {
  if (upgraded.has(connection)) return 0;
  const answer = lines.first(connection);
  if (answer === undefined) return 2;
  return answer.req.complete ? 0 : 1;
}

/** Ends the oldest of the idlest connections of the address with the most of them. */
function makeRoom(connections: ReadonlySet<Socket>, idlenessOf: (connection: Socket) => number): void {
  const byAddress = Map.groupBy(connections, ({ remoteAddress }) => remoteAddress);
  const [most = []] = [...byAddress.values()].sort((a, b) => b.length - a.length);
  const [first] = most.toSorted((a, b) => idlenessOf(b) - idlenessOf(a));
  first?.destroy();
}

/** A client that offers another protocol, as Java's offers `h2c`, is answered as if it had not. */
function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** The guard's verdict. The request's target is its path from here on, though the request line named a host. */
function judge(request: IncomingMessage, guard: GuardRules): Verdict {
  const target = targetIn(request.url ?? '');
  if (target === undefined) return { kind: 'refuse', problem: BAD_TARGET };
  request.url = target.url;
  return judgeRequest({ ...target, method: request.method, headers: headersFor(request.headers, target) }, guard);
}

const STATUS_OF_ERROR: ReadonlyMap<unknown, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
]);

/** What came is no HTTP, too large, or was too slow. */
function unreadable(error: Error): Problem {
  const status = STATUS_OF_ERROR.get(fieldOf(error, 'code')) ?? 400;
  const detail = 'the request cannot be read as HTTP/1.1; send it with a client of HTTP';
  return { status, title: STATUS_CODES[status] ?? 'Bad request', detail };
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
