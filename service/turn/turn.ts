/**
 * One turn, top to bottom: listen → transcribe → think → speak → deliver. Only this file owns the control flow. The
 * strategy says what to do, the recorder's log says what happened. Everything else is a projection of that log.
 */
import { apologize } from './apologize.ts';
import { createBargeIn, heardTexts, Interruption } from './barge-in.ts';
import { deliver, type Delivery } from './deliver.ts';
import { describeError, InvariantError, errorClass, StageError } from '../base/errors.ts';
import { greet } from './greeting.ts';
import { listen, type Heard } from './listen.ts';
import { createPlayback } from '../audio/playback.ts';
import { numberOf, type TurnEvent } from '../base/events.ts';
import type { Piece, PieceAudio } from './pieces.ts';
import { speak } from './speak.ts';
import { createTurnScope, type TurnInput, type TurnPorts, type TurnScope } from '../calls/stage.ts';
import { childSignal, createChannel } from '../base/streams.ts';
import { beginWithOpener, type Reply } from './reply.ts';
import { blockedAttrs } from '../turn-log/blocked.ts';
import { workFor } from './running-turn.ts';
import { createSpeculation } from './speculation.ts';
import { think } from './think.ts';
import { createTranscriber } from './transcribe.ts';

export interface TurnOutcome {
  events: readonly TurnEvent[];
  /** User content, as far as the turn came. */
  transcript: string;
  replyText: string;
  failure?: StageError;
  /** The user took the floor: `replyText` is the heard part. */
  interruption?: Interruption;
}

/** Far more than a reply of `llm.maxTokens` has. */
const PIECES_LIMIT = 4096;

/** Runs one turn. Never throws for what providers, clients or users do: a failed turn is an outcome with its events. */
export function runTurn(ports: TurnPorts, input: TurnInput): Promise<TurnOutcome> {
  const turn = childSignal(input.signal);
  const { sessionId, turnIndex, traceId } = input.owner;
  const fail = (error: unknown): boolean => {
    if (turn.released()) return false;
    turn.abort(new StageError('deliver', 'internal', `${errorClass(error)} in code that no stage awaits: see the log`));
    return true;
  };
  const unwatch = ports.stalls?.watch();
  const outcome = workFor({ sessionId, turnIndex, traceId, fail }, () => runStages(ports, input, turn));
  return unwatch === undefined ? outcome : outcome.finally(unwatch);
}

async function runStages(
  ports: TurnPorts,
  input: TurnInput,
  turn: ReturnType<typeof childSignal>,
): Promise<TurnOutcome> {
  const scope = createTurnScope(ports, input, turn.signal);
  const speculation = createSpeculation(scope);
  const transcriber = createTranscriber(scope, speculation.early);
  const playback = createPlayback(ports.tts.sampleRateHz);
  const bargeIn = createBargeIn(scope, playback, turn.abort);
  const delivery: Delivery = { playback, bargeIn, pieces: [] };
  const listening = listen(scope, { ...transcriber, interrupt: bargeIn.interrupt }, speculation.started);
  const reply: Reply = { text: '' };
  let transcript = '';
  let failure: StageError | undefined;
  let interruption: Interruption | undefined;
  try {
    const pieces = createChannel<Piece>(PIECES_LIMIT, 'pieces of text');
    const queue = createChannel<PieceAudio>(PIECES_LIMIT, 'pieces of audio');
    const answer = async (heard: Heard): Promise<void> => {
      beginWithOpener(scope, reply, pieces, speculation.opening, heard.turnEndedId);
      const words = await transcriber.final(heard);
      transcript = words.text;
      await think(scope, words, reply, pieces, speculation);
    };
    const say = (words: Promise<void>): Promise<void> =>
      together([words, speak(scope, pieces, queue), deliver(scope, queue, listening, delivery)], turn.abort);
    if (input.greeting === undefined) {
      await say(answer(await listening.ended));
    } else {
      greet(scope, input.greeting, reply, pieces);
      await say(Promise.resolve());
    }
  } catch (error) {
    const { reason } = turn.signal;
    if (reason instanceof Interruption && !(error instanceof InvariantError)) {
      interruption = reason;
      reply.text = recordInterruption(scope, delivery, reason);
    } else {
      failure = asFailure(error, turn.signal);
      turn.abort(failure);
      await apologize(scope, failure, recordFailure(scope, failure));
    }
  }
  speculation.close();
  await scope.settled();
  recordStalls(scope);
  await listening.close();
  turn.release();
  return { events: scope.recorder.events, transcript, replyText: reply.text, failure, interruption };
}

