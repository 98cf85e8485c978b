/** Provider calls of a turn with what lies below them, and the bets that made some of them. Pure. */
import { highest, lowest } from '../base/quantile.ts';
import { numberOf, stringOf, type TurnLog } from '../base/events.ts';
import { betSpansOf } from './bet-spans.ts';
import { callEndsOf } from './call-ends.ts';
import { callsOf } from './call-spans.ts';
import { PLAIN, type Draft, type SpanLink } from './draft.ts';
import { exchangesOf, type HttpExchange } from './http-spans.ts';
import { ATTRIBUTES as A, put, type SpanAttributes } from './names.ts';
import { spanIdOf } from './span-ids.ts';

/**
 * Bets, calls, look-ups; a call made for a bet hangs below it, and may outlive it. Exchanges without a call (a warmed connection) hang on the
 * turn.
 */
export function workDrafts(log: TurnLog, turn: Draft): Draft[] {
  const ends = callEndsOf(log.events);
  const exchanges = Map.groupBy(exchangesOf(log.events, ends), (exchange) => exchange.call);
  const settled = betSpansOf(log.events).map(({ owns, ...bet }) => ({
    owns,
    draft: { ...PLAIN, ...bet, parent: turn, level: 1 } satisfies Draft,
  }));
  // look-ups, of which a long reply has many, are the first to go
  const [lookUps = [], bets = []] = [true, false].map((isLookUp) =>
    settled.filter(({ draft }) => (draft.name === 'cache') === isLookUp),
  );
  const parentOf = (call: string): Draft => bets.find(({ owns }) => owns(call))?.draft ?? turn;
  const drafts: Draft[] = bets.map(({ draft }) => draft);
  const made = new Map<string, Draft>();
  for (const call of callsOf(log.events, ends)) {
    const own = exchanges.get(call.key) ?? [];
    exchanges.delete(call.key);
    const attributes: SpanAttributes = { ...call.attributes };
    if (call.name === 'llm') put(attributes, A.genAiConversationId, log.identity.sessionId);
    if (own.length > 0) put(attributes, A.attempts, 1 + highest(own.map((exchange) => exchange.attempt)));
    const draft: Draft = {
      ...call,
      attributes,
      parent: parentOf(call.key),
      level: 1,
      endUs: Math.max(call.endUs, highest(own.map((exchange) => exchange.endUs))),
      startUs: Math.min(call.startUs, lowest(own.map((exchange) => exchange.startUs))),
      links: [],
    };
    drafts.push(draft);
    if (call.first !== undefined) {
      const { name, endUs } = call.first;
      const stage: SpanAttributes = {};
      put(stage, A.stage, call.name);
      drafts.push({ ...PLAIN, name, parent: draft, level: 2, startUs: call.startUs, endUs, attributes: stage });
    }
    for (const each of [...exchangeDrafts(own, draft, made), ...backoffDrafts(log, call.key, draft)]) drafts.push(each);
  }
  for (const [call, own] of exchanges) {
    for (const each of exchangeDrafts(own, parentOf(call), made)) drafts.push(each);
  }
  for (const { draft } of lookUps) drafts.push({ ...draft, level: 3 });
  return drafts;
}

/** Waits between a call's attempts. */
function backoffDrafts(log: TurnLog, call: string, parent: Draft): Draft[] {
  return log.events.flatMap((event) => {
    const cause = event.cause === undefined ? undefined : log.events[event.cause];
    if (event.kind !== 'retry.wait' || cause === undefined || (event.exchange ?? `${event.stage}.0`) !== call)
      return [];
    const attributes: SpanAttributes = {};
    put(attributes, A.stage, parent.name);
    put(attributes, A.httpAttempt, numberOf(event, 'attempt'));
    put(attributes, A.backoffReason, stringOf(event, 'reason'));
    put(attributes, A.backoffWaitMs, numberOf(event, 'waitMs'));
    return [{ ...PLAIN, name: 'backoff', parent, level: 2, startUs: cause.atUs, endUs: event.atUs, attributes }];
  });
}

/** The stage alone, of a span that holds what belongs to it. */
function stageOf({ attributes }: HttpExchange): SpanAttributes {
  const stage = attributes[A.stage.key];
  const own: SpanAttributes = {};
  put(own, A.stage, typeof stage === 'string' ? stage : undefined);
  return own;
}

/** Exchanges below their call; those of one step of it (polls, a download) below a span of the step. */
function exchangeDrafts(exchanges: readonly HttpExchange[], parent: Draft, made: Map<string, Draft>): Draft[] {
  const drafts: Draft[] = [];
  const firstAttempts = new Map<number, Draft>();
  const steps = new Map<string, Draft>();
  const inOrder = exchanges.toSorted((a, b) => a.attempt - b.attempt || a.fetchIndex - b.fetchIndex);
  for (const exchange of inOrder) {
    const { name, startUs, endUs, attributes, status, attempt, fetchIndex, step, phases } = exchange;
    const retried = attempt === 0 ? undefined : firstAttempts.get(fetchIndex);
    const links: (Draft | SpanLink)[] = retried === undefined ? [] : [retried];
    for (const { exchange: id = '', traceId } of exchange.linked) {
      const other = traceId === undefined ? made.get(id) : { traceId, spanId: spanIdOf(traceId, 0) };
      if (other !== undefined && other !== retried) links.push(other);
    }
    let above = parent;
    if (step !== undefined) {
      const key = `${attempt}.${step}`;
      const known = steps.get(key);
      above = known ?? { ...PLAIN, name: step, parent, level: 2, startUs, endUs, attributes: stageOf(exchange) };
      above.endUs = Math.max(above.endUs, endUs);
      const count = Number(above.attributes[A.httpCount.key] ?? 0) + Number(attributes[A.httpCount.key] ?? 1);
      put(above.attributes, A.httpCount, count);
      steps.set(key, above);
      if (known === undefined) drafts.push(above);
    }
    const draft: Draft = { name, startUs, endUs, attributes, status, parent: above, level: 2, links };
    if (!firstAttempts.has(fetchIndex)) firstAttempts.set(fetchIndex, draft);
    drafts.push(draft);
    made.set(exchange.id, draft);
    for (const phase of phases) drafts.push({ ...phase, parent: draft, level: 3, links: [] });
  }
  return drafts;
}
