/**
 * A finished turn's log as spans. Pure: the same log gives the same spans, ids included.
 *
 * A parent is the hull of what lies in it, never a clamp: a provider call holds its exchanges, the turn holds everything. Only a bet may
 * end before its calls: it ends when it is decided. A span whose latency was not measured is absent. Status `error` stands on what
 * failed the turn, and nowhere else.
 */
import { highest, lowest } from '../base/quantile.ts';
import { zeroUsOf, type MeasuredTurn } from '../turn-log/metrics.ts';
import { stallsIn } from '../turn-log/blocked.ts';
import { MOST_READ_LAG_MS, TARGET_MS } from '../turn-log/targets.ts';
import { firstOf, type TurnLog, numberOf, stringOf } from '../base/events.ts';
import { workDrafts } from './call-drafts.ts';
import { stallDrafts } from './blocked-spans.ts';
import { PLAIN, type Draft, type SpanEvent, type SpanLink, type SpanStatus } from './draft.ts';
import { playbackDraft, type PlaybackView } from './playback-span.ts';
import { GAP_US, responseDrafts } from './response-spans.ts';
import { spanIdOf, spanIdsOf } from './span-ids.ts';
import { withinLimit } from './span-limit.ts';
import { ATTRIBUTES as A, put, SPANS, type SpanAttributes, type SpanKindName, type SpanName } from './names.ts';
import { identityAttributes, summaryAttributes } from './turn-attributes.ts';

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
  events: readonly SpanEvent[];
  status: SpanStatus;
}

/** How an operator looks at turns. Changes no latency and no ledger. */
export interface TraceView {
  playback: PlaybackView;
  /** Above this end to end, a response is slow (`retake.slow.response`). */
  slowMs: number;
  /** Later than this, the frame with speech end was read late (`retake.read_late`). */
  readLagMs: number;
}

export const DEFAULT_VIEW: TraceView = { playback: 'short', slowMs: TARGET_MS.total, readLagMs: MOST_READ_LAG_MS };

/** Events of one span: Jaeger lists them all, and a span keeps its last 128 only. */
export const MAX_EVENTS = 16;

/** The spans of one finished turn, the turn span first, parents before children. Fewer than 300. */
export function spansOf(log: TurnLog, measured: MeasuredTurn, view: TraceView = DEFAULT_VIEW): SpanRecord[] {
  const turn = turnDraft(log, measured, view);
  const marks = markDrafts(log, measured, turn);
  const work = workDrafts(log, turn);
  const failedUs = firstOf(log.events, 'turn.failed')?.atUs;
  const workUs = highest([...marks, ...work].map(({ endUs }) => endUs).concat(failedUs ?? turn.startUs));
  const playback = playbackDraft(log, measured, turn, { workUs, view: view.playback });
  const speech = marks.find(({ name }) => name === 'speech');
  const stalled = stallDrafts(stallsIn(log.events), { ledger: measured.ledger, turn, speech, workUs });
  const drafts = [turn, ...marks, ...(playback === undefined ? [] : [playback]), ...work, ...stalled];
  turn.startUs = lowest(drafts.map((draft) => draft.startUs));
  // beyond its last child, which Jaeger's strict comparison would skip otherwise
  turn.endUs = playback === undefined ? Math.max(workUs, turn.endUs) : playback.endUs + GAP_US;
  linkToCaptured(log, drafts);
  if (work.some(({ name }) => name === 'tcp.connect' || name === 'tls')) put(turn.attributes, A.newConnection, true);

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
    events: fewEvents(draft.events ?? []).map((event) => ({ ...event, atUs: log.anchorUs + event.atUs })),
    status: draft.status,
  }));
}

/** In order of time; of too many the first ones and the last. */
function fewEvents(events: readonly SpanEvent[]): SpanEvent[] {
  const inOrder = events.toSorted((a, b) => a.atUs - b.atUs);
  return inOrder.length <= MAX_EVENTS ? inOrder : [...inOrder.slice(0, MAX_EVENTS - 1), ...inOrder.slice(-1)];
}

function turnDraft(log: TurnLog, { summary }: MeasuredTurn, view: TraceView): Draft {
  const attributes = summaryAttributes(summary, view);
  put(attributes, A.failureHeard, stringOf(firstOf(log.events, 'deliver.apology'), 'heard'));
  put(attributes, A.decision, stringOf(firstOf(log.events, 'turn.ended'), 'decision'));
  put(attributes, A.capturedTraceId, log.identity.linkedTraceId);
  const [zeroUs, interrupted] = [zeroUsOf(log), firstOf(log.events, 'interrupt.confirmed')];
  if (zeroUs !== undefined && interrupted !== undefined) put(attributes, A.interruptedUs, interrupted.atUs - zeroUs);
  const startUs = firstOf(log.events, 'speech.start')?.atUs;
  const failure = firstOf(log.events, 'turn.failed');
  const endUs = (failure ?? (view.playback === 'full' ? firstOf(log.events, 'turn.done') : undefined))?.atUs;
  return {
    ...PLAIN,
    name: 'turn',
    level: 0,
    startUs: startUs ?? endUs ?? 0,
    endUs: endUs ?? startUs ?? 0,
    attributes,
    status: summary.failure === undefined ? { code: 'unset' } : { code: 'error', message: summary.failure.message },
  };
}

/**
 * A replayed turn links to the captured one. The link is on `response`, or on what is there in its place: Jaeger takes a root whose first
 * reference is a link for the child of another trace, and then shows no critical path.
 */
function linkToCaptured({ identity: { linkedTraceId } }: TurnLog, drafts: readonly Draft[]): void {
  if (linkedTraceId === undefined) return;
  const named = (name: SpanName): Draft | undefined => drafts.find((draft) => draft.name === name);
  const holder = named('response') ?? named('speech') ?? drafts[1] ?? drafts[0];
  if (holder !== undefined)
    holder.links = [...holder.links, { traceId: linkedTraceId, spanId: spanIdOf(linkedTraceId, 0) }];
}

/** Spans between two marks of the turn: speech, response with its waits, chunk, apology. */
function markDrafts(log: TurnLog, { ledger }: MeasuredTurn, turn: Draft): Draft[] {
  const { events } = log;
  const drafts: Draft[] = [];
  const between = (
    name: SpanName,
    startUs: number | undefined,
    endUs: number | undefined,
    attributes: SpanAttributes = {},
  ): void => {
    if (startUs === undefined || endUs === undefined || endUs < startUs) return;
    drafts.push({ ...PLAIN, name, parent: turn, level: 0, startUs, endUs, attributes });
  };
  const zeroUs = zeroUsOf(log);
  const speech: SpanAttributes = {};
  const detected = firstOf(events, 'speech.end');
  put(speech, A.detector, stringOf(detected, 'detector'));
  put(speech, A.thresholdDbfs, numberOf(detected, 'thresholdDbfs'));
  const start = firstOf(events, 'speech.start')?.atUs;
  // the gap before `response`
  if (start !== undefined && zeroUs !== undefined) between('speech', start, Math.max(start, zeroUs - GAP_US), speech);

  if (ledger !== undefined) drafts.push(...responseDrafts(ledger, turn, stallsIn(events)));

  between('chunk', firstOf(events, 'llm.content')?.atUs, firstOf(events, 'piece.ready')?.atUs);

  const apology = firstOf(events, 'deliver.apology');
  if (stringOf(apology, 'heard') === 'apology') between('apology', firstOf(events, 'turn.failed')?.atUs, apology?.atUs);
  return drafts;
}
