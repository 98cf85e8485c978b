/** Writes the reply: deltas → text → pieces. Each piece is released as soon as the chunker is certain of it. */
import type { Delta, Reader } from '../calls/ask.ts';
import { createChunker } from '../text/chunker.ts';
import type { Piece, Prepared } from './pieces.ts';
import { join } from '../turn-log/recorder.ts';
import type { TurnScope } from '../calls/stage.ts';
import type { Channel } from '../base/streams.ts';

/** The reply so far. Filled in place, so that a turn that fails keeps what it had. */
export interface Reply {
  text: string;
}

/** How a reply may begin. The writer compares the beginning of the model's text with these openers. */
export interface Opening {
  /** Synthesized ahead. The opener that the model begins with is spoken at once. */
  predicted: readonly Prepared[];
  /** Spoken at the end of turn. The model continues behind it, and must not repeat it. */
  spoken?: string;
  /** Audio of `spoken`. */
  prepared?: Prepared;
}

/** Makes `opening.spoken` the reply's first piece, released by the end of turn. */
export function beginWithOpener(
  { recorder }: TurnScope,
  reply: Reply,
  pieces: Channel<Piece>,
  { spoken, prepared }: Opening,
  turnEndedId: number,
): void {
  if (spoken === undefined) return;
  const text = `${spoken} `;
  const origin = 'prefilled';
  const attrs = { index: 0, chars: text.length, origin };
  const content = { text };
  const readyId = recorder.record({ kind: 'piece.ready', stage: 'chunk', cause: turnEndedId, attrs, content });
  reply.text = text;
  pieces.push({ index: 0, text, readyId, origin, prepared });
}

/**
 * Creates the writer of one reply, streamed as `exchange`. The first content is TTFT. A later delta becomes an event
 * when it completes a piece: the wait before it is hold-back. Text from before the event `heldBy` waited for that event
 * too.
 */
export function createReplyWriter(
  { recorder, input }: TurnScope,
  reply: Reply,
  pieces: Channel<Piece>,
  { exchange, opening, heldBy }: { exchange: string; opening: Opening; heldBy?: number },
): Reader {
  const chunker = createChunker(input.strategy.pipeline.chunking, input.language);
  let content: { id: number; index: number } | undefined;
  let pieceCount = opening.spoken === undefined ? 0 : 1;
  let head = '';
  let opened = opening.spoken === undefined && opening.predicted.length === 0;

  /** The event of a delta. The first is released by its arrival, a later one by the content event before it. */
  const contentEvent = ({ index, atUs, eventId }: Delta): number => {
    if (content?.index === index) return content.id;
    const id = recorder.record({
      kind: 'llm.content',
      stage: content === undefined ? 'llm' : 'chunk',
      exchange,
      cause: content?.id ?? eventId(),
      atUs,
      attrs: { index, chars: reply.text.length + head.length },
    });
    content = { id, index };
    return id;
  };

  const release = (text: string, cause: number, prepared?: Prepared): void => {
    const index = pieceCount++;
    const origin = prepared === undefined ? 'llm' : 'predicted';
    const held = heldBy !== undefined && recorder.atUs(heldBy) >= recorder.atUs(cause) ? heldBy : undefined;
    const readyId = recorder.record({
      kind: 'piece.ready',
      stage: 'chunk',
      ...join(recorder, cause, held),
      attrs: { index, chars: text.length, origin: prepared && origin },
      content: { text },
    });
    pieces.push({ index, text, readyId, origin, prepared });
  };

  const write = (text: string, cause: () => number, ready: readonly string[]): void => {
    reply.text += text;
    for (const each of ready) release(each, cause());
  };

  /** Judges the beginning once it is an opener, or can no longer become one. */
  const open = (cause: () => number, complete: boolean): void => {
    const text = head.trimStart();
    const openers = opening.spoken === undefined ? opening.predicted.map((each) => each.text) : [opening.spoken];
    const found = openers.find((opener) => text.startsWith(opener));
    if (found === undefined && !complete && openers.some((opener) => opener.startsWith(text))) return;
    const whole = head;
    opened = true;
    head = '';
    if (opening.spoken !== undefined) {
      const rest = (found === undefined ? text : text.slice(found.length)).trimStart();
      write(rest, cause, chunker.push(rest));
      return;
    }
    const opener = opening.predicted.find((each) => each.text === found && !each.failed());
    if (opener === undefined) return write(whole, cause, chunker.push(whole));
    const spokenChars = whole.length - text.length + opener.text.length;
    reply.text += whole.slice(0, spokenChars);
    release(whole.slice(0, spokenChars), cause(), opener);
    const rest = whole.slice(spokenChars);
    write(rest, cause, chunker.push(rest));
  };

  return {
    delta(delta) {
      const { text } = delta;
      if (!opened) {
        head += text;
        if (content === undefined && head.trim() !== '') contentEvent(delta);
        if (content !== undefined) open(() => contentEvent(delta), false);
        return;
      }
      reply.text += text;
      if (content === undefined && reply.text.trim() === '') return;
      if (content === undefined) contentEvent(delta);
      const ready = chunker.push(text);
      write('', () => contentEvent(delta), ready);
    },
    done({ result, itemUs, itemChars, endedUs }) {
      if (!opened) open(() => content?.id ?? 0, true);
      const doneId = recorder.record({
        kind: 'llm.done',
        stage: 'chunk',
        exchange,
        cause: content?.id ?? 0,
        atUs: endedUs,
        attrs: { chars: reply.text.length, deltas: itemUs.length, itemUs, itemChars, ...result },
        content: { text: reply.text },
      });
      for (const text of chunker.end()) release(text, doneId);
    },
  };
}
