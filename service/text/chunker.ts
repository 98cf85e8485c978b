/**
 * Cuts a streamed reply into pieces for speech synthesis. A piece is released as soon as it is certain, since the user
 * hears every delta of waiting as delay:
 *
 *     ends a sentence                                                 when it is certain
 *     .  then whitespace                                              at the whitespace
 *     ! ?  after a word, no bracket or quote open                     at once, or with what closes after it
 *     . ! ?  then closing quotes or brackets that leave none open     at once
 *     … ...  12. vb.                                                  at the next visible character: capital = end
 *     newline                                                         at once
 *     , ; : – —  (`clause`, from 12 speakable characters on)          at whitespace or the delta's end; not after a digit
 *     300 characters                                                  at the last whitespace among them
 *
 * Never an end: `Dr.`, `e.g.`, `J.`, `No. 5`, `3. madde` (Turkish ordinal), `1.000`, `3,5`, `10:30`, `Node.js`,
 * `https://a.b/c?d`, `a@b.co`. Whitespace that is there at a piece's release goes with it; later whitespace begins the
 * next piece.
 */
import { endsSentence, TERMINATORS } from './sentence-end.ts';

export type ChunkingMode = 'sentence' | 'clause' | 'reply';

export interface Chunker {
  /** Takes a delta; returns the pieces that it completes. */
  push(delta: string): string[];
  /** The reply is complete; returns the last pieces. */
  end(): string[];
  /**
   * After `end`: text behind the last piece without anything to speak, usually ''. Pieces + rest = the text. A released
   * piece cannot take it in, and a piece without a word must not be synthesized.
   */
  rest(): string;
}

const MAX_PIECE_CHARS = 300;
const MIN_SPEAKABLE = 2;
const MIN_CLAUSE_SPEAKABLE = 12;
const SPEAKABLE = /[\p{L}\p{N}]/gu;
const CLAUSE_MARKS = ',;:–—';
/** Without one of these marks no piece ends, unless it is too long. */
const ANY_MARK = new RegExp(`[\\n${TERMINATORS}${CLAUSE_MARKS}]`, 'u');
const CLOSERS = '"\'”’»)]';

const speakableIn = (text: string): number => text.match(SPEAKABLE)?.length ?? 0;
const isSpace = (char: string | undefined): boolean => char !== undefined && /\s/u.test(char);

/** End of the clause whose mark stands at `at`, or -1. A mark at the text's end counts unless a digit precedes it. */
function clauseEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && CLOSERS.includes(text.charAt(end))) end += 1;
  if (end < text.length) return isSpace(text[end]) ? end : -1;
  if (/\p{N}/u.test(text.charAt(at - 1))) return -1;
  return /(?:https?|mailto|ftp):$/iu.test(text) ? -1 : end;
}

/** A piece's limit: 300 characters, or more where fewer than 2 of these are speakable. */
function maxChars(text: string): number {
  let seen = 0;
  for (const { index } of text.matchAll(SPEAKABLE)) {
    seen += 1;
    if (seen === MIN_SPEAKABLE) return Math.max(MAX_PIECE_CHARS, index + 1);
  }
  return Infinity;
}

/** The cut of a too long piece: after the last whitespace, else at the limit, between whole characters. */
function forcedCut(text: string, limit: number): number {
  const afterSpace = text.slice(0, limit).search(/\s\S*$/u) + 1;
  if (afterSpace > 0 && speakableIn(text.slice(0, afterSpace)) >= MIN_SPEAKABLE) return afterSpace;
  let cut = limit;
  while (/^(?:[\uDC00-\uDFFF]|\p{M})/u.test(text.slice(cut))) cut += 1;
  return cut;
}

/** End of the first certain piece of `text`, without the whitespace behind it; -1 when none is certain. */
function firstPieceEnd(text: string, mode: 'sentence' | 'clause', language: string, complete: boolean): number {
  if (text.length < MAX_PIECE_CHARS && !ANY_MARK.test(text)) return -1; // most deltas of a stream
  const limit = maxChars(text);
  let speakable = 0;
  for (let at = 0; at < Math.min(text.length, limit); at += 1) {
    const char = text.charAt(at);
    // more than 12 decide nothing
    if (speakable < MIN_CLAUSE_SPEAKABLE && /[\p{L}\p{N}]/u.test(String.fromCodePoint(text.codePointAt(at) ?? 0)))
      speakable += 1;
    if (speakable < MIN_SPEAKABLE) continue;
    if (char === '\n') return at + 1;
    const end =
      mode === 'clause' && speakable >= MIN_CLAUSE_SPEAKABLE && CLAUSE_MARKS.includes(char)
        ? clauseEnd(text, at)
        : endsSentence(text, at, language, complete);
    if (end >= 0) return end;
  }
  return text.length >= limit ? forcedCut(text, limit) : -1;
}

/**
 * Creates the chunker of one reply in `language`: `tr`, `en`, or a tag that begins so. A piece has at least 2 letters
 * or digits; the last piece may have 1. A piece has at most 300 characters before its trailing whitespace, or more
 * where fewer than 2 of these are speakable. In mode `reply` one piece is everything.
 */
export function createChunker(mode: ChunkingMode, language: string): Chunker {
  let held = '';

  const release = (complete: boolean): string[] => {
    const pieces: string[] = [];
    if (mode === 'reply') return pieces;
    for (;;) {
      const bare = firstPieceEnd(held, mode, language, complete);
      if (bare < 0) return pieces;
      let end = bare;
      while (isSpace(held[end])) end += 1;
      pieces.push(held.slice(0, end));
      held = held.slice(end);
    }
  };

  return {
    push(delta) {
      held += delta;
      return release(false);
    },
    end() {
      const pieces = release(true);
      const speakable = speakableIn(held);
      const last = pieces.pop();
      if (last !== undefined && speakable < MIN_SPEAKABLE && last.length + held.length <= MAX_PIECE_CHARS) {
        held = last + held;
      } else if (last !== undefined) {
        pieces.push(last);
      }
      if (speakableIn(held) > 0) {
        pieces.push(held);
        held = '';
      }
      return pieces;
    },
    rest: () => held,
  };
}
