/** What the stages of a turn share, and how they call providers. */
import type { SpeechCache } from './speech-cache.ts';
import { openCall, type OpenCall } from '../net/exchange.ts';
import { InvariantError } from '../base/errors.ts';
import type {
  CallOwner,
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
import type { CallStage, EventSink, Recorder } from '../base/events.ts';
import type { ReadGeneration } from '../providers/generation.ts';
import type { Conversation } from '../text/prompt.ts';
import type { Stalls } from '../turn-log/blocked.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { withAttempts, type Attempt } from './retry.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** The world of a turn, built by a composition root: `service/world.ts` or `sim/world/world.ts`. */
export interface TurnPorts {
  clock: Clock;
  transport: Transport;
  stt: Stt;
  llm: Llm;
  tts: Tts;
  /** Where stt, llm and tts send their calls. */
  origins: Origins;
  /** Read when a turn is over, never within it. */
  generationRecord?: ReadGeneration;
  speechCache?: SpeechCache;
  /** When the process stood still; absent in virtual time. */
  stalls?: Stalls;
  /** Draws the retry jitter of this turn. */
  random: Random;
}

export interface TurnInput {
  owner: CallOwner;
  strategy: Strategy;
  conversation: Conversation;
  language: string;
  audio: UserAudio;
  /** The text that opens the session, in place of an answer to the user. */
  greeting?: string;
  reply: ReplySink;
  sinks: readonly EventSink[];
  signal?: AbortSignal;
  onSinkError?: (error: unknown) => void;
}

/** What a caller of a provider brings. */
export interface CallScope {
  ports: Pick<TurnPorts, 'clock' | 'transport' | 'random'>;
  owner: CallOwner;
  recorder: Recorder;
  /** Aborts the call. */
  signal: AbortSignal;
  /** Cancelled streams are read to their end: `network.keepAlive.drain`. */
  drain: boolean;
  /** Gets every call: one may settle later than its work. */
  calls: OpenCall[];
}

/** One running turn, as its stages see it. Its signal aborts when the turn fails, is cancelled or is over. */
export interface TurnScope extends CallScope {
  ports: TurnPorts;
  input: TurnInput;
  /** Takes in work that may outlive its stage, such as a superseded upload. Its failure has no effect; a bug does. */
  stray(work: Promise<unknown>): void;
  /** Resolves when stray work and provider calls have settled. Rejects for bugs only. */
  settled(): Promise<void>;
}

export function createTurnScope(ports: TurnPorts, input: TurnInput, signal: AbortSignal): TurnScope {
  const strays: Promise<unknown>[] = [];
  const calls: OpenCall[] = [];
  return {
    ports,
    input,
    owner: input.owner,
    recorder: createRecorder(ports.clock, input.sinks, input.onSinkError ?? (() => undefined)),
    signal,
    drain: drains(input.strategy),
    calls,
    stray(work) {
      const settled = work.catch((error: unknown) => {
        if (error instanceof InvariantError) throw error;
      });
      settled.catch(() => undefined); // `settled` below throws it
      strays.push(settled);
    },
    async settled() {
      for (const work of strays) await work; // which may bring more
      // streams that are being read to their end still write to the log
      await Promise.all(calls.map((call) => call.settled()));
    },
  };
}

/** Whether the strategy reads cancelled streams to their end. */
export function drains({ network: { keepAlive } }: Strategy): boolean {
  return keepAlive !== false && keepAlive.drain;
}

/** A request to speak a text as the strategy says. */
export function speechRequest(
  { strategy, language }: Pick<TurnInput, 'strategy' | 'language'>,
  text: string,
): TtsRequest {
  const { method, voice, speed, sse, queue, format } = strategy.tts;
  return { text, method, voice, speed, sse, queue, format, language };
}

export interface CallRequest {
  stage: CallStage;
  /** As `ExchangeContext` has it. */
  ordinal: number;
  /** The event that released the call. */
  cause: number;
  /** Models to turn to when the first one cannot answer. */
  alternatives?: number;
}

/**
 * Makes one provider call under the stage's retry policy. Each attempt gives `work` a call of its own. Throws
 * `StageError`.
 */
export function callProvider<T>(
  scope: CallScope,
  { stage, ordinal, cause, alternatives }: CallRequest,
  work: (call: OpenCall, attempt: Attempt) => Promise<T>,
): Promise<T> {
  const { owner, recorder, signal, drain } = scope;
  const { clock, random, transport } = scope.ports;
  return withAttempts({ stage, ordinal, clock, random, recorder, signal, cause, alternatives }, async (attempt) => {
    const call = openCall({
      transport,
      clock,
      recorder,
      signal: attempt.signal,
      cause: attempt.cause,
      drain,
      watchdog: attempt.watchdog,
      context: { ...owner, stage, ordinal, attempt: attempt.number },
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
