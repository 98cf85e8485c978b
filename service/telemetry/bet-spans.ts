/** Work ahead of its time (speculation, hedge, prefetch, cache) as spans with its outcome. Pure; times on the turn's clock. */
import { AHEAD_ORDINAL, betOf, ORDINALS, type BetKind } from '../turn-log/bets.ts';
import { firstOf, type CallStage, type EventKind, type TurnEvent } from '../base/events.ts';
import { ATTRIBUTES as A, put, type SpanAttributes, type SpanName } from './names.ts';

export interface BetSpan {
  name: SpanName;
  startUs: number;
  endUs: number;
  attributes: SpanAttributes;
  /** The calls made for the bet, by `<stage>.<ordinal>`. */
  owns(call: string): boolean;
}

const SPAN_OF: Readonly<Record<BetKind, SpanName>> = {
  predict: 'speculation',
  prefill: 'speculation',
  hedge: 'hedge',
  partial: 'prefetch',
  prompt: 'prefetch',
  'cache.greeting': 'cache',
  'cache.responses': 'cache',
};

/**
 * Calls that hang below a bet of the kind; of a stage from an ordinal on, below another. The reply that an early transcript began is
 * the turn's own `llm`, so that it aligns with the replies of other turns.
 */
const CALLS_OF: Readonly<Partial<Record<BetKind, { stage: CallStage; from: number; below: number }>>> = {
  predict: { stage: 'tts', from: AHEAD_ORDINAL, below: Infinity },
  prefill: { stage: 'tts', from: AHEAD_ORDINAL, below: Infinity },
  hedge: { stage: 'llm', from: ORDINALS.hedge, below: ORDINALS.hedge + 1 },
  prompt: { stage: 'llm', from: ORDINALS.prompt, below: ORDINALS.prompt + 1 },
};

/** The first event that tells how such a bet ends. Bets are settled, and counted, when the turn closes. */
const DECIDED_BY: Readonly<Partial<Record<BetKind, EventKind>>> = {
  predict: 'piece.ready', // its words are the opener's, or not
  prefill: 'turn.ended',
  hedge: 'llm.content', // whose ever comes first
  prompt: 'llm.done', // says how much of the prompt was cached
  partial: 'stt.done', // the words were those of the early transcript, or not
};

/** A span for each settled bet, from the bet to its decision, in order of settlement. Unknown figures are absent. */
export function betSpansOf(events: readonly TurnEvent[]): BetSpan[] {
  return events.flatMap((event) => {
    const bet = betOf(event, events);
    if (bet === undefined) return [];
    const attributes: SpanAttributes = {};
    put(attributes, A.betKind, bet.kind);
    put(attributes, A.betOutcome, bet.outcome);
    put(attributes, A.betAttempts, bet.attempts);
    put(attributes, A.betSavedUs, bet.savedUs);
    put(attributes, A.betWastedTokens, bet.wastedTokens);
    put(attributes, A.betWastedChars, bet.wastedChars);
    put(attributes, A.betWastedUsd, bet.wastedUsd);
    put(attributes, A.betEstimated, bet.estimated);
    put(attributes, A.betReason, bet.reason);
    const startUs = Math.min(bet.fromUs, event.atUs);
    const decider = DECIDED_BY[bet.kind];
    const decided = decider === undefined ? event : (firstOf(events, decider) ?? event);
    const endUs = bet.outcome === 'refused' ? startUs : Math.max(startUs, Math.min(decided.atUs, event.atUs));
    const calls = CALLS_OF[bet.kind];
    const owns = (call: string): boolean => {
      const [stage, ordinal] = call.split('.');
      return (
        calls !== undefined && calls.stage === stage && Number(ordinal) >= calls.from && Number(ordinal) < calls.below
      );
    };
    return [{ name: SPAN_OF[bet.kind], startUs, endUs, attributes, owns }];
  });
}
