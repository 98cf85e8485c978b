/**
 * A finished turn's log as spans. Pure: the same log gives the same spans, ids included.
 *
 * A parent is the hull of what lies in it, never a clamp: a provider call holds its exchanges, the turn holds everything.
 * A span whose latency was not measured is absent; a call that failed is there, with status `error`.
 */
import { highest, lowest } from '../base/quantile.ts';
import { zeroUsOf, type MeasuredTurn } from '../turn-log/metrics.ts';
import { type EventKind, type TurnEvent, type TurnLog, numbersOf, numberOf, stringOf } from '../base/events.ts';
import { keyedHex } from '../base/random.ts';
import { exchangesOf, type HttpExchange, type SpanStatus } from './http-spans.ts';
import { betSpansOf } from './bet-spans.ts';
import { callsOf } from './call-spans.ts';
import { withinLimit } from './span-limit.ts';
import { ATTRIBUTES as A, put, SPANS, type SpanAttributes, type SpanKindName, type SpanName } from './names.ts';
import { identityAttributes, summaryAttributes } from './turn-attributes.ts';

export interface SpanLink {
  traceId: string;
  spanId: string;
}

export interface SpanRecord {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: SpanName;
  kind: SpanKindName;
  /** Microseconds since 1970. */
  startUs: number;
  endUs: number;
  /** Who and what the turn is: one object for all of its spans, which `otlpLine` writes once. */
  identity: SpanAttributes;
  /** The span's own; none of the identity's keys. */
  attributes: SpanAttributes;
  links: readonly SpanLink[];
  status: SpanStatus;
}

/** A span without its id yet; times on the turn's clock. When there are too many, the deepest `level` goes first. */
interface Draft {
  name: SpanName;
  parent?: Draft;
  level: number;
  startUs: number;
  endUs: number;
  attributes: SpanAttributes;
  links: readonly (Draft | SpanLink)[];
  status: SpanStatus;
}

/**
 * The id of a turn's `ordinal`th span, never all zero. The id follows from the trace id alone: so a replayed turn can link to
 * the captured turn's span (ordinal 0).
 */
export function spanIdOf(traceId: string, ordinal: number): string {
  return spanIdsOf(traceId)(ordinal);
}

/** Eight digits of the trace's hash and eight that count from 1: one hash a turn. */
function spanIdsOf(traceId: string): (ordinal: number) => string {
  const prefix = keyedHex(8, 'span', traceId);
  return (ordinal) => prefix + (ordinal + 1).toString(16).padStart(8, '0');
}

/** The spans of one finished turn, the turn span first, parents before children. Fewer than 300. */
export function spansOf(log: TurnLog, measured: MeasuredTurn): SpanRecord[] {
  const turn = turnDraft(log, measured);
  const drafts = [turn, ...markDrafts(log, measured, turn), ...callDrafts(log, turn), ...betDrafts(log, turn)];
  turn.startUs = lowest(drafts.map((draft) => draft.startUs));
  turn.endUs = highest(drafts.map((draft) => draft.endUs));

  const { traceId } = log.identity;
  const spanIds = spanIdsOf(traceId);
  const ids = new Map(drafts.map((draft, ordinal) => [draft, spanIds(ordinal)]));
  const idOf = (draft: Draft): string => ids.get(draft) ?? spanIds(0);
  const kept = withinLimit(drafts);
  const there = new Set(kept);
  const identity = identityAttributes(log);
  if (kept.length < drafts.length) {
    put(turn.attributes, A.spansOmitted, drafts.length - kept.length);
  }
  return kept.map((draft) => ({
    traceId,
    spanId: idOf(draft),
    parentSpanId: draft.parent && idOf(draft.parent),
    name: draft.name,
    kind: SPANS[draft.name].kind,
    startUs: log.anchorUs + draft.startUs,
    endUs: log.anchorUs + draft.endUs,
    identity,
    attributes: draft.attributes,
    links: draft.links
      .filter((link) => 'spanId' in link || there.has(link))
      .map((link) => ('spanId' in link ? link : { traceId, spanId: idOf(link) })),
    status: draft.status,
  }));
}

function turnDraft(log: TurnLog, { summary }: MeasuredTurn): Draft {
  const linked = log.identity.linkedTraceId;
  const attributes = summaryAttributes(summary);
  const apology = log.events.find((event) => event.kind === 'deliver.apology');
  put(attributes, A.failureHeard, stringOf(apology, 'heard'));
  const marks = log.events.filter((event) => TURN_MARKS.has(event.kind)).map((event) => event.atUs);
  return {
    name: 'turn',
    level: 0,
    startUs: marks.length === 0 ? 0 : lowest(marks),
    endUs: marks.length === 0 ? 0 : highest(marks),
    attributes,
    links: linked === undefined ? [] : [{ traceId: linked, spanId: spanIdOf(linked, 0) }],
    status: summary.failure === undefined ? { code: 'unset' } : { code: 'error', message: summary.failure.message },
  };
}

const TURN_MARKS: ReadonlySet<EventKind> = new Set([
  'speech.start',
  'deliver.reply_end',
  'turn.done',
  'turn.failed',
] satisfies EventKind[]);

