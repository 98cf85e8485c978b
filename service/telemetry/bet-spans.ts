/** Work ahead of its time (speculation, hedge, prefetch, cache) as spans with its outcome. Pure; times on the turn's clock. */
import { betOf, type BetKind } from '../turn-log/bets.ts';
import type { TurnEvent } from '../base/events.ts';
import { ATTRIBUTES as A, put, type SpanAttributes, type SpanName } from './names.ts';

export interface BetSpan {
  name: SpanName;
  startUs: number;
  endUs: number;
  attributes: SpanAttributes;
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

/** A span for each settled bet, from the bet to its settlement, in order of settlement. Unknown figures are absent. */
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
    return [{ name: SPAN_OF[bet.kind], startUs: Math.min(bet.fromUs, event.atUs), endUs: event.atUs, attributes }];
  });
}
