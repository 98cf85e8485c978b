/**
 * The conversation of one WebSocket as a state machine: a state and a message give the next state and effects, as data.
 * No I/O: `socket.ts` performs the effects. For example `idle` and `{"type":"start",…}` give `listening` and `open-turn`.
 */
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { pcmBytesToSamples } from '../audio/pcm.ts';
import { framesSince, lastFrames, NO_FRAMES, withFrame } from '../audio/recent-frames.ts';
import { fullAllowance, useSome } from './allowance.ts';
import { unreachable } from '../base/errors.ts';
import type { AudioFrame } from '../base/ports.ts';
import { PRE_ROLL_MS } from '../turn/barge-in.ts';
import { checkRate } from '../http/body.ts';
import type { Advanced, ConversationMessage, ConversationState, SessionFacts } from './conversation-words.ts';
import { LIMITS } from '../http/limits.ts';
import { problemOf, ProblemError, sessionBusy, type Problem } from '../http/problem.ts';

const ClientMessage = Type.Union([
  Type.Object({ type: Type.Literal('start'), sampleRateHz: Type.Integer(), format: Type.Literal('pcm_s16le') }),
  Type.Object({ type: Type.Literal('end') }),
  Type.Object({ type: Type.Literal('played'), ms: Type.Number({ minimum: 0 }) }),
]);
type ClientMessage = Static<typeof ClientMessage>;
const isClientMessage = new Ajv().compile<ClientMessage>(ClientMessage);

/** Audio kept where the user may interrupt: an interruption may be 5 s old before the turn gives way to it. */
const RECENT_MS = 10_000;

const MESSAGES = { atOnce: LIMITS.messageBurst.value, perSecond: LIMITS.messageRate.value };
const AUDIO = { atOnce: LIMITS.audioBurst.value, perSecond: LIMITS.audioRate.value };

/** A conversation before its first message. */
export const NEW_CONVERSATION: ConversationState = {
  kind: 'idle',
  heard: NO_FRAMES,
  recent: NO_FRAMES,
  traffic: { messages: fullAllowance(MESSAGES), audio: fullAllowance(AUDIO), bad: 0 },
};

/** The next state, and the effects in order. Pure. Throws for internal errors only: an unusable message is refused. */
export function advance(state: ConversationState, message: ConversationMessage, session: SessionFacts): Advanced {
  if (state.kind === 'closed') return { state, effects: [] };
  switch (message.kind) {
    case 'text':
      return counted(state, session, (open) => onText(open, message.json, session));
    case 'binary':
      return counted(state, session, (open) => onBinary(open, message, session));
    case 'ping':
      return counted(state, session, (open) => ({ state: open, effects: [] }));
    case 'tick':
      return onTick(state, session);
    case 'onset':
      if (state.kind !== 'idle' || state.sampleRateHz === undefined) return { state, effects: [] };
      return openTurn(state, session, {
        sampleRateHz: state.sampleRateHz,
        heard: lastFrames(state.heard, preRollSamples(state.sampleRateHz)),
      });
    case 'turn-ended':
      if (state.kind !== 'listening') return { state, effects: [] };
      return { state: replyingAfter(state), effects: [] };
    case 'turn-over':
      return onTurnOver(state, message, session);
    case 'disconnected':
      return { state: closedAfter(state), effects: [{ kind: 'cancel-turn' }] };
    default:
      return unreachable(message, 'a message of a conversation');
  }
}

/** The client's last report of playback, of the open turn's reply or of the turn that is being cancelled. */
export function playedMsIn(state: ConversationState): number | undefined {
  return state.kind === 'replying' || state.kind === 'closed' ? state.playedMs : undefined;
}

type Open = Exclude<ConversationState, { kind: 'closed' }>;

const preRollSamples = (sampleRateHz: number): number => (PRE_ROLL_MS / 1000) * sampleRateHz;

function replyingAfter({ sampleRateHz, recent, traffic }: Extract<Open, { kind: 'listening' }>): Open {
  return { kind: 'replying', sampleRateHz, recent, traffic };
}

function closedAfter(state: Open): ConversationState {
  return { kind: 'closed', playedMs: playedMsIn(state) };
}

