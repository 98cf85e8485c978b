/** The HTTP side of the service: sessions, uploads that are answered while the reply is made, figures and traces. */
import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { InvariantError } from '../base/errors.ts';
import type { Clock, ReplySink } from '../base/ports.ts';
import type { EventSink } from '../base/events.ts';
import { OPENING } from '../turn/greeting.ts';
import type { Session, TurnRequest } from '../turn/session.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import { readAudioBody } from './body.ts';
import { ProblemError, problemOf, sendProblem, statusOfFailure } from './problem.ts';
import type { ReadBack } from './read-back.ts';
import type { Registry, TurnRecord } from './registry.ts';

export interface ServerOptions {
  clock: Clock;
  registry: Registry;
  readBack: ReadBack;
  /** What `/metrics` says. */
  metrics?: Pick<ServiceMetrics, 'contentType' | 'text'>;
  apiKey?: string;
  /** Errors that are ours; never carries content. */
  onError: (error: unknown) => void;
}

const JSON_LIMIT = '256kb';

/** The express app; listening, and the WebSocket beside it, are the caller's. */
export function createServer({ clock, registry, readBack, metrics, apiKey, onError }: ServerOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok', sessions: registry.count() }));
  if (metrics !== undefined) {
    // like /v1 behind the key: who calls what, and how often, is not for everybody
    app.get('/metrics', async (request, response) => {
      if (!isAllowed(request.headers.authorization, apiKey)) throw unauthorized();
      response.type(metrics.contentType).send(await metrics.text());
    });
  }
  app.use('/v1', (request, _response, next) => {
    if (!isAllowed(request.headers.authorization, apiKey)) throw unauthorized();
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
    if (!(await registry.erase(request.params.id))) {
      throw new ProblemError({ status: 404, title: 'Not found', detail: 'there is no such session, open or captured' });
    }
    response.status(204).end();
  });
  app.post('/v1/sessions/:id/turns', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    await answer(session, request, response, onError, async () => {
      const audio = await readAudioBody(request, clock);
      registry.get(session.id); // it may have been erased in the meantime
      return { audio };
    });
  });
  app.post('/v1/sessions/:id/greeting', async (request, response) => {
    const session = registry.get(request.params['id'] ?? '');
    await answer(session, request, response, onError, async () => openingOf(session));
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
    throw new ProblemError({
      status: 404,
      title: 'Not found',
      detail: `there is nothing at ${request.method} ${request.path.slice(0, 120)}`,
    });
  });
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const problem = problemOf(fromExpress(error));
    // a turn's own failure has been reported where the turn ended
    if (problem.status === 500 && !(error instanceof ProblemError)) onError(error);
    sendProblem(response, problem);
  });
  return app;
}

function sendTurn(response: Response, { summary, trace }: TurnRecord): void {
  const { traceId, sessionId, turnIndex, e2eUs, firstAudioByteUs, ledger } = summary;
  response.json({ traceId, sessionId, turnIndex, e2eUs, firstAudioByteUs, ledger, summary, trace });
}

