/** One client of a WebSocket: what it says moves its conversation, and what the conversation asks for is done here. */
import type { RawData, WebSocket } from 'ws';
import { createVad, type Vad } from '../audio/vad.ts';
import type { ByteBudget } from '../base/byte-budget.ts';
import { InvariantError, unreachable } from '../base/errors.ts';
import type { EventSink } from '../base/events.ts';
import { parsedJson } from '../base/json.ts';
import type { AudioFrame, Clock, ReplySink, UserAudio } from '../base/ports.ts';
import { createChannel, untilAborted, type Channel } from '../base/streams.ts';
import type { Session } from '../turn/session.ts';
import { advance, NEW_CONVERSATION, playedMsIn } from './conversation.ts';
import type { ConversationEffect, ConversationMessage } from './conversation-words.ts';
import type { Doorkeeper } from '../http/doorkeeper.ts';
import { LIMITS } from '../http/limits.ts';
import { audioMemoryFull, problemOf, type Problem } from '../http/problem.ts';
import type { Registry } from '../http/registry.ts';
import { doneOf, toldOf } from '../http/told.ts';

/** Frames that wait for a turn: 5 minutes of 10 ms frames. */
const FRAMES_LIMIT = 30_000;
const DRAIN_POLL_MS = 20;
/** Sent before the client knew that its connection ends: 1 s of 20 ms frames. */
const LATE_MESSAGES = 50;
/** With code 1001. */
export const STOPPING = 'the service is stopping';

export interface TalkOptions {
  clock: Clock;
  registry: Registry;
  memory: ByteBudget;
  /** Whose memory it is. */
  client: string;
  doorkeeper: Doorkeeper;
  /** No turn begins any more. */
  refusing(): boolean;
  onError: (error: unknown) => void;
}

/**
 * Serves the client until it goes. Returns what is to be called now and then, since time ends what is silent: true where something was done.
 */
export function talk(socket: WebSocket, session: Session, options: TalkOptions): () => boolean {
  const { clock, registry, memory, client, doorkeeper, refusing, onError } = options;
  const gone = new AbortController();
  let state = NEW_CONVERSATION;
  let frames: Channel<AudioFrame> | undefined;
  let watcher: Vad | undefined;
  /** Of the open turn's audio. */
  const held = memory.share({ client, evict: () => refuseAudio() });

  const send = (data: string | Uint8Array): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > 2 * LIMITS.unread.value) return socket.terminate();
    socket.send(data);
  };
  const tell = (message: object): void => send(JSON.stringify(message));
  const refuse = ({ status, title, detail, field, limit }: Problem): void => {
    // a client that sends and does not read piles up no answers
    if (socket.bufferedAmount > LIMITS.unread.value) return;
    tell({ type: 'error', status, title, detail, field, limit });
  };
  /** True where the message had an effect. */
  const onMessage = (message: ConversationMessage): boolean => {
    try {
      const isOpen = registry.find(session.id) === session;
      const facts = {
        nowUs: clock.nowUs(),
        isOpen,
        isBusy: session.busy,
        isOverloaded: doorkeeper.overloaded,
        mayInterrupt: session.strategy.client.bargeIn !== 'off',
      };
      const advanced = advance(state, message, facts);
      state = advanced.state;
      advanced.effects.forEach(perform);
      return advanced.effects.length > 0;
    } catch (error) {
      refuse(reported(error));
      return true;
    }
  };
  /** An error as a problem. The log gets internal errors only. */
  const reported = (error: unknown): Problem => {
    const problem = problemOf(error);
    if (problem.status === 500) onError(error);
    return problem;
  };
  const hear = (frame: AudioFrame): void => {
    if (frames === undefined) return;
    if (held.take(frame.samples.byteLength)) return frames.push(frame);
    refuseAudio();
  };
  /** The turn answers what it has heard. */
  const refuseAudio = (): void => {
    refuse(audioMemoryFull().problem);
    frames?.close();
    frames = undefined; // refused once a turn
  };
  const perform = (effect: ConversationEffect): void => {
    switch (effect.kind) {
      case 'refuse':
        return refuse(effect.problem);
      case 'shed':
        return doorkeeper.admit('turn');
      case 'open-turn': {
        if (refusing()) return socket.close(1001, STOPPING);
        const channel = createChannel<AudioFrame>(FRAMES_LIMIT, 'frames from the client');
        frames = channel;
        effect.heard.forEach(hear);
        return void runTurn(channel, effect.sampleRateHz).then(onMessage);
      }
      case 'hear':
        return hear(effect.frame);
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
  /** Resolves when the client has read, or is gone. Whoever reads nothing for long is sent away. */
  const drained = async (): Promise<void> => {
    let least = socket.bufferedAmount;
    let readUs = clock.nowUs();
    while (socket.bufferedAmount > LIMITS.unread.value && !gone.signal.aborted) {
      await clock.sleep(DRAIN_POLL_MS, gone.signal).catch(() => undefined);
      if (socket.bufferedAmount < least) {
        least = socket.bufferedAmount;
        readUs = clock.nowUs();
      } else if (clock.nowUs() - readUs > LIMITS.stalledReader.value * 1000) socket.terminate();
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
      playedMs: () => playedMsIn(state),
      async audio(pcm, _pieceIndex, sampleRateHz) {
        if (toldHz !== sampleRateHz) tell({ type: 'audio', sampleRateHz });
        toldHz = sampleRateHz;
        await drained();
        send(pcm);
        await drained();
      },
    };
    const sink: EventSink = (event) => {
      if (event.kind === 'turn.ended') {
        held.settle(); // the turn ends by itself
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
    } finally {
      held.giveBack();
    }
  };
  let late = 0;
  /** Parsing the rest of a flood costs as much as the flood. A client that only answers the close frame is still heard. */
  const isOver = (): boolean => {
    if (state.kind !== 'closed') return false;
    if (++late > LATE_MESSAGES) socket.pause();
    return true;
  };
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isOver()) return;
    const bytes = bytesOf(data);
    if (isBinary) onMessage({ kind: 'binary', bytes, atUs: clock.nowUs() });
    else onMessage({ kind: 'text', json: parsedJson(bytes.toString()) });
  });
  for (const frame of ['ping', 'pong'] as const)
    socket.on(frame, () => {
      if (!isOver()) onMessage({ kind: 'ping' });
    });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => onMessage({ kind: 'disconnected' }));
  return () => onMessage({ kind: 'tick' });
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
