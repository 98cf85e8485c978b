/** The WebSocket side: a microphone's frames up at the speaker's pace, events and reply audio down. */
import type { IncomingMessage } from 'node:http';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { parsedJson } from '../base/json.ts';
import { InvariantError, unreachable } from '../base/errors.ts';
import type { AudioFrame, Clock, ReplySink, UserAudio } from '../base/ports.ts';
import type { EventSink } from '../base/events.ts';
import type { Session } from '../turn/session.ts';
import { createChannel, untilAborted, type Channel } from '../base/streams.ts';
import { createVad, type Vad } from '../audio/vad.ts';
import { checkApiKey } from './api-key.ts';
import { advance, NEW_CONVERSATION, type ConversationEffect, type ConversationMessage } from './conversation.ts';
import type { Handlers } from './entrance.ts';
import { notFound, problemOf, refuseUpgrade, type Problem } from './problem.ts';
import type { Registry } from './registry.ts';
import type { Tickets } from './tickets.ts';
import { doneOf, toldOf } from './told.ts';

/** One second of the fastest audio: a microphone sends far smaller frames. */
const FRAME_LIMIT_BYTES = 96_000;
/** Frames that wait for a turn: 5 minutes of 10 ms frames. */
const FRAMES_LIMIT = 30_000;
/** Reply audio that may wait for a slow client before its turn waits too. */
const SEND_BUFFER_BYTES = 1_000_000;
const DRAIN_POLL_MS = 20;

export interface SocketOptions {
  clock: Clock;
  registry: Registry;
  tickets: Tickets;
  apiKey?: string;
  onError: (error: unknown) => void;
}

export interface Sockets {
  /** A client's request for a WebSocket. */
  upgrade: Handlers['upgrade'];
  /** Tells every client that the service stops (1001). */
  close(): void;
}

/** Serves `/v1/sessions/:id/stream`. */
export function createSockets({ apiKey, tickets, ...options }: SocketOptions): Sockets {
  const { registry } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: FRAME_LIMIT_BYTES, perMessageDeflate: false });
  return {
    upgrade(request, duplex, head) {
      try {
        const session = sessionFor(request, { registry, tickets, apiKey });
        sockets.handleUpgrade(request, duplex, head, (socket) => talk(socket, session, options));
      } catch (error) {
        refuseUpgrade(duplex, problemOf(error));
      }
    },
    close() {
      for (const socket of sockets.clients) socket.close(1001, 'the service is stopping');
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

/** One client: its messages advance the conversation, and what that asks for is done here. */
function talk(
  socket: WebSocket,
  session: Session,
  { clock, registry, onError }: Omit<SocketOptions, 'apiKey' | 'tickets'>,
): void {
  const gone = new AbortController();
  let state = NEW_CONVERSATION;
  let frames: Channel<AudioFrame> | undefined;
  let watcher: Vad | undefined;

  const tell = (message: object): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const refuse = ({ status, title, detail, field, limit }: Problem): void =>
    tell({ type: 'error', status, title, detail, field, limit });
  const onMessage = (message: ConversationMessage): void => {
    try {
      const isOpen = registry.find(session.id) === session;
      const facts = { isOpen, isBusy: session.busy, mayInterrupt: session.strategy.client.bargeIn !== 'off' };
      const advanced = advance(state, message, facts);
      state = advanced.state;
      advanced.effects.forEach(perform);
    } catch (error) {
      refuse(reported(error));
    }
  };
  /** An error as a problem; the log gets what is not the client's. */
  const reported = (error: unknown): Problem => {
    const problem = problemOf(error);
    if (problem.status === 500) onError(error);
    return problem;
  };
  const perform = (effect: ConversationEffect): void => {
    switch (effect.kind) {
      case 'refuse':
        return refuse(effect.problem);
      case 'open-turn':
        frames = createChannel<AudioFrame>(FRAMES_LIMIT, 'frames from the client');
        for (const frame of effect.heard) frames.push(frame);
        return void runTurn(frames, effect.sampleRateHz).then(onMessage);
      case 'hear':
        return frames?.push(effect.frame);
      case 'end-audio':
        return frames?.close();
      case 'watch-anew':
        watcher = createVad({ engine: 'client', silenceMs: 500 }, effect.sampleRateHz);
        return;
      case 'watch':
        if (watcher?.push(effect.frame.samples).speaking === true) onMessage({ kind: 'onset' });
        return;
      case 'disconnect':
        return socket.close(effect.code, effect.reason);
      case 'cancel-turn':
        gone.abort(new Error('the client went away'));
        return frames?.close();
      default:
        unreachable(effect, 'an effect of a conversation');
    }
  };
  const runTurn = async (channel: Channel<AudioFrame>, sampleRateHz: number): Promise<ConversationMessage> => {
    tell({ type: 'turn', traceId: session.nextTraceId() });
    const audio: UserAudio = {
      zero: 'audio',
      sampleRateHz,
      frames: (signal) => quietly(untilAborted(channel, signal)),
    };
    let toldHz: number | undefined;
    const reply: ReplySink = {
      control: (type) => tell({ type }),
      playedMs: () => (state.kind === 'replying' ? state.playedMs : undefined),
      async audio(pcm, _pieceIndex, sampleRateHz) {
        if (toldHz !== sampleRateHz) tell({ type: 'audio', sampleRateHz });
        toldHz = sampleRateHz;
        if (socket.readyState === socket.OPEN) socket.send(pcm);
        while (socket.bufferedAmount > SEND_BUFFER_BYTES && !gone.signal.aborted) {
          await clock.sleep(DRAIN_POLL_MS, gone.signal).catch(() => undefined);
        }
      },
    };
    const sink: EventSink = (event) => {
      if (event.kind === 'turn.ended') {
        onMessage({ kind: 'turn-ended' });
        tell({ type: 'ended', decision: event.attrs?.['decision'] });
      }
      const told = toldOf(event);
      if (told !== undefined) tell({ type: told.type, ...told.data });
    };
    try {
      const { summary, interruptedUs } = await session.turn({ audio, reply, sinks: [sink], signal: gone.signal });
      const { traceId, failure } = summary;
      if (failure === undefined) tell({ type: 'done', ...doneOf(summary) });
      else tell({ type: 'error', traceId, ...failure });
      if (failure?.kind === 'internal') onError(new InvariantError(`${failure.stage}: ${failure.message}`));
      return { kind: 'turn-over', interruptedUs };
    } catch (error) {
      return { kind: 'turn-over', problem: reported(error) };
    }
  };
  socket.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = bytesOf(data);
    if (isBinary) onMessage({ kind: 'binary', bytes, atUs: clock.nowUs() });
    else onMessage({ kind: 'text', json: parsedJson(bytes.toString()) });
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => onMessage({ kind: 'disconnected' }));
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
}

/** A turn that stops listening aborts its frames: for the listener that is simply their end. */
async function* quietly(frames: AsyncIterable<AudioFrame>): AsyncGenerator<AudioFrame> {
  try {
    yield* frames;
  } catch {
    return;
  }
}
