/** The service's HTTP routes: sessions, turns, figures and traces. For clients: docs/client.md. */
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { describeError } from '../base/errors.ts';
import { createByteBudget, type ByteBudget } from '../base/byte-budget.ts';
import { numberIn } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import { answerTurn, openingOf, type TurnStart } from './answer.ts';
import { checkApiKey } from './api-key.ts';
import { createUpload } from './body.ts';
import type { ClientOf } from './client-address.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import { LIMITS } from './limits.ts';
import { notFound, ProblemError, problemOf, sendProblem, sessionBusy } from './problem.ts';
import { windowIn, type ReadBack } from './read-back.ts';
import type { Registry, TurnRecord } from './registry.ts';
import type { Tickets } from './tickets.ts';

export interface ServerOptions {
  clock: Clock;
  registry: Registry;
  readBack: ReadBack;
  tickets: Tickets;
  /** For uploads and the audio of their turns. */
  memory: ByteBudget;
  /** Clients share the memory, and take turns. */
  clientOf: ClientOf;
  doorkeeper: Doorkeeper;
  metrics?: Pick<ServiceMetrics, 'contentType' | 'text'>;
  apiKey?: string;
  /** Gets internal errors, which never carry content. */
  onError: (error: unknown) => void;
  /** A client went away before its request was here in whole. */
  onAbandoned: () => void;
}

const JSON_LIMIT = '256kb';

/** The express app. The caller listens, and serves WebSockets beside it. */
export function createServer(options: ServerOptions): Express {
  const { clock, registry, readBack, tickets, memory, clientOf, doorkeeper, metrics, apiKey, onError, onAbandoned } =
    options;
  const largeUploads = createByteBudget(LIMITS.largeUploads.value);
  const app = express();
  /** Sessions with an upload, until its turn is over. */
  const uploading = new Set<string>();
  app.disable('x-powered-by');
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok', sessions: registry.count() }));
  if (metrics !== undefined) {
    // behind the key, as /v1 is: who calls what, and how often, is not for everybody
    app.get('/metrics', async (request, response) => {
      checkApiKey(request.headers.authorization, apiKey);
      response.type(metrics.contentType).send(await metrics.text());
    });
  }
  app.use('/v1', (request, _response, next) => {
    checkApiKey(request.headers.authorization, apiKey);
    next();
  });
  app.post('/v1/sessions', express.json({ limit: JSON_LIMIT }), (request, response) => {
    refuseOtherThanJson(request);
    doorkeeper.admit('session');
    const session = registry.create(request.body ?? {});
    response.status(201).location(`/v1/sessions/${session.id}`).json({ id: session.id });
  });
  app.get('/v1/sessions/:id', async (request, response) => {
    response.json(await readBack.session(request.params.id, windowIn(request.query)));
  });
  app.get('/v1/sessions/:id/turns/:index', async (request, response) => {
    sendTurn(response, await readBack.turn(request.params.id, request.params.index));
  });
  app.delete('/v1/sessions/:id', async (request, response) => {
    if (!(await readBack.erase(request.params.id))) throw notFound('there is no such session, open or captured');
    response.status(204).end();
  });
  app.post('/v1/sessions/:id/close', async (request, response) => {
    await registry.close(request.params.id);
    response.status(204).end();
  });
  app.post('/v1/sessions/:id/turns', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    doorkeeper.admit('turn');
    if (uploading.has(session.id)) throw sessionBusy('an upload of this session is here; wait for its turn to be done');
    const upload = createUpload({ clock, client: clientOf(request), memory, largeUploads });
    const readStart = async (): Promise<TurnStart> => {
      const audio = await upload.read(request);
      registry.get(session.id); // the session may have been erased in the meantime
      return { audio };
    };
    uploading.add(session.id);
    try {
      await answerTurn({ session, clock, request, response, readStart, onError });
    } finally {
      uploading.delete(session.id);
      upload.giveBack();
    }
  });
  app.post('/v1/sessions/:id/greeting', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    await answerTurn({ session, clock, request, response, readStart: () => openingOf(session), onError });
  });
  app.post('/v1/sessions/:id/ticket', (request, response) => {
    const { id } = request.params;
    // asking for a ticket is no use of the session, which would keep it open
    if (registry.find(id) === undefined) throw notFound('there is no such session; open another one');
    response.status(201).set('cache-control', 'no-store').json(tickets.issue(id));
  });
  app.get('/v1/sessions/:id/stream', () => {
    const detail = 'this path speaks WebSocket; connect to it with ws:// or wss://';
    const headers = { upgrade: 'websocket', connection: 'upgrade' };
    throw new ProblemError({ status: 426, title: 'Upgrade required', detail, headers });
  });
  app.get('/v1/turns/:traceId', (request, response) => {
    sendTurn(response, registry.turn(request.params.traceId));
  });
  const methods = {
    '/healthz': 'GET',
    '/metrics': 'GET',
    '/v1/sessions': 'POST',
    '/v1/sessions/:id': 'GET, DELETE',
    '/v1/sessions/:id/close': 'POST',
    '/v1/sessions/:id/turns': 'POST',
    '/v1/sessions/:id/greeting': 'POST',
    '/v1/sessions/:id/ticket': 'POST',
    '/v1/sessions/:id/stream': 'GET',
    '/v1/sessions/:id/turns/:index': 'GET',
    '/v1/turns/:traceId': 'GET',
  };
  for (const [path, allow] of Object.entries(methods)) {
    app.all(path, () => {
      throw new ProblemError({
        status: 405,
        title: 'Method not allowed',
        detail: `this path takes ${allow}`,
        headers: { allow },
      });
    });
  }
  app.use((request) => {
    throw notFound(`there is nothing at ${request.method} ${request.path.slice(0, 120)}`);
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    // nobody is there to be answered, and nothing failed here
    if (request.errored !== null) return onAbandoned();
    const problem = problemOf(fromExpress(error));
    // a turn's failure is a `ProblemError`, and was reported where the turn ended
    if (problem.status === 500 && !(error instanceof ProblemError)) onError(error);
    sendProblem(response, problem);
  });
  return app;
}

