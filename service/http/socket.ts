/** The WebSocket side: a microphone's frames up at the speaker's pace, events and reply audio down. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { pcmBytesToSamples } from '../audio/pcm.ts';
import { parsedJson } from '../base/json.ts';
import { InvariantError } from '../base/errors.ts';
import type { AudioFrame, Clock, ReplySink, UserAudio } from '../base/ports.ts';
import type { EventSink } from '../base/events.ts';
import type { Session } from '../turn/session.ts';
import { createChannel, untilAborted, type Channel } from '../base/streams.ts';
import { createVad } from '../audio/vad.ts';
import { checkRate } from './body.ts';
import { problemOf, ProblemError } from './problem.ts';
import type { Registry } from './registry.ts';
import { isAllowed, unauthorized } from './server.ts';

const ClientMessage = Type.Union([
  Type.Object({ type: Type.Literal('start'), sampleRateHz: Type.Integer(), format: Type.Literal('pcm_s16le') }),
  Type.Object({ type: Type.Literal('end') }),
  Type.Object({ type: Type.Literal('played'), ms: Type.Number({ minimum: 0 }) }),
]);
type ClientMessage = Static<typeof ClientMessage>;
const isClientMessage = new Ajv().compile<ClientMessage>(ClientMessage);

/** One second of the fastest audio: a microphone sends far smaller frames. */
const FRAME_LIMIT_BYTES = 96_000;
/** Frames that wait for a turn: 5 minutes of 10 ms frames. */
const FRAMES_LIMIT = 30_000;
/** Frames kept for a turn that begins by an interruption: at least 5 s of 10 ms. */
const RECENT_FRAMES = 1024;
/** What is kept of the audio before a speech onset that nobody announced. */
const PRE_ROLL_MS = 400;
/** Reply audio that may wait for a slow client before its turn waits too. */
const SEND_BUFFER_BYTES = 1_000_000;
const DRAIN_POLL_MS = 20;

export interface SocketOptions {
  server: Server;
  clock: Clock;
  registry: Registry;
  apiKey?: string;
  onError: (error: unknown) => void;
}