/** Spans between two marks of the turn: speech, response, endpointing, chunk, deliver. */
function markDrafts(log: TurnLog, measured: MeasuredTurn, turn: Draft): Draft[] {
  const first = (kind: EventKind): TurnEvent | undefined => log.events.find((event) => event.kind === kind);
  const drafts: Draft[] = [];
  const between = (
    name: SpanName,
    startUs: number | undefined,
    endUs: number | undefined,
    attributes: SpanAttributes = {},
  ): void => {
    if (startUs === undefined || endUs === undefined || endUs < startUs) return;
    drafts.push({ name, parent: turn, level: 0, startUs, endUs, attributes, links: [], status: { code: 'unset' } });
  };
  const zeroUs = zeroUsOf(log);
  const ended = first('turn.ended');

  const speech: SpanAttributes = {};
  const detected = first('speech.end');
  put(speech, A.detector, stringOf(detected, 'detector'));
  put(speech, A.thresholdDbfs, numberOf(detected, 'thresholdDbfs'));
  between('speech', first('speech.start')?.atUs, zeroUs, speech);

  between('response', measured.ledger?.zeroUs, measured.ledger?.stopUs);

  const decision: SpanAttributes = {};
  put(decision, A.decision, stringOf(ended, 'decision'));
  if (log.zero === 'audio') between('endpointing', zeroUs, ended?.atUs, decision);

  between('chunk', first('llm.content')?.atUs, first('piece.ready')?.atUs);

  const apology = first('deliver.apology');
  if (stringOf(apology, 'heard') === 'apology') between('apology', first('turn.failed')?.atUs, apology?.atUs);

  const replyEnd = first('deliver.reply_end');
  const delivered: SpanAttributes = {};
  put(delivered, A.stallCount, (numbersOf(replyEnd, 'stalls')?.length ?? 0) / 2);
  put(delivered, A.pieceCount, log.events.filter((event) => event.kind === 'piece.ready').length);
  between('deliver', first('deliver.first_byte')?.atUs, replyEnd?.atUs, delivered);
  return drafts;
}

/** Provider calls with what lies below them; exchanges without a call (a warmed connection) hang on the turn. */
function callDrafts(log: TurnLog, turn: Draft): Draft[] {
  const exchanges = Map.groupBy(exchangesOf(log.events), (exchange) => exchange.call);
  const drafts: Draft[] = [];
  const made = new Map<string, Draft>();
  for (const call of callsOf(log.events)) {
    const own = exchanges.get(call.key) ?? [];
    exchanges.delete(call.key);
    const attributes: SpanAttributes = { ...call.attributes };
    if (call.name === 'llm') put(attributes, A.genAiConversationId, log.identity.sessionId);
    if (own.length > 0) put(attributes, A.attempts, 1 + highest(own.map((exchange) => exchange.attempt)));
    const draft: Draft = {
      ...call,
      attributes,
      parent: turn,
      level: 1,
      endUs: Math.max(call.endUs, highest(own.map((exchange) => exchange.endUs))),
      startUs: Math.min(call.startUs, lowest(own.map((exchange) => exchange.startUs))),
      links: [],
    };
    drafts.push(draft);
    if (call.first !== undefined) {
      const { name, endUs } = call.first;
      const { startUs } = call;
      drafts.push({ ...UNTOLD, name, parent: draft, level: 2, startUs, endUs });
    }
    for (const each of [...exchangeDrafts(own, draft, made), ...backoffDrafts(log, call.key, draft)]) drafts.push(each);
  }
  for (const own of exchanges.values()) for (const each of exchangeDrafts(own, turn, made)) drafts.push(each);
  return drafts;
}

/** Work ahead of its time. Look-ups, of which a long reply has many, are the first to go (`level`). */
function betDrafts(log: TurnLog, parent: Draft): Draft[] {
  return betSpansOf(log.events).map((bet) => ({ ...UNTOLD, ...bet, parent, level: bet.name === 'cache' ? 3 : 1 }));
}

/** Waits between a call's attempts. */
function backoffDrafts(log: TurnLog, call: string, parent: Draft): Draft[] {
  return log.events.flatMap((event) => {
    const cause = event.cause === undefined ? undefined : log.events[event.cause];
    if (event.kind !== 'retry.wait' || cause === undefined || (event.exchange ?? `${event.stage}.0`) !== call)
      return [];
    const attributes: SpanAttributes = {};
    put(attributes, A.httpAttempt, numberOf(event, 'attempt'));
    put(attributes, A.backoffReason, stringOf(event, 'reason'));
    put(attributes, A.backoffWaitMs, numberOf(event, 'waitMs'));
    return [{ ...UNTOLD, name: 'backoff', parent, level: 2, startUs: cause.atUs, endUs: event.atUs, attributes }];
  });
}

const UNTOLD = { attributes: {}, links: [], status: { code: 'unset' } } satisfies Partial<Draft>;

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
      above = known ?? { ...UNTOLD, name: step, parent, level: 2, startUs, endUs, attributes: {} };
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
