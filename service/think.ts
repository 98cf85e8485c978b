/** LLM and chunking: transcript → the reply's text, piece by piece. */
import { createChunker } from './chunker.ts';
import { StageError } from './errors.ts';
import type { OpenCall } from './net/exchange.ts';
import { compressedPrompt, promptFor } from './prompt.ts';
import { promptOfFile } from './prompt-file.ts';
import type { Attempt } from './retry.ts';
import { callProvider, type TurnScope } from './stage.ts';
import type { Strategy } from './strategy.ts';
import type { Channel } from './streams.ts';
import type { Transcript } from './transcribe.ts';

/** One piece of the reply, ready to be spoken. */
export interface Piece {
  index: number;
  text: string;
  readyId: number;
}

/** The reply as far as it has been streamed; filled in place, so that a turn that fails keeps what it had. */
export interface Reply {
  text: string;
}

/**
 * Streams the reply and lets each piece go as soon as the chunker is certain of it; closes `pieces` at the end.
 * The first content is TTFT. A later delta becomes an event when it completes a piece: the wait before it is hold-back.
 */
export async function think(
  scope: TurnScope,
  transcript: Transcript,
  reply: Reply,
  pieces: Channel<Piece>,
): Promise<void> {
  const { recorder, ports, input } = scope;
  const { model, maxTokens, temperature, historyTurns, route, reasoning, seed, sse, fallback } = input.strategy.llm;
  const systemPrompt = systemPromptOf(input.strategy, input.language, input.conversation.systemPrompt);
  const messages = promptFor({ ...input.conversation, systemPrompt }, transcript.text, historyTurns);
  const chunker = createChunker(input.strategy.pipeline.chunking, input.language);
  const itemUs: number[] = [];
  const itemChars: number[] = [];
  let content: { id: number; delta: number } | undefined;
  let pieceCount = 0;
  const startId = recorder.record({
    kind: 'llm.start',
    stage: 'llm',
    exchange: 'llm.0',
    cause: transcript.doneId,
    attrs: {
      model,
      maxTokens,
      temperature,
      messages: messages.length,
      promptChars: messages.reduce((sum, each) => sum + each.content.length, 0),
    },
    content: { text: JSON.stringify(messages) },
  });

  const release = (texts: readonly string[], cause: number): void => {
    for (const text of texts) {
      const index = pieceCount++;
      const attrs = { index, chars: text.length };
      const readyId = recorder.record({ kind: 'piece.ready', stage: 'chunk', cause, attrs, content: { text } });
      pieces.push({ index, text, readyId });
    }
  };
  /** The event of the newest delta: the first is released by its arrival, later ones by the stream going on. */
  const contentEvent = (call: OpenCall): number => {
    const delta = itemUs.length - 1;
    if (content?.delta === delta) return content.id;
    const { atUs, eventId } = call.arrival();
    const id = recorder.record({
      kind: 'llm.content',
      stage: content === undefined ? 'llm' : 'chunk',
      exchange: 'llm.0',
      cause: content?.id ?? eventId(),
      atUs,
      attrs: { index: delta, chars: reply.text.length },
    });
    content = { id, delta };
    return id;
  };

  const models = [model, ...fallback];
  const ask = async (call: OpenCall, attempt: Attempt): Promise<void> => {
    // an attempt that failed had brought blanks at most
    reply.text = '';
    itemUs.length = itemChars.length = 0;
    const [asked = model, ...rest] = models.slice(Math.min(attempt.number, models.length - 1));
    const { sessionId } = input.identity;
    const request = {
      model: asked,
      fallback: rest,
      messages,
      maxTokens,
      temperature,
      sessionId,
      sse,
      ...(route === 'default' ? {} : { route }),
      ...(reasoning === 'default' ? {} : { reasoning }),
      ...(seed === 'none' ? {} : { seed }),
    };
    const result = await ports.llm.stream(request, call, (text) => {
      reply.text += text;
      itemUs.push(call.arrival().atUs);
      itemChars.push(text.length);
      if (content === undefined && reply.text.trim() === '') return;
      attempt.mayRepeat = false;
      if (content === undefined) contentEvent(call);
      const ready = chunker.push(text);
      if (ready.length > 0) release(ready, contentEvent(call));
    });
    if (content === undefined) throw new StageError('llm', 'empty', `OpenRouter ${asked}: the reply has no text`);
    const doneId = recorder.record({
      kind: 'llm.done',
      stage: 'chunk',
      exchange: 'llm.0',
      cause: content.id,
      attrs: { chars: reply.text.length, deltas: itemUs.length, itemUs, itemChars, ...result },
      content: { text: reply.text },
    });
    release(chunker.end(), doneId);
  };
  await callProvider(scope, 'llm', 0, startId, ask, fallback.length);
  pieces.close();
}

/** The system prompt that the strategy asks for. */
function systemPromptOf({ llm: { systemPrompt } }: Strategy, language: string, captured: string): string {
  if (systemPrompt === 'captured') return captured;
  if (systemPrompt === 'compressed') return compressedPrompt(language);
  return promptOfFile(systemPrompt.file, systemPrompt.sha256);
}
