/** Texts from a captured turn: what the stand-ins hear and say again. */
import { numberOf, numbersOf, type TurnEvent } from '../../service/base/events.ts';
import type { Message } from '../../service/base/ports.ts';
import { loudnessOf, REFERENCE_DETECTOR, speechBounds } from '../../service/audio/speech-end.ts';
import { wordsHeard, type Heard, type SpeechSpan } from './heard.ts';
import type { DrawContext } from '../times/plan.ts';
import type { Script } from './script.ts';

/** A captured turn as far as the stand-ins need it. */
export interface CapturedTurn {
  sessionId: string;
  turnIndex: number;
  events: readonly TurnEvent[];
  /** µs since 1970 at which the turn's clock began. */
  anchorUs?: number;
}

/** Transcripts and replies as captured, by session and turn; without a captured text (level `timing`) filler of its shape. */
export function capturedScript(turns: readonly CapturedTurn[], fallback: Script): Script {
  const texts = new Map(
    turns.map(({ sessionId, turnIndex, events }) => {
      const transcript = events.find(({ kind }) => kind === 'stt.done');
      return [
        turnKey({ sessionId, turnIndex }),
        {
          transcript: transcript && (transcript.content?.text ?? filler(numberOf(transcript, 'chars') ?? 0, [], [])),
          span: transcript && spanOf(events, transcript),
          reply: replyTextOf(events),
        },
      ];
    }),
  );
  return {
    transcript: (context: DrawContext, heard: Heard) => {
      const { transcript, span } = texts.get(turnKey(context)) ?? {};
      if (transcript === undefined) return fallback.transcript(context, heard);
      return span === undefined ? transcript : wordsHeard(transcript, span, heard);
    },
    reply: (context: DrawContext, messages: readonly Message[]) =>
      texts.get(turnKey(context))?.reply ?? fallback.reply(context, messages),
  };
}

/** Where the captured transcript's speech lay in the upload that it answered; absent where the capture does not tell. */
function spanOf(events: readonly TurnEvent[], done: TurnEvent): SpeechSpan | undefined {
  const received = events.find(({ kind }) => kind === 'speech.audio');
  const start = events.find(({ kind, exchange }) => kind === 'stt.start' && exchange === done.exchange);
  const audioMs = numberOf(start, 'audioMs');
  const onDbfs = numberOf(received, 'onDbfs');
  if (audioMs === undefined || onDbfs === undefined) return undefined;
  const { frameMs } = REFERENCE_DETECTOR;
  const levels = (numbersOf(received, 'speechProbability') ?? []).map((probability) => loudnessOf(probability, onDbfs));
  const { first, last } = speechBounds(levels.slice(0, Math.ceil(audioMs / frameMs)));
  return first === undefined || last === undefined
    ? undefined
    : { fromMs: first * frameMs, toMs: (last + 1) * frameMs };
}

export function turnKey({ sessionId, turnIndex }: { sessionId: string; turnIndex: number }): string {
  return `${sessionId}/${turnIndex}`;
}

/** The reply as captured; a filler of its shape where the capture keeps no text; undefined where there was none. */
export function replyTextOf(events: readonly TurnEvent[]): string | undefined {
  const done = events.find(({ kind }) => kind === 'llm.done');
  if (done === undefined) return undefined;
  if (done.content?.text !== undefined) return done.content.text;
  const pieceChars = events.flatMap((event) => (event.kind === 'piece.ready' ? [numberOf(event, 'chars') ?? 0] : []));
  return filler(numberOf(done, 'chars') ?? 0, numbersOf(done, 'breaks') ?? [], pieceChars);
}

/**
 * A text of the captured shape that says nothing: `chars` long, a full stop at each break where a piece ended, a comma at
 * the others, so that it is cut where the captured text was cut. A piece's length includes the white space after it.
 */
function filler(chars: number, breaks: readonly number[], pieceChars: readonly number[]): string {
  let end = 0;
  const pieceEnds = pieceChars.map((each) => (end += each));
  const offsets = breaks.length > 0 ? breaks : pieceEnds.map((each) => each - 1);
  let text = '';
  for (const at of [...offsets.filter((each) => each > 0 && each < chars - 1), chars]) {
    const endsPiece = at === chars || pieceEnds.some((each) => each === at || each === at + 1);
    text += `${words(Math.max(0, at - 1 - text.length))}${endsPiece ? '.' : ','}`.slice(0, at - text.length);
    if (at < chars) text += ' ';
  }
  return text;
}

/** Words of six letters, the last one of up to twelve: none so short that it reads as an abbreviation. */
function words(chars: number): string {
  const count = Math.max(1, Math.floor(chars / 7));
  return `${'Xxxxxx '.repeat(count - 1)}X${'x'.repeat(12)}`.slice(0, chars);
}
