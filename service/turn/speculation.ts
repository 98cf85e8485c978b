/**
 * A turn's bets on work that may not be needed: openers spoken ahead, replies to early transcripts, prompts sent ahead
 * to be cached. The user hears none of it before the end of turn. Each bet is settled when the turn closes.
 */
import { ask, type Asked } from '../calls/ask.ts';
import { ORDINALS, settleBet } from '../turn-log/bets.ts';
import { modelFacts, tokensOf } from '../strategy/models.ts';
import type { Message } from '../base/ports.ts';
import { openersFor, promptFor, promptHead, systemPromptFor, withOpeners } from '../text/prompt.ts';
import type { Opening } from './reply.ts';
import type { Prepared } from './pieces.ts';
import { prepare } from './speak.ts';
import { callProvider, type TurnScope } from '../calls/stage.ts';
import { hedgeBet, openersBet, partialBet, promptBet, type Begun } from './stakes.ts';
import { prefetches } from '../strategy/strategy.ts';
import type { EarlyTranscript, Transcript } from './transcribe.ts';

export interface Speculation {
  /** Begins the work that needs no transcript. `startId` is the turn's first event. */
  started(startId: number): void;
  /** Takes the transcript of a pause. */
  early(transcript: EarlyTranscript): void;
  /** Openers with which the reply may begin, or the one with which it does begin. */
  readonly opening: Opening;
  /** The prompt, with the strategy's openers. */
  messages(transcript: string): Message[];
  /** The reply that was begun on the same words. */
  take(transcript: Transcript): Asked | undefined;
  /** Notes a second request beside the reply's own, and which of the two was stopped. */
  hedged(winner: Asked, loser: Asked | undefined): void;
  /** Stops unneeded work and settles every bet. Call it once, when the turn has nothing more to say. */
  close(): void;
}

/** Begun replies of one turn. */
const PARTIAL_LIMIT = 3;

export function createSpeculation(scope: TurnScope): Speculation {
  const { recorder, input, owner } = scope;
  const { strategy, language, conversation } = input;
  const { speculation } = strategy.pipeline;
  const { historyTurns } = strategy.llm;
  const prompt = { ...conversation, systemPrompt: systemPromptFor(strategy, language, conversation.systemPrompt) };
  const choice = openersFor(language);
  const spoken = speculation === 'prefill' ? choice[owner.turnIndex % choice.length] : undefined;
  const opening: Opening & { predicted: Prepared[] } = { predicted: [], spoken };
  const prepared: Prepared[] = [];
  const begun: Begun[] = [];
  let taken: Begun | undefined;
  let hedge: { winner: Asked; loser: Asked | undefined } | undefined;
  let warmed: { fromUs: number; promptTokens: number; refused?: string } | undefined;

  const asked = (messages: Message[]): Message[] =>
    speculation === 'predict' ? withOpeners(messages, choice) : messages;
  const messages = (transcript: string): Message[] => [
    ...asked(promptFor(prompt, transcript, historyTurns)),
    ...(spoken === undefined ? [] : [{ role: 'assistant' as const, content: spoken }]),
  ];

  /** Asks for one token, so that the provider has the prompt cached when the real request comes. */
  const warm = (startId: number): void => {
    const { model } = strategy.llm;
    const head = asked(promptHead(prompt, historyTurns));
    const promptTokens = tokensOf(head.reduce((sum, { content }) => sum + content.length, 0));
    const needed = modelFacts(model)?.cacheMinTokens ?? Infinity;
    warmed = { fromUs: recorder.atUs(startId), promptTokens };
    if (promptTokens < needed) {
      warmed.refused = `about ${promptTokens} prompt tokens; ${model} is cached from ${needed} on`;
      return;
    }
    const exchange = `llm.${ORDINALS.prompt}`;
    const attrs = { model, promptTokens };
    const cause = recorder.record({ kind: 'prefetch.start', stage: 'llm', exchange, cause: startId, attrs });
    const ahead = [...head, { role: 'user' as const, content: '…' }];
    const { sse } = strategy.llm;
    const request = { model, fallback: [], messages: ahead, maxTokens: 1, sessionId: owner.sessionId, sse };
    scope.stray(
      callProvider(scope, { stage: 'llm', ordinal: ORDINALS.prompt, cause }, async (call) => {
        await scope.ports.llm.stream(request, call, () => undefined);
        recorder.record({ kind: 'prefetch.done', stage: 'llm', exchange, cause: call.arrival().eventId() });
      }),
    );
  };

  return {
    opening,
    messages,
    started(startId) {
      const texts = spoken !== undefined ? [spoken] : speculation === 'predict' ? choice : [];
      prepared.push(...texts.map((text, index) => prepare(scope, index, text, startId)));
      if (spoken === undefined) opening.predicted.push(...prepared);
      else opening.prepared = prepared[0];
      if (prefetches(strategy, 'prompt')) warm(startId);
    },
    early(transcript) {
      if (!prefetches(strategy, 'partial') || !transcript.quiet) return;
      const before = begun.at(-1);
      if (before !== undefined && folded(before.text) === folded(transcript.text)) return;
      if (begun.length >= PARTIAL_LIMIT) return;
      before?.asked.abandon('the user went on');
      const request = {
        ordinal: ORDINALS.partial + begun.length,
        cause: transcript.doneId,
        messages: messages(transcript.text),
        attrs: { ahead: true },
      };
      begun.push({ text: transcript.text, asked: ask(scope, request) });
    },
    take(transcript) {
      const last = begun.at(-1);
      if (last === undefined || folded(last.text) !== folded(transcript.text)) return undefined;
      taken = last;
      return last.asked;
    },
    hedged(winner, loser) {
      hedge = { winner, loser };
    },
    close() {
      const { events } = recorder;
      for (const { asked: each } of begun) if (each !== taken?.asked) each.abandon('the transcript was another one');
      const bets = [
        begun.length === 0 ? undefined : partialBet(begun, taken, events),
        hedge === undefined ? undefined : hedgeBet(hedge.winner, hedge.loser, events),
        warmed === undefined ? undefined : promptBet(warmed, strategy.llm.model, events),
        prepared.length === 0 ? undefined : openersBet(prepared, events),
      ];
      for (const each of prepared) each.abandon();
      for (const bet of bets) if (bet !== undefined) settleBet(recorder, bet);
    },
  };
}

/** Equal but for case, punctuation and spacing. */
function folded(text: string): string {
  return text
    .toLocaleLowerCase('tr')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