/** True when no key is configured or the request carries it. */
export function isAllowed(authorization: string | undefined, apiKey: string | undefined): boolean {
  if (apiKey === undefined) return true;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${apiKey}`));
}

function openingOf({ greeting, finished }: Session): Pick<TurnRequest, 'audio' | 'greeting'> {
  if (greeting !== undefined && finished.length === 0) return { audio: OPENING, greeting };
  const detail =
    greeting === undefined
      ? 'the session was created without a "greeting"'
      : 'a greeting opens a session, and this one has had a turn';
  throw new ProblemError({ status: 409, title: 'No greeting', detail });
}

function refuseBusy({ busy }: Session): void {
  if (!busy) return;
  const detail = 'a turn is running in this session; wait for it to be done';
  throw new ProblemError({ status: 409, title: 'Session busy', detail });
}

/** Runs a turn and streams its reply; `readInput` says what the user said, or what opens the session. */
async function answer(
  session: Session,
  request: Request,
  response: Response,
  onError: (error: unknown) => void,
  readInput: () => Promise<Pick<TurnRequest, 'audio' | 'greeting'>>,
): Promise<void> {
  refuseBusy(session);
  const input = await readInput();
  refuseBusy(session); // another upload may have come in whole in the meantime
  const bare = request.accepts(['text/event-stream', 'audio/l16']) === 'audio/l16';
  const gone = new AbortController();
  response.on('close', () => gone.abort(new Error('the client went away')));
  response.set('x-trace-id', session.nextTraceId());
  // nothing is sent before there is something to say, so that a turn that fails at once is a plain error
  response.set('cache-control', 'no-store');
  if (!bare) response.type('text/event-stream');
  const emit = (event: string, data: unknown): void => {
    if (!bare && !gone.signal.aborted) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const sink: EventSink = ({ kind, content, attrs }) => {
    if (kind === 'stt.done') emit('transcript', { text: content?.text ?? '' });
    if (kind === 'piece.ready') emit('piece', { index: attrs?.['index'], text: content?.text ?? '' });
  };
  const reply: ReplySink = {
    async audio(pcm, pieceIndex, sampleRateHz) {
      if (bare && !response.headersSent) response.type(`audio/L16;rate=${sampleRateHz};channels=1`);
      const room = bare
        ? response.write(Buffer.from(pcm).swap16())
        : response.write(sseAudio(pcm, pieceIndex, sampleRateHz), 'latin1');
      if (!room && !gone.signal.aborted) {
        await new Promise<void>((resolve) => {
          response.once('drain', resolve);
          response.once('close', resolve);
        });
      }
    },
  };
  const turn = await session.turn({ ...input, reply, sinks: [sink], signal: gone.signal });
  const { failure } = turn.summary;
  if (failure?.kind === 'internal') onError(new InvariantError(`${failure.stage}: ${failure.message}`));
  if (failure !== undefined && !response.headersSent) {
    throw new ProblemError({
      status: statusOfFailure(failure.kind),
      title: `${failure.stage} ${failure.kind}`,
      detail: failure.message,
    });
  }
  if (failure !== undefined) emit('error', failure);
  else
    emit('done', {
      traceId: turn.summary.traceId,
      e2eUs: turn.summary.e2eUs,
      firstAudioByteUs: turn.summary.firstAudioByteUs,
      ledger: turn.summary.ledger,
    });
  response.end();
}

/** ASCII only, so it may be written as `latin1`: Node then copies it once, and makes room for one byte a character instead of three. */
function sseAudio(pcm: Uint8Array, piece: number, sampleRateHz: number): string {
  const base64 = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString('base64');
  return `event: audio\ndata: {"piece":${piece},"sampleRateHz":${sampleRateHz},"pcm":"${base64}"}\n\n`;
}

export function unauthorized(): ProblemError {
  const detail = 'send the key of RETAKE_API_KEY as "Authorization: Bearer …"';
  return new ProblemError({ status: 401, title: 'Unauthorized', detail, headers: { 'www-authenticate': 'Bearer' } });
}

/** What express and its body parser throw carries a status and a type; everything else is left as it is. */
function fromExpress(error: unknown): unknown {
  if (
    !(error instanceof Error) ||
    error instanceof ProblemError ||
    !('status' in error) ||
    typeof error.status !== 'number'
  )
    return error;
  const { status } = error;
  const detail =
    status === 413
      ? `the JSON body is larger than ${JSON_LIMIT}`
      : status === 400
        ? 'the body is not valid JSON'
        : 'the request cannot be read';
  return status < 500
    ? new ProblemError({
        status,
        title: 'Bad request',
        detail,
        field: 'body',
        ...(status === 413 ? { limit: JSON_LIMIT } : {}),
      })
    : error;
}
