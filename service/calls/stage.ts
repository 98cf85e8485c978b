/** What every stage of a turn works with, and how it makes a provider call. */
import type { SpeechCache } from './speech-cache.ts';
import { openCall, type OpenCall } from '../net/exchange.ts';
import type {
  Clock,
  Llm,
  Origins,
  Random,
  ReplySink,
  Stt,
  Transport,
  Tts,
  TtsRequest,
  UserAudio,
} from '../base/ports.ts';
import type { EventSink, Recorder, TurnIdentity } from '../base/events.ts';
import type { ReadGeneration } from '../providers/generation.ts';
import type { Conversation } from '../text/prompt.ts';
import { withAttempts, type Attempt } from './retry.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** What a turn runs on: built by the two composition roots, `service/world.ts` and `sim/world/world.ts`. */
export interface TurnPorts {
  clock: Clock;
  transport: Transport;
  stt: Stt;
  llm: Llm;
  tts: Tts;
  /** Whom they call. */
  origins: Origins;
  /** Asked for when a turn is over, by nothing within it. */
  generationRecord?: ReadGeneration;
  /** Speech that was synthesized before. */
  speechCache?: SpeechCache;
  /** Retry jitter of this turn. */
  random: Random;
}

export interface TurnInput {
  identity: TurnIdentity;
  strategy: Strategy;
  conversation: Conversation;
  language: string;
  audio: UserAudio;
  /** As `ExchangeContext` has it: which line of an interview the user says. */
  userTurn?: number;
  /** The text that opens the session; then nothing is heard before it. */
  greeting?: string;
  reply: ReplySink;
  sinks: readonly EventSink[];
  signal?: AbortSignal;
  onSinkError?: (error: unknown) => void;
}

/** One running turn, as its stages see it. */
export interface TurnScope {
  ports: TurnPorts;
  input: TurnInput;
  recorder: Recorder;
  /** Aborts when the turn fails, is cancelled or is over. */
  signal: AbortSignal;
  /** Every provider call of the turn; the turn is not over before they have settled. */
  calls: OpenCall[];
  /** Work that may outlive its stage (a superseded upload): the turn is not over before it has settled. Rejects for bugs only. */
  strays: Promise<unknown>[];
}

/** A text as the strategy has it spoken. */
export function speechRequest(
  { strategy, language }: Pick<TurnInput, 'strategy' | 'language'>,
  text: string,
): TtsRequest {
  const { method, voice, speed, sse, queue, format } = strategy.tts;
  return { text, method, voice, speed, sse, queue, format, language };
}

/**
 * Makes one provider call with the stage's retry policy. `work` gets a call of its own for each attempt.
 * `cause` is the event that released the call; `alternatives` counts the models to turn to. Throws `StageError`.
 */
export function callProvider<T>(
  scope: TurnScope,
  stage: 'stt' | 'llm' | 'tts',
  ordinal: number,
  cause: number,
  work: (call: OpenCall, attempt: Attempt) => Promise<T>,
  alternatives = 0,
): Promise<T> {
  const { ports, input, recorder, signal } = scope;
  const { sessionId, turnIndex, arm, interview, traceId } = input.identity;
  const { keepAlive } = input.strategy.network;
  const { clock, random } = ports;
  return withAttempts({ stage, ordinal, clock, random, recorder, signal, cause, alternatives }, async (attempt) => {
    const call = openCall({
      transport: ports.transport,
      clock,
      recorder,
      signal: attempt.signal,
      cause: attempt.cause,
      drain: keepAlive !== false && keepAlive.drain,
      watchdog: attempt.watchdog,
      context: {
        sessionId,
        turnIndex,
        ...(input.userTurn === undefined ? {} : { userTurn: input.userTurn }),
        stage,
        ordinal,
        attempt: attempt.number,
        arm,
        traceId,
        ...(interview === undefined ? {} : { interview }),
      },
    });
    scope.calls.push(call);
    try {
      return await work(call, attempt);
    } catch (error) {
      call.abandon();
      attempt.endedBy = call.arrival().eventId();
      throw error;
    }
  });
}
