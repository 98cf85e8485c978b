/** One turn over HTTP: its reply goes out while it is made, as server-sent events or as bare audio. */
import type { Request, Response } from 'express';
import { InvariantError } from '../base/errors.ts';
import type { EventSink } from '../base/events.ts';
import type { Clock, ReplySink } from '../base/ports.ts';
import { OPENING } from '../turn/greeting.ts';
import type { Session, TurnRequest } from '../turn/session.ts';
import { LIMITS } from './limits.ts';
import { ProblemError, sessionBusy, statusOfFailure } from './problem.ts';
import { doneOf, toldOf } from './told.ts';

/** The user's audio, or the greeting that opens the session. */
export type TurnStart = Pick<TurnRequest, 'audio' | 'greeting'>;

/** Runs the turn. Throws `ProblemError` where nothing has been sent: the session is busy, the input cannot be used, or the turn failed at once. */
export async function answerTurn(options: {
  session: Session;
  clock: Clock;
  request: Request;
  response: Response;
  readStart: () => TurnStart | Promise<TurnStart>;
  onError: (error: unknown) => void;
}): Promise<void> {
  const { session, clock, request, response, onError } = options;
  refuseBusy(session);
  const start = await options.readStart();
  refuseBusy(session); // another upload may have come in whole in the meantime
  const bare = request.accepts(['text/event-stream', 'audio/l16']) === 'audio/l16';
  const gone = new AbortController();
  response.on('close', () => gone.abort(new Error('the client went away')));
  response.set('x-trace-id', session.nextTraceId());
  // headers wait for the first event, so that a turn that fails at once is a plain error
  response.set('cache-control', 'no-store');
  if (!bare) response.type('text/event-stream');
  const emit = (event: string, data: unknown): void => {
    if (!bare && !gone.signal.aborted) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const sink: EventSink = (event) => {
    const told = toldOf(event);
    if (told !== undefined) emit(told.type, told.data);
  };
  const reply: ReplySink = {
    async audio(pcm, pieceIndex, sampleRateHz) {
      if (bare && !response.headersSent) response.type(`audio/L16;rate=${sampleRateHz};channels=1`);
      const room = bare
        ? response.write(Buffer.from(pcm).swap16())
        : response.write(sseAudio(pcm, pieceIndex, sampleRateHz), 'latin1');
      if (room || gone.signal.aborted) return;
      const read = new AbortController();
      const late = clock.sleep(LIMITS.stalledReader.value, read.signal).then(
        () => void response.destroy(),
        () => undefined,
      );
      const drained = new Promise<void>((resolve) => response.once('drain', resolve).once('close', resolve));
      await Promise.race([drained, late]);
      read.abort(new Error('read, or gone'));
    },
  };
  const { summary } = await session.turn({ ...start, reply, sinks: [sink], signal: gone.signal });
  const { failure } = summary;
  if (failure?.kind === 'internal') onError(new InvariantError(`${failure.stage}: ${failure.message}`));
  if (failure !== undefined && !response.headersSent) {
    throw new ProblemError({
      status: statusOfFailure(failure),
      title: `${failure.stage} ${failure.kind}`,
      detail: failure.message,
    });
  }
  if (failure === undefined) emit('done', doneOf(summary));
  else emit('error', failure);
  response.end();
}

/** Throws `ProblemError` (409) where the session has no greeting, or is past it. */
export function openingOf({ greeting, turnsOver }: Session): TurnStart {
  if (greeting !== undefined && turnsOver === 0) return { audio: OPENING, greeting };
  const detail =
    greeting === undefined
      ? 'the session was created without a "greeting"; create one with it, or post a turn'
      : 'a greeting opens a session, and this one has had a turn; post the next turn';
  throw new ProblemError({ status: 409, title: 'No greeting', detail });
}

function refuseBusy({ busy }: Session): void {
  if (busy) throw sessionBusy('a turn is running in this session; wait for it to be done');
}

/** ASCII only, so it may be written as `latin1`: Node then copies it once, and makes room for one byte a character instead of three. */
function sseAudio(pcm: Uint8Array, piece: number, sampleRateHz: number): string {
  const base64 = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString('base64');
  return `event: audio\ndata: {"piece":${piece},"sampleRateHz":${sampleRateHz},"pcm":"${base64}"}\n\n`;
}
