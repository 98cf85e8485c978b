/** A captured turn as the stand-ins need it, and its reply's text or a filler of the same shape. */
import { numberOf, numbersOf, type TurnEvent } from '../../service/base/events.ts';

export interface CapturedTurn {
  sessionId: string;
  turnIndex: number;
  events: readonly TurnEvent[];
  /** µs since 1970 at which the turn's clock began. */
  anchorUs?: number;
}

/** The captured reply, or a filler of its shape where the capture keeps no text. Undefined where the turn had no reply. */
export function replyTextOf(events: readonly TurnEvent[]): string | undefined {
  const done = events.find(({ kind }) => kind === 'llm.done');
  if (done === undefined) return undefined;
  if (done.content?.text !== undefined) return done.content.text;
  const pieceChars = events.flatMap((event) => (event.kind === 'piece.ready' ? [numberOf(event, 'chars') ?? 0] : []));
  return filler(numberOf(done, 'chars') ?? 0, numbersOf(done, 'breaks') ?? [], pieceChars);
}

/**
 * A text without meaning, `chars` long. A break where a piece ended has a full stop, any other break a comma: so the chunker
 * cuts where it cut the captured text. A piece's length includes the white space after it.
 */
export function filler(chars: number, breaks: readonly number[], pieceChars: readonly number[]): string {
  let end = 0;
  const pieceEnds = pieceChars.map((each) => (end += each));
  const offsets = breaks.length > 0 ? breaks : pieceEnds.map((each) => each - 1);
  let text = '';
  for (const at of [...offsets.filter((each) => each > 0 && each < chars - 1), chars]) {
    const endsPiece = at === chars || pieceEnds.some((each) => each === at || each === at + 1);
    text += `${fillerWords(Math.max(0, at - 1 - text.length))}${endsPiece ? '.' : ','}`.slice(0, at - text.length);
    if (at < chars) text += ' ';
  }
  return text;
}

/** Words of six letters, the last of up to twelve: the chunker takes short words for abbreviations. */
function fillerWords(chars: number): string {
  const count = Math.max(1, Math.floor(chars / 7));
  return `${'Xxxxxx '.repeat(count - 1)}X${'x'.repeat(12)}`.slice(0, chars);
}
