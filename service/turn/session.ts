/** One conversation: its history and its turns, in the service and in replays alike. */
import { InputError } from '../base/errors.ts';
import type { EventSink, TurnIdentity } from '../base/events.ts';
import type { Message, ReplySink, UserAudio } from '../base/ports.ts';
import { childSignal } from '../base/streams.ts';
import type { TurnPorts } from '../calls/stage.ts';
import { observeTurn, type FinishedTurn, type Projection } from './observe.ts';
import type { Strategy } from '../strategy/strategy.ts';

export interface SessionOptions {
  id: string;
  language: string;
  /** The text that opens the session. */
  greeting?: string;
  systemPrompt: string;
  history: readonly Message[];
  strategy: Strategy;
  /** Each turn adds its own fields. */
  identity: Omit<TurnIdentity, 'sessionId' | 'turnIndex' | 'traceId'>;
  /** Turns share transport and clients; each has a random stream of its own. */
  ports: (turnIndex: number) => TurnPorts;
  /** Gives a new trace id at each call. */
  traceIds: () => string;
  projections: readonly Projection[];
  onProjectionError: (error: unknown) => void;
}

export interface TurnRequest {
  audio: UserAudio;
  /** Given together with `OPENING` as audio. */
  greeting?: string;
  reply: ReplySink;
  /** Live subscribers, which see content. */
  sinks?: readonly EventSink[];
  signal?: AbortSignal;
}

export interface Session {
  readonly id: string;
  readonly language: string;
  readonly strategy: Strategy;
  readonly greeting?: string;
  /** How many turns are over. */
  readonly turnsOver: number;
  readonly busy: boolean;
  /** A turn runs that answers what a user has said. A greeting answers nobody. */
  readonly answering: boolean;
  nextTraceId(): string;
  /** Runs the next turn. Throws `InputError` while another one is running. */
  turn(request: TurnRequest): Promise<FinishedTurn>;
  /** Cancels the turn that runs, if one does. Resolves when no turn is running. */
  cancel(reason: Error): Promise<void>;
  /** Resolves when no turn is running. */
  idle(): Promise<void>;
}

export function createSession(options: SessionOptions): Session {
  const history: Message[] = [...options.history];
  let nextIndex = 0;
  let greetings = 0;
  let nextTraceId = options.traceIds();
  let running: { ended: PromiseWithResolvers<undefined>; answering: boolean; cancel(reason: Error): void } | undefined;

  return {
    id: options.id,
    language: options.language,
    strategy: options.strategy,
    greeting: options.greeting,
    get turnsOver() {
      return nextIndex - (running === undefined ? 0 : 1);
    },
    get busy() {
      return running !== undefined;
    },
    get answering() {
      return running?.answering === true;
    },
    async cancel(reason) {
      running?.cancel(reason);
      await running?.ended.promise;
    },
    async idle() {
      await running?.ended.promise;
    },
    nextTraceId: () => nextTraceId,
    async turn(request) {
      if (running !== undefined) throw new InputError(`session ${options.id} is in a turn; wait for its end`);
      const { signal, abort, release } = childSignal(request.signal);
      const turn = {
        ended: Promise.withResolvers<undefined>(),
        answering: false,
        cancel: abort,
      };
      running = turn;
      const watch: EventSink = ({ kind }) => {
        if (kind === 'turn.ended') turn.answering = true;
      };
      const turnIndex = nextIndex++;
      const traceId = nextTraceId;
      nextTraceId = options.traceIds();
      try {
        const identity = { ...options.identity, sessionId: options.id, turnIndex, traceId };
        const over = await observeTurn(
          options.ports(turnIndex),
          {
            identity,
            strategy: options.strategy,
            conversation: { systemPrompt: options.systemPrompt, history: [...history] },
            language: options.language,
            audio: request.audio,
            userTurn: greetings === 0 ? undefined : turnIndex - greetings,
            greeting: request.greeting,
            reply: request.reply,
            sinks: [watch, ...(request.sinks ?? [])],
            onSinkError: options.onProjectionError,
            signal,
          },
          options.projections,
        );
        if (request.greeting !== undefined) greetings++;
        if (over.transcript !== '') history.push({ role: 'user', content: over.transcript });
        if (over.replyText !== '') history.push({ role: 'assistant', content: over.replyText });
        return over;
      } finally {
        running = undefined;
        release();
        turn.ended.resolve(undefined);
      }
    },
  };
}