/** Serves `/v1/sessions/:id/stream` on an HTTP server. Returns a function that closes all connections. */
export function serveSockets({ server, clock, registry, apiKey, onError }: SocketOptions): () => void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: FRAME_LIMIT_BYTES, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    duplex.on('error', () => undefined); // a client that vanishes during the handshake is nobody's fault
    try {
      const id = /^\/v1\/sessions\/([\w.-]+)\/stream(?:\?|$)/.exec(request.url ?? '')?.[1];
      if (id === undefined)
        throw new ProblemError({
          status: 404,
          title: 'Not found',
          detail: 'sockets are served at /v1/sessions/:id/stream',
        });
      if (!isAllowed(request.headers.authorization, apiKey)) throw unauthorized();
      const session = registry.get(id);
      sockets.handleUpgrade(request, duplex, head, (socket) => {
        converse(socket, session, () => registry.find(id) === session, clock, onError);
      });
    } catch (error) {
      const { status, title, detail } = problemOf(error);
      const body = JSON.stringify({ type: 'about:blank', status, title, detail });
      duplex.end(
        `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    }
  });
  return () => {
    for (const socket of sockets.clients) socket.close(1001, 'the service is stopping');
    sockets.close();
  };
}

/** One client: each `start`, or speech after a turn is over, opens a turn; frames go to the turn that is open. */
function converse(
  socket: WebSocket,
  session: Session,
  isOpen: () => boolean,
  clock: Clock,
  onError: (error: unknown) => void,
): void {
  const gone = new AbortController();
  let format: { sampleRateHz: number } | undefined;
  let playedMs: number | undefined;
  let frames: Channel<AudioFrame> | undefined;
  /** What the client sent last, where it may interrupt: the beginning of the turn that an interruption opens. */
  let recent: AudioFrame[] = [];
  const mayInterrupt = session.strategy.client.bargeIn !== 'off';
  let idle: { frames: AudioFrame[]; onset: ReturnType<typeof createVad> } | undefined;

  const tell = (message: object): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const refuse = (error: unknown): void => {
    const { status, title, detail, field, limit } = problemOf(error);
    if (status === 500) onError(error);
    tell({
      type: 'error',
      status,
      title,
      detail,
      ...(field === undefined ? {} : { field }),
      ...(limit === undefined ? {} : { limit }),
    });
  };
  const openTurn = (sampleRateHz: number, heard: readonly AudioFrame[]): void => {
    if (!isOpen()) {
      const detail = 'the session was erased, or idle for too long; open another one';
      refuse(new ProblemError({ status: 404, title: 'Not found', detail }));
      socket.close(1008, 'the session is gone');
      return;
    }
    const channel = createChannel<AudioFrame>(FRAMES_LIMIT, 'frames from the client');
    for (const frame of heard) channel.push(frame);
    frames = channel;
    idle = undefined;
    void runTurn(channel, sampleRateHz).catch(refuse);
  };
  const runTurn = async (channel: Channel<AudioFrame>, sampleRateHz: number): Promise<void> => {
    tell({ type: 'turn', traceId: session.nextTraceId() });
    const audio: UserAudio = {
      zero: 'audio',
      sampleRateHz,
      frames: (signal) => quietly(untilAborted(channel, signal)),
    };
    playedMs = undefined;
    const reply: ReplySink = {
      control: (type) => tell({ type }),
      playedMs: () => playedMs,
      async audio(pcm: Uint8Array): Promise<void> {
        if (socket.readyState === socket.OPEN) socket.send(pcm);
        while (socket.bufferedAmount > SEND_BUFFER_BYTES && !gone.signal.aborted) {
          await clock.sleep(DRAIN_POLL_MS, gone.signal).catch(() => undefined);
        }
      },
    };
    const sink: EventSink = ({ kind, content, attrs }) => {
      if (kind === 'turn.ended') tell({ type: 'ended', decision: attrs?.['decision'] });
      if (kind === 'stt.done') tell({ type: 'transcript', text: content?.text ?? '' });
      if (kind === 'piece.ready') tell({ type: 'piece', index: attrs?.['index'], text: content?.text ?? '' });
    };
    let interruptedFromUs: number | undefined;
    try {
      const { summary, interruptedUs } = await session.turn({ audio, reply, sinks: [sink], signal: gone.signal });
      const { traceId, e2eUs, firstAudioByteUs, ledger, failure } = summary;
      if (failure === undefined) tell({ type: 'done', traceId, e2eUs, firstAudioByteUs, ledger });
      else tell({ type: 'error', traceId, ...failure });
      if (failure?.kind === 'internal') onError(new InvariantError(`${failure.stage}: ${failure.message}`));
      if (interruptedUs !== undefined) interruptedFromUs = interruptedUs - PRE_ROLL_MS * 1000;
    } finally {
      if (frames === channel) frames = undefined;
      idle = { frames: [], onset: createVad({ engine: 'client', silenceMs: 500 }, sampleRateHz) };
    }
    if (interruptedFromUs === undefined || gone.signal.aborted) return;
    const fromUs = interruptedFromUs;
    openTurn(
      sampleRateHz,
      recent.filter(({ atUs }) => atUs >= fromUs),
    );
  };
  const onFrame = (bytes: Uint8Array): void => {
    if (format === undefined)
      throw new ProblemError({
        status: 400,
        title: 'Bad frame',
        detail: 'audio before {"type":"start"}',
        field: 'type',
      });
    if (bytes.byteLength % 2 !== 0)
      throw new ProblemError({
        status: 400,
        title: 'Bad frame',
        detail: `a frame of ${bytes.byteLength} bytes is not whole 16-bit samples`,
        field: 'frame',
      });
    const frame = { atUs: clock.nowUs(), samples: pcmBytesToSamples(bytes) };
    if (mayInterrupt) recent.push(frame);
    if (recent.length > RECENT_FRAMES) recent = recent.slice(-RECENT_FRAMES / 2);
    if (frames !== undefined) frames.push(frame);
    else if (idle !== undefined) {
      idle.frames.push(frame);
      const kept = (PRE_ROLL_MS / 1000) * format.sampleRateHz;
      while (idle.frames.slice(1).reduce((sum, { samples }) => sum + samples.length, 0) > kept) idle.frames.shift();
      if (idle.onset.push(frame.samples).speaking) openTurn(format.sampleRateHz, idle.frames);
    }
  };
  const onMessage = (message: unknown): void => {
    if (!isClientMessage(message)) {
      throw new ProblemError({
        status: 400,
        title: 'Bad message',
        detail: 'expected {"type":"start",sampleRateHz,format:"pcm_s16le"}, {"type":"end"} or {"type":"played",ms}',
        field: 'type',
      });
    }
    if (message.type === 'end') frames?.close();
    if (message.type === 'played') playedMs = message.ms;
    if (message.type !== 'start') return;
    checkRate(message.sampleRateHz);
    if (session.busy)
      throw new ProblemError({ status: 409, title: 'Session busy', detail: 'a turn is running; wait for its done' });
    format = { sampleRateHz: message.sampleRateHz };
    openTurn(message.sampleRateHz, []);
  };
  socket.on('message', (data: RawData, isBinary: boolean) => {
    try {
      const bytes = Array.isArray(data)
        ? Buffer.concat(data)
        : data instanceof ArrayBuffer
          ? new Uint8Array(data)
          : data;
      if (isBinary) onFrame(bytes);
      else onMessage(parsedJson(bytes.toString()));
    } catch (error) {
      refuse(error);
    }
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    gone.abort(new Error('the client went away'));
    frames?.close();
  });
}

/** A turn that stops listening aborts its frames: for the listener that is simply their end. */
async function* quietly(frames: AsyncIterable<AudioFrame>): AsyncGenerator<AudioFrame> {
  try {
    yield* frames;
  } catch {
    return;
  }
}