function onTick(state: Open, session: SessionFacts): Advanced {
  if (state.kind === 'idle' && !session.isOpen) return gone();
  const isSilent = state.kind === 'listening' && session.nowUs - state.heardUs > LIMITS.silentTurn.value * 1000;
  return { state, effects: isSilent ? [{ kind: 'end-audio' }] : [] };
}

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
      if (session.isOverloaded) return { state, effects: [{ kind: 'shed' }] };
      return openTurn(state, session, { sampleRateHz: json.sampleRateHz, heard: [] });
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
  // an empty frame is no audio, and costs its sender one message
  if (bytes.byteLength === 0) return { state, effects: [] };
  const frame = { atUs, samples: pcmBytesToSamples(bytes) };
  const audioMs = (frame.samples.length * 1000) / sampleRateHz;
  const audio = useSome(state.traffic.audio, audioMs, session.nowUs, AUDIO);
  if (audio === undefined) return expelled(state, TOO_MUCH_AUDIO);
  const traffic = { ...state.traffic, audio };
  const recent = session.mayInterrupt
    ? withFrame(state.recent, frame, (RECENT_MS / 1000) * sampleRateHz)
    : state.recent;
  switch (state.kind) {
    case 'idle': {
      const heard = withFrame(state.heard, frame, preRollSamples(sampleRateHz));
      return { state: { ...state, recent, heard, traffic }, effects: [{ kind: 'watch', frame }] };
    }
    case 'listening':
      return { state: { ...state, recent, heardUs: atUs, traffic }, effects: [{ kind: 'hear', frame }] };
    case 'replying':
      return { state: { ...state, recent, traffic }, effects: [{ kind: 'hear', frame }] };
    default:
      return unreachable(state, 'a state of a conversation');
  }
}

function onTurnOver(
  state: Open,
  { interruptedUs, problem }: { interruptedUs?: number; problem?: Problem },
  session: SessionFacts,
): Advanced {
  if (state.kind === 'idle') return { state, effects: [] };
  const { sampleRateHz, recent, traffic } = state;
  if (interruptedUs !== undefined) {
    const heard = framesSince(recent, interruptedUs - PRE_ROLL_MS * 1000);
    return openTurn(state, session, { sampleRateHz, heard });
  }
  return {
    state: { kind: 'idle', sampleRateHz, heard: NO_FRAMES, recent, traffic },
    effects: [
      { kind: 'watch-anew', sampleRateHz },
      ...(problem === undefined ? [] : [{ kind: 'refuse' as const, problem }]),
    ],
  };
}

function openTurn(
  { recent, traffic }: Open,
  session: SessionFacts,
  { sampleRateHz, heard }: { sampleRateHz: number; heard: readonly AudioFrame[] },
): Advanced {
  if (!session.isOpen) return gone();
  return {
    state: { kind: 'listening', sampleRateHz, heardUs: session.nowUs, recent, traffic: { ...traffic, bad: 0 } },
    effects: [{ kind: 'open-turn', sampleRateHz, heard }],
  };
}

/** The session has been closed: the client is told so, and let go. */
function gone(): Advanced {
  const detail = 'the session was erased or closed, or idle for too long; open another one';
  return {
    state: { kind: 'closed' },
    effects: [
      { kind: 'refuse', problem: { status: 404, title: 'Not found', detail } },
      { kind: 'disconnect', code: 1008, reason: 'the session is gone' },
    ],
  };
}

/** One message of the client's: it costs a part of its allowance. An unusable one changes nothing else, and is answered by one error. */
function counted(state: Open, session: SessionFacts, step: (state: Open) => Advanced): Advanced {
  const messages = useSome(state.traffic.messages, 1, session.nowUs, MESSAGES);
  if (messages === undefined) return expelled(state, TOO_FAST);
  const counting = { ...state, traffic: { ...state.traffic, messages } };
  try {
    return step(counting);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status >= 500) throw error;
    const bad = state.traffic.bad + 1;
    if (bad >= LIMITS.badMessages.value) return expelled(state, problem);
    return {
      state: { ...counting, traffic: { ...state.traffic, messages, bad } },
      effects: [{ kind: 'refuse', problem }],
    };
  }
}

const TOO_FAST: Problem = {
  status: 429,
  title: 'Too many messages',
  detail: 'a microphone sends 10 to 100 frames a second; send longer frames, one for each 20 ms',
  limit: `${LIMITS.messageRate.value} ${LIMITS.messageRate.unit}`,
};

const TOO_MUCH_AUDIO: Problem = {
  status: 429,
  title: 'Too much audio',
  detail: 'audio arrives at the pace of a speaker; send frames when they are recorded, or post a recording as a turn',
  limit: `${LIMITS.audioRate.value} ${LIMITS.audioRate.unit}`,
};

/** The client has broken a rule too often: it is told which, and let go. A turn of its ends. */
function expelled(state: Open, problem: Problem): Advanced {
  return {
    state: closedAfter(state),
    effects: [
      { kind: 'refuse', problem },
      { kind: 'disconnect', code: 1008, reason: problem.title },
      { kind: 'cancel-turn' },
    ],
  };
}
