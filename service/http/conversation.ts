/**
 * The conversation of one WebSocket as a state machine: a state and a message give the next state and what is to be done, as data.
 * No I/O: `socket.ts` does what is to be done. For example `idle` and `{"type":"start",…}` give `listening` and `open-turn`.
 */
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { pcmBytesToSamples } from '../audio/pcm.ts';
import { unreachable } from '../base/errors.ts';
import type { AudioFrame } from '../base/ports.ts';
import { PRE_ROLL_MS } from '../turn/barge-in.ts';
import { checkRate } from './body.ts';
import { problemOf, ProblemError, sessionBusy, type Problem } from './problem.ts';

export type ConversationState =
  /** No turn is open. `sampleRateHz` is absent before the first `start`; `heard` is the pre-roll of a turn that speech opens. */
  | { kind: 'idle'; sampleRateHz?: number; heard: readonly AudioFrame[]; recent: readonly AudioFrame[] }
  /** A turn is open, and the user has not finished. */
  | { kind: 'listening'; sampleRateHz: number; recent: readonly AudioFrame[] }
  /** The user has finished, and the reply is made or heard. `playedMs` is what the client last said that it has played. */
  | { kind: 'replying'; sampleRateHz: number; playedMs?: number; recent: readonly AudioFrame[] }
  /** The connection is gone, or is being closed. Nothing leads out of it. */
  | { kind: 'closed' };

export type ConversationMessage =
  /** A text frame; `json` is undefined where the text is not JSON. */
  | { kind: 'text'; json: unknown }
  | { kind: 'binary'; bytes: Uint8Array; atUs: number }
  /** The detector that got the `watch` effects hears speech. */
  | { kind: 'onset' }
  /** The open turn has decided that the user has finished. */
  | { kind: 'turn-ended' }
  /** The open turn is over. `interruptedUs`: since when the user has been interrupting it; `problem`: why it did not run. */
  | { kind: 'turn-over'; interruptedUs?: number; problem?: Problem }
  | { kind: 'disconnected' };

export type ConversationEffect =
  | { kind: 'refuse'; problem: Problem }
  /** Run a turn that begins with `heard`. */
  | { kind: 'open-turn'; sampleRateHz: number; heard: readonly AudioFrame[] }
  /** A frame for the open turn. */
  | { kind: 'hear'; frame: AudioFrame }
  /** The open turn gets no more frames. */
  | { kind: 'end-audio' }
  /** Watch for the onset of speech with a new detector. */
  | { kind: 'watch-anew'; sampleRateHz: number }
  /** A frame for that detector. */
  | { kind: 'watch'; frame: AudioFrame }
  | { kind: 'disconnect'; code: number; reason: string }
  /** Cancel the open turn, if there is one. */
  | { kind: 'cancel-turn' };

/** What is true of the session at the moment of a message. */
export interface SessionFacts {
  /** It was neither erased nor forgotten. */
  isOpen: boolean;
  /** A turn runs in it, over this connection or another. */
  isBusy: boolean;
  /** Speech may interrupt a reply (`client.bargeIn`). */
  mayInterrupt: boolean;
}

export interface Advanced {
  state: ConversationState;
  effects: readonly ConversationEffect[];
}

const ClientMessage = Type.Union([
  Type.Object({ type: Type.Literal('start'), sampleRateHz: Type.Integer(), format: Type.Literal('pcm_s16le') }),
  Type.Object({ type: Type.Literal('end') }),
  Type.Object({ type: Type.Literal('played'), ms: Type.Number({ minimum: 0 }) }),
]);
type ClientMessage = Static<typeof ClientMessage>;
const isClientMessage = new Ajv().compile<ClientMessage>(ClientMessage);

/** Frames kept where the user may interrupt; half of them stay when there are more: at least 5 s of 10 ms. */
export const RECENT_FRAMES = 1024;

/** A conversation before its first message. */
export const NEW_CONVERSATION: ConversationState = { kind: 'idle', heard: [], recent: [] };

/** The next state, and what is to be done in this order. Pure. Throws only for a bug: a message that cannot be used is refused. */
export function advance(state: ConversationState, message: ConversationMessage, session: SessionFacts): Advanced {
  if (state.kind === 'closed') return { state, effects: [] };
  switch (message.kind) {
    case 'text':
      return refusing(state, () => onText(state, message.json, session));
    case 'binary':
      return refusing(state, () => onBinary(state, message, session));
    case 'onset':
      if (state.kind !== 'idle' || state.sampleRateHz === undefined) return { state, effects: [] };
      return openTurn(state.sampleRateHz, state.heard, state.recent, session);
    case 'turn-ended':
      return { state: state.kind === 'listening' ? { ...state, kind: 'replying' } : state, effects: [] };
    case 'turn-over':
      return onTurnOver(state, message, session);
    case 'disconnected':
      return { state: { kind: 'closed' }, effects: [{ kind: 'cancel-turn' }] };
    default:
      return unreachable(message, 'a message of a conversation');
  }
}

