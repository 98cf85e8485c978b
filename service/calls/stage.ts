/** What every stage of a turn works with, and how it makes a provider call. */
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
import type { EventSink, Recorder } from '../base/events.ts';
import type { ReadGeneration } from '../providers/generation.ts';
import type { Conversation } from '../text/prompt.ts';
import { createRecorder } from '../turn-log/recorder.ts';
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
  owner: CallOwner;
  strategy: Strategy;
  conversation: Conversation;
  language: string;
  audio: UserAudio;
  /** The text that opens the session; then nothing is heard before it. */
  greeting?: string;
  reply: ReplySink;
  sinks: readonly EventSink[];
  signal?: AbortSignal;
  onSinkError?: (error: unknown) => void;
}

/** What a provider call needs of whoever makes it. */
export interface CallScope {
  ports: Pick<TurnPorts, 'clock' | 'transport' | 'random'>;
  owner: CallOwner;
  recorder: Recorder;
  /** Aborts the call. */
  signal: AbortSignal;
  /** Cancelled streams are read to their end: `network.keepAlive.drain`. */
  drain: boolean;
  /** Takes in every call, which may settle later than its work. */
  calls: OpenCall[];
}

/** One running turn, as its stages see it. Its signal aborts when the turn fails, is cancelled or is over. */
export interface TurnScope extends CallScope {
  ports: TurnPorts;
  input: TurnInput;
  /** Takes in work that may outlive its stage, such as a superseded upload. A failure of it is nobody's but its own. */
  stray(work: Promise<unknown>): void;
  /** Resolves when stray work and provider calls have settled. Rejects for bugs only. */
  settled(): Promise<void>;
}

/** The scope of a turn that begins now. */
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
      settled.catch(() => undefined); // `settled` meets it
      strays.push(settled);
    },
    async settled() {
      for (const work of strays) await work; // work may bring more
      // streams that are being read to their end still write to the log
      await Promise.all(calls.map((call) => call.settled()));
    },
  };
}

/** Whether the strategy has cancelled streams read to their end. */
export function drains({ network: { keepAlive } }: Strategy): boolean {
  return keepAlive !== false && keepAlive.drain;
}

/** A text as the strategy has it spoken. */
export function speechRequest(
  { strategy, language }: Pick<TurnInput, 'strategy' | 'language'>,
  text: string,
): TtsRequest {
  const { method, voice, speed, sse, queue, format } = strategy.tts;
  return { text, method, voice, speed, sse, queue, format, language };
}

export interface CallRequest {
  stage: 'stt' | 'llm' | 'tts';
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
