/** The service's HTTP routes: sessions, turns, figures and traces. For clients: docs/client.md. */
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { numberIn } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import { answerTurn, openingOf, type TurnStart } from './answer.ts';
import { checkApiKey } from './api-key.ts';
import { readAudioBody } from './body.ts';
import { notFound, ProblemError, problemOf, sendProblem } from './problem.ts';
import type { ReadBack } from './read-back.ts';
import type { Registry, TurnRecord } from './registry.ts';

export interface ServerOptions {
  clock: Clock;
  registry: Registry;
  readBack: ReadBack;
  metrics?: Pick<ServiceMetrics, 'contentType' | 'text'>;
  apiKey?: string;
  /** Gets internal errors. They never carry content. */
  onError: (error: unknown) => void;
}

const JSON_LIMIT = '256kb';

/** The express app. The caller listens, and serves WebSockets beside it. */
export function createServer({ clock, registry, readBack, metrics, apiKey, onError }: ServerOptions): Express {
  const app = express();
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
    const session = registry.create(request.body ?? {});
    response.status(201).location(`/v1/sessions/${session.id}`).json({ id: session.id });
  });
  app.get('/v1/sessions/:id', async (request, response) => {
    response.json(await readBack.session(request.params.id));
  });
  app.get('/v1/sessions/:id/turns/:index', async (request, response) => {
    sendTurn(response, await readBack.turn(request.params.id, request.params.index));
  });
  app.delete('/v1/sessions/:id', async (request, response) => {
    if (!(await registry.erase(request.params.id))) throw notFound('there is no such session, open or captured');
    response.status(204).end();
  });
  app.post('/v1/sessions/:id/turns', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    const readStart = async (): Promise<TurnStart> => {
      const audio = await readAudioBody(request, clock);
      registry.get(session.id); // it may have been erased in the meantime
      return { audio };
    };
    await answerTurn({ session, request, response, readStart, onError });
  });
  app.post('/v1/sessions/:id/greeting', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    await answerTurn({ session, request, response, readStart: () => openingOf(session), onError });
  });
  app.get('/v1/turns/:traceId', (request, response) => {
    sendTurn(response, registry.turn(request.params.traceId));
  });
  const methods = {
    '/v1/sessions': 'POST',
    '/v1/sessions/:id': 'GET, DELETE',
    '/v1/sessions/:id/turns': 'POST',
    '/v1/sessions/:id/greeting': 'POST',
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
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
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

/** The problem in an error of express or its body parser, which carries a status; any other error as it is. */
function fromExpress(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ProblemError) return error;
  const status = numberIn(error, 'status') ?? 500;
  if (status >= 500) return error;
  const title = 'Bad request';
  const field = 'body';
  if (status === 413) {
    const detail = `the JSON body is larger than ${JSON_LIMIT}`;
    return new ProblemError({ status, title, detail, field, limit: JSON_LIMIT });
  }
  const detail = status === 400 ? 'the body is not valid JSON' : 'the request cannot be read';
  return new ProblemError({ status, title, detail, field });
}