type Open = Exclude<ConversationState, { kind: 'closed' }>;

function onText(state: Open, json: unknown, session: SessionFacts): Advanced {
  if (!isClientMessage(json)) {
    throw new ProblemError({
      status: 400,
      title: 'Bad message',
      detail: 'expected {"type":"start",sampleRateHz,format:"pcm_s16le"}, {"type":"end"} or {"type":"played",ms}',
      field: 'type',
    });
  }
  switch (json.type) {
    case 'start':
      checkRate(json.sampleRateHz);
      if (state.kind !== 'idle' || session.isBusy) {
        throw sessionBusy('a turn is running; wait for its done');
      }
      return openTurn(json.sampleRateHz, [], state.recent, session);
    case 'end':
      return { state, effects: state.kind === 'idle' ? [] : [{ kind: 'end-audio' }] };
    case 'played':
      // before the reply there is nothing of this turn to be played: the report is late, of the turn before
      return { state: state.kind === 'replying' ? { ...state, playedMs: json.ms } : state, effects: [] };
    default:
      return unreachable(json, 'a client message');
  }
}

function onBinary(state: Open, { bytes, atUs }: { bytes: Uint8Array; atUs: number }, session: SessionFacts): Advanced {
  const { sampleRateHz } = state;
  if (sampleRateHz === undefined) {
    throw new ProblemError({
      status: 400,
      title: 'Bad frame',
      detail: 'audio before {"type":"start"}',
      field: 'type',
    });
  }
  if (bytes.byteLength % 2 !== 0) {
    throw new ProblemError({
      status: 400,
      title: 'Bad frame',
      detail: `a frame of ${bytes.byteLength} bytes is not whole 16-bit samples`,
      field: 'frame',
    });
  }
  const frame = { atUs, samples: pcmBytesToSamples(bytes) };
  const recent = session.mayInterrupt ? withRecent(state.recent, frame) : state.recent;
  if (state.kind !== 'idle') return { state: { ...state, recent }, effects: [{ kind: 'hear', frame }] };
  const heard = lastSamples([...state.heard, frame], (PRE_ROLL_MS / 1000) * sampleRateHz);
  return { state: { ...state, recent, heard }, effects: [{ kind: 'watch', frame }] };
}

function onTurnOver(
  state: Open,
  { interruptedUs, problem }: { interruptedUs?: number; problem?: Problem },
  session: SessionFacts,
): Advanced {
  if (state.kind === 'idle') return { state, effects: [] };
  const { sampleRateHz, recent } = state;
  if (interruptedUs !== undefined) {
    const fromUs = interruptedUs - PRE_ROLL_MS * 1000;
    return openTurn(
      sampleRateHz,
      recent.filter(({ atUs }) => atUs >= fromUs),
      recent,
      session,
    );
  }
  return {
    state: { kind: 'idle', sampleRateHz, heard: [], recent },
    effects: [
      { kind: 'watch-anew', sampleRateHz },
      ...(problem === undefined ? [] : [{ kind: 'refuse' as const, problem }]),
    ],
  };
}

function openTurn(
  sampleRateHz: number,
  heard: readonly AudioFrame[],
  recent: readonly AudioFrame[],
  session: SessionFacts,
): Advanced {
  if (session.isOpen) {
    return {
      state: { kind: 'listening', sampleRateHz, recent },
      effects: [{ kind: 'open-turn', sampleRateHz, heard }],
    };
  }
  const detail = 'the session was erased, or idle for too long; open another one';
  return {
    state: { kind: 'closed' },
    effects: [
      { kind: 'refuse', problem: { status: 404, title: 'Not found', detail } },
      { kind: 'disconnect', code: 1008, reason: 'the session is gone' },
    ],
  };
}

/** A message that cannot be used changes nothing and is answered by one error. */
function refusing(state: ConversationState, step: () => Advanced): Advanced {
  try {
    return step();
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status >= 500) throw error;
    return { state, effects: [{ kind: 'refuse', problem }] };
  }
}

function withRecent(recent: readonly AudioFrame[], frame: AudioFrame): readonly AudioFrame[] {
  const longer = [...recent, frame];
  return longer.length > RECENT_FRAMES ? longer.slice(-RECENT_FRAMES / 2) : longer;
}

/** The last frames, with at most so many samples behind the first of them. */
function lastSamples(frames: readonly AudioFrame[], samples: number): readonly AudioFrame[] {
  let first = frames.length - 1;
  let behind = 0;
  for (; first > 0; first--) {
    behind += frames[first]?.samples.length ?? 0;
    if (behind > samples) break;
  }
  return frames.slice(Math.max(0, first));
}
