/** LLM and chunking: transcript → the reply's text, piece by piece. */
import { ask, type Asked } from '../calls/ask.ts';
import { ORDINALS } from '../turn-log/bets.ts';
import { hedge } from '../calls/hedge.ts';
import type { Piece } from './pieces.ts';
import { createReplyWriter, type Reply } from './reply.ts';
import type { Speculation } from './speculation.ts';
import type { TurnScope } from '../calls/stage.ts';
import type { Channel } from '../base/streams.ts';
import type { Transcript } from './transcribe.ts';

/** Streams the reply and releases each piece as soon as the chunker is certain of it. Closes `pieces` at the end. */
export async function think(
  scope: TurnScope,
  transcript: Transcript,
  reply: Reply,
  pieces: Channel<Piece>,
  speculation: Speculation,
): Promise<void> {
  const begun = speculation.take(transcript);
  const asked = begun ?? (await askNow(scope, transcript, speculation));
  const heldBy = begun && transcript.doneId;
  const writer = createReplyWriter(scope, reply, pieces, {
    exchange: asked.exchange,
    opening: speculation.opening,
    heldBy,
  });
  await asked.adopt(writer);
  pieces.close();
}

/** The reply's own request, or its hedge where that is faster. */
async function askNow(scope: TurnScope, transcript: Transcript, speculation: Speculation): Promise<Asked> {
  const { llm } = scope.input.strategy;
  const messages = speculation.messages(transcript.text);
  const first = ask(scope, { ordinal: ORDINALS.reply, cause: transcript.doneId, messages });
  const policy = llm.hedge;
  if (policy === 'none') return first;
  const { winner, loser, placed } = await hedge(scope.ports.clock, policy.afterMs, scope.signal, first, () => {
    const route = llm.route === 'default' ? {} : llm.route;
    return ask(scope, {
      ordinal: ORDINALS.hedge,
      cause: first.startId,
      messages,
      model: policy.model,
      route: policy.ignore && { ...route, only: undefined, ignore: policy.ignore },
      attrs: { hedges: first.exchange },
    });
  });
  if (placed) speculation.hedged(winner, loser);
  return winner;
}