function sendTurn(response: Response, { summary, trace }: TurnRecord): void {
  const { traceId, sessionId, turnIndex, e2eUs, firstAudioByteUs, ledger } = summary;
  response.json({ traceId, sessionId, turnIndex, e2eUs, firstAudioByteUs, ledger, summary, trace });
}

/** A page of another origin may send other types without asking; no body at all is a session with nothing but defaults. */
function refuseOtherThanJson(request: Request): void {
  const { 'content-type': type, 'content-length': length = '0', 'transfer-encoding': chunks } = request.headers;
  if (typeof request.is('application/json') === 'string') return;
  if (type === undefined && chunks === undefined && length === '0') return;
  const found = type === undefined ? 'without a type' : JSON.stringify(type.slice(0, 60));
  throw new ProblemError({
    status: 415,
    title: 'Unsupported type',
    detail: `the body must be application/json, not ${found}; send it with the header content-type: application/json`,
    field: 'content-type',
  });
}

/** The problem in an error of express or its body parser, which carries a status; any other error as it is. */
function fromExpress(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ProblemError) return error;
  const status = numberIn(error, 'status') ?? 500;
  if (status >= 500) return error;
  const title = 'Bad request';
  if (error instanceof URIError) {
    return new ProblemError({
      status: 400,
      title,
      detail: 'the path cannot be decoded; write % as %25',
      field: 'path',
    });
  }
  const field = 'body';
  if (status === 413) {
    const detail = `the JSON body is larger than ${JSON_LIMIT}`;
    return new ProblemError({ status, title, detail, field, limit: JSON_LIMIT });
  }
  const detail =
    status === 400 ? 'the body is not valid JSON' : `the body cannot be read: ${describeError(error, 120)}`;
  return new ProblemError({ status, title, detail, field });
}
