/** Plans from captured turns: an exchange gets its captured boundaries and items again. */
import { CHARS_PER_TOKEN } from '../../service/strategy/models.ts';
import { type TurnEvent, numberOf, turnKey } from '../../service/base/events.ts';
import { replyTextOf, type CapturedTurn } from './captured-turn.ts';
import { asCaptured, eventsOfCall, answeredExchanges, type EventsOfCall } from './observed.ts';
import type { CapturedPlans, Facts, ReplayedPlan } from './plan.ts';

/** Prompts whose lengths differ by less count as the same work: a prompt's history may hold other words for a turn than its transcript. */
const PROMPT_SLACK_CHARS = 64;

/**
 * Finds plans by session, turn and exchange. A request gets a plan only for the same work: the same upload; the same model,
 * prompt size and reply; the same method, speed and text. An exchange without response headers has no plan.
 */
export function capturedPlans(turns: readonly CapturedTurn[]): CapturedPlans {
  const byTurn = new Map(turns.map((turn) => [turnKey(turn), plansOf(turn.events)]));
  return (context, facts) => {
    const name = `${context.stage}.${context.ordinal}.${context.attempt}.${context.fetchIndex}`;
    return byTurn.get(turnKey(context))?.get(name)?.(facts);
  };
}

function plansOf(events: readonly TurnEvent[]): Map<string, (facts: Facts) => ReplayedPlan | undefined> {
  const plans = new Map<string, (facts: Facts) => ReplayedPlan | undefined>();
  for (const exchange of answeredExchanges(events)) {
    const ofCall = eventsOfCall(events, exchange.name);
    plans.set(exchange.name, (facts) => {
      if (!sameWork(facts, ofCall, events)) return undefined;
      const asked = { operation: facts.operation, what: facts.operation === 'tts' ? facts.method : '' };
      return asCaptured(exchange, asked, ofCall(facts.operation === 'llm' ? 'llm.done' : 'tts.done'));
    });
  }
  return plans;
}

function sameWork(facts: Facts, ofCall: EventsOfCall, events: readonly TurnEvent[]): boolean {
  if (facts.operation === 'stt') {
    const start = ofCall('stt.start');
    return start?.attrs?.['method'] === facts.method && numberOf(start, 'uploadBytes') === facts.audioBytes;
  }
  if (facts.operation === 'llm') {
    const start = ofCall('llm.start');
    const promptChars = numberOf(start, 'promptChars') ?? 0;
    return (
      start?.attrs?.['model'] === facts.model &&
      numberOf(start, 'messages') === facts.messages &&
      (numberOf(ofCall('llm.done'), 'cachedTokens') ?? 0) === (facts.cachedChars ?? 0) / CHARS_PER_TOKEN &&
      Math.abs(promptChars - facts.promptChars) <= PROMPT_SLACK_CHARS &&
      replyTextOf(events) === facts.text
    );
  }
  if (facts.operation === 'tts') {
    const start = ofCall('tts.start');
    const index = numberOf(start, 'index');
    const piece = events.find((event) => event.kind === 'piece.ready' && numberOf(event, 'index') === index);
    return (
      start?.attrs?.['method'] === facts.method &&
      numberOf(start, 'speed') === facts.speed &&
      (piece?.content?.text === undefined
        ? numberOf(start, 'chars') === facts.text.length
        : piece.content.text === facts.text)
    );
  }
  return false;
}
