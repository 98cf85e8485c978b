/** The reply that opens a session: a given text, said before the user speaks. Its zero is the session's opening. */
import { createChunker } from '../text/chunker.ts';
import type { Piece } from './pieces.ts';
import type { UserAudio } from '../base/ports.ts';
import type { Reply } from './reply.ts';
import type { TurnScope } from '../calls/stage.ts';
import type { Channel } from '../base/streams.ts';

/** The audio of a user who has said nothing: no frame, at a rate that every detector takes. */
export const OPENING: UserAudio = { zero: 'opening', sampleRateHz: 8000, async *frames() {} };

/** Cuts the greeting as the strategy cuts replies, and closes `pieces`. */
export function greet(scope: TurnScope, greeting: string, reply: Reply, pieces: Channel<Piece>): void {
  const { recorder, input } = scope;
  const openedId = recorder.record({ kind: 'session.opened', stage: 'endpointing' });
  const chunker = createChunker(input.strategy.pipeline.chunking, input.language);
  reply.text = greeting;
  const origin = 'greeting';
  for (const [index, text] of [...chunker.push(greeting), ...chunker.end()].entries()) {
    const attrs = { index, chars: text.length, origin };
    const content = { text };
    const readyId = recorder.record({ kind: 'piece.ready', stage: 'chunk', cause: openedId, attrs, content });
    pieces.push({ index, text, readyId, origin });
  }
  pieces.close();
}
