/** What the user hears of a reply: from first audible on, with what happened to the sound. Pure. */
import { firstOf, numbersOf, type TurnLog } from '../base/events.ts';
import type { MeasuredTurn } from '../turn-log/metrics.ts';
import { PLAIN, type Draft, type SpanEvent } from './draft.ts';
import { ATTRIBUTES as A, put, type EventName, type SpanAttributes } from './names.ts';
import { GAP_US } from './response-spans.ts';

/**
 * How far `playback` and `turn` reach. `short`: just beyond the last span of work, so that the wait fills the screen. `full`:
 * to the end of the reply, or of what was heard of it.
 */
export const PLAYBACKS = ['short', 'full'] as const;
export type PlaybackView = (typeof PLAYBACKS)[number];

/**
 * `playback`, which ends after `workUs`, the end of the last other span: the critical path begins in it. Undefined where the client got
 * no audio.
 */
export function playbackDraft(
  log: TurnLog,
  { ledger }: MeasuredTurn,
  turn: Draft,
  { workUs, view }: { workUs: number; view: PlaybackView },
): Draft | undefined {
  const { events } = log;
  const firstByte = firstOf(events, 'deliver.first_byte');
  if (firstByte === undefined) return undefined;
  const startUs = ledger === undefined ? firstByte.atUs : ledger.stopUs + GAP_US;
  const replyEnd = firstOf(events, 'deliver.reply_end');
  const end = replyEnd ?? firstOf(events, 'interrupt.confirmed') ?? firstOf(events, 'turn.failed');
  const attributes: SpanAttributes = {};
  put(attributes, A.stallCount, (numbersOf(replyEnd, 'stalls')?.length ?? 0) / 2);
  put(attributes, A.cancelled, firstOf(events, 'interrupt.confirmed') === undefined ? undefined : 'interrupted');
  put(attributes, A.pieceCount, events.filter(({ kind }) => kind === 'piece.ready').length);
  return {
    ...PLAIN,
    name: 'playback',
    parent: turn,
    level: 0,
    startUs,
    endUs: Math.max(startUs + GAP_US, workUs + GAP_US, view === 'full' ? (end?.atUs ?? 0) : 0),
    attributes,
    events: eventsOf(events),
  };
}

const EVENT_OF: Readonly<Partial<Record<TurnLog['events'][number]['kind'], EventName>>> = {
  'interrupt.onset': 'pause',
  'interrupt.resumed': 'resume',
  'interrupt.confirmed': 'stop',
  'deliver.dry': 'stall',
};

function eventsOf(events: TurnLog['events']): SpanEvent[] {
  return events.flatMap(({ kind, atUs }) => {
    const name = EVENT_OF[kind];
    return name === undefined ? [] : [{ name, atUs, attributes: {} }];
  });
}
