/** A client gets all of the reply in order, or its beginning where the user took the floor. */
import { numberOf, type TurnEvent } from '../../service/base/events.ts';

/** Reply audio as it was handed to the client's connection. */
export interface Handed {
  atUs: number;
  pieceIndex: number;
  bytes: number;
}

/** The parts of a turn that the audio is compared with. */
export interface ReplyOfTurn {
  log: { events: readonly TurnEvent[] };
  replyText: string;
  summary: { failure?: unknown };
}

/** Complaints where pieces reach the client out of order, with other bytes than were synthesized, or without all of the text. */
export function orderKept({ log: { events }, replyText, summary }: ReplyOfTurn, handed: readonly Handed[]): string[] {
  const complaints: string[] = [];
  const bytes = new Map<number, number>();
  let [lastIndex, lastUs] = [-1, 0];
  for (const { atUs, pieceIndex, bytes: more } of handed) {
    if (pieceIndex < lastIndex || atUs < lastUs) complaints.push(`piece ${pieceIndex} after piece ${lastIndex}`);
    [lastIndex, lastUs] = [Math.max(lastIndex, pieceIndex), atUs];
    bytes.set(pieceIndex, (bytes.get(pieceIndex) ?? 0) + more);
  }
  if (summary.failure !== undefined) return complaints;
  const pieces = events.filter(({ kind }) => kind === 'piece.ready');
  for (const [expected, piece] of pieces.entries())
    if (numberOf(piece, 'index') !== expected)
      complaints.push(`piece ${String(numberOf(piece, 'index'))} where ${expected} is next`);
  const text = lettersOf(pieces.map(({ content }) => content?.text ?? '').join(''));
  const stop = events.find(({ kind }) => kind === 'interrupt.confirmed');
  // an interrupted reply's text is what was heard of it
  if (stop === undefined ? text !== lettersOf(replyText) : !text.startsWith(lettersOf(replyText)))
    complaints.push('the pieces are not the reply');
  for (const done of events.filter(({ kind }) => kind === 'tts.done')) {
    const index = numberOf(done, 'index') ?? -1;
    const [got, made] = [bytes.get(index) ?? 0, done.content?.audio?.byteLength ?? 0];
    const cutShort = stop !== undefined && index >= lastIndex && got < made;
    if (got !== made && !cutShort) complaints.push(`piece ${index}: ${got} of ${made} bytes handed over`);
  }
  if (stop === undefined && bytes.size !== pieces.length)
    complaints.push(`${bytes.size} of ${pieces.length} pieces handed over`);
  const late = stop === undefined ? [] : handed.filter(({ atUs }) => atUs > stop.atUs);
  return [...complaints, ...late.map(({ pieceIndex }) => `audio of piece ${pieceIndex} after the user took the floor`)];
}

/** Letters and digits only: pieces may lack punctuation at the end. */
function lettersOf(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N}]/gu, '');
}