/** When our own process stood still during the turn: nobody could know at the time. */
function recordStalls({ recorder, ports: { stalls, clock } }: TurnScope): void {
  const [first] = recorder.events;
  const found = first === undefined ? [] : (stalls?.between(first.atUs, clock.nowUs()) ?? []);
  if (first === undefined || found.length === 0) return;
  recorder.record({ kind: 'loop.blocked', stage: 'endpointing', cause: first.id, attrs: blockedAttrs(found) });
}

/** Records the heard part of an interrupted reply, by the client's report or the playback model. Returns its text. */
function recordInterruption(
  { recorder, ports, input }: TurnScope,
  { playback, pieces, lastByteUs }: Delivery,
  { onsetUs, confirmedId }: Interruption,
): string {
  const played = input.reply.playedMs?.();
  const { sampleRateHz } = ports.tts;
  const perMs = sampleRateHz / 1000;
  const heardSamples = played === undefined ? playback.playedSamples(onsetUs) : Math.round(played * perMs);
  const handedOver = pieces.reduce((sum, { samples }) => sum + samples, 0);
  const texts = recorder.events.flatMap(({ kind, content }) => (kind === 'piece.ready' ? [content?.text ?? ''] : []));
  const heard = heardTexts(texts, pieces, heardSamples, sampleRateHz);
  const text = heard.join('').trimEnd();
  const synthesizedHeard = heard.reduce((sum, { length }, index) => (pieces[index]?.cached ? sum : sum + length), 0);
  const synthesized = recorder.events.reduce(
    (sum, event) => (event.kind === 'tts.start' ? sum + (numberOf(event, 'chars') ?? 0) : sum),
    0,
  );
  const cause = recorder.record({
    kind: 'turn.interrupted',
    stage: 'deliver',
    cause: confirmedId,
    attrs: {
      heardMs: Math.round(heardSamples / perMs),
      heardBasis: played === undefined ? 'model' : 'client',
      unheardMs: Math.max(0, Math.round((handedOver - heardSamples) / perMs)),
      unheardChars: Math.max(0, synthesized - synthesizedHeard),
      onsetToLastByteUs: Math.max(0, (lastByteUs ?? onsetUs) - onsetUs),
      chars: text.length,
    },
    content: { text },
  });
  recorder.record({ kind: 'turn.done', stage: 'deliver', cause, atUs: ports.clock.nowUs() });
  return text;
}

/** Waits for all branches. The first failure aborts the others, and is thrown once every branch has ended. */
async function together(branches: readonly Promise<void>[], abort: (reason: unknown) => void): Promise<void> {
  let first: { error: unknown } | undefined;
  const settle = (error: unknown): void => {
    first ??= { error };
    abort(first.error);
  };
  await Promise.all(branches.map((branch) => branch.catch(settle)));
  if (first !== undefined) throw first.error;
}

function recordFailure({ recorder, ports }: TurnScope, failure: StageError): number {
  const nowUs = ports.clock.nowUs();
  const last = recorder.events.findLast((event) => event.atUs <= nowUs);
  return recorder.record({
    kind: 'turn.failed',
    stage: failure.stage,
    cause: last?.id,
    attrs: {
      errorStage: failure.stage,
      errorKind: failure.kind,
      retryable: failure.retryable,
      message: describeError(failure, 200),
    },
  });
}

function asFailure(error: unknown, signal: AbortSignal): StageError {
  if (error instanceof StageError) return error;
  if (error instanceof InvariantError) throw error;
  return new StageError('deliver', signal.aborted ? 'cancelled' : 'internal', describeError(error), { cause: error });
}
