/**
 * How each provider call of a turn ended. Only the call that failed the turn is an error: a search for errors then finds the
 * failed turns and shows why they failed. Pure.
 */
import { AHEAD_ORDINAL, ORDINALS } from '../turn-log/bets.ts';
import { CALL_STAGES, firstOf, numberOf, stringOf, type TurnEvent } from '../base/events.ts';
import type { SpanStatus } from './draft.ts';

/** Why nobody waited any more: the user spoke, another request answered first, the turn was over, or the answer was of no use. */
export const CANCELLATIONS = ['interrupted', 'hedge-lost', 'turn-failed', 'unused'] as const;
export type Cancellation = (typeof CANCELLATIONS)[number];

export type CallEnd =
  | { kind: 'done' }
  /** The turn failed by it. */
  | { kind: 'failed'; type: string; message: string; event: TurnEvent }
  /** It failed by itself, and the turn went on. */
  | { kind: 'lost'; type: string; event: TurnEvent }
  | { kind: 'cancelled'; why: Cancellation };

/** `<stage>.<ordinal>` of the event's exchange; an event without one belongs to the only call of the stage that its kind names. */
export function callKeyOf({ exchange, kind }: Pick<TurnEvent, 'exchange' | 'kind'>): string {
  const [own = '', ordinal = '0'] = (exchange ?? kind).split('.');
  return exchange === undefined ? `${own}.0` : `${own}.${ordinal}`;
}

const DONE: ReadonlySet<TurnEvent['kind']> = new Set([
  'stt.early',
  'stt.done',
  'llm.done',
  'tts.done',
  'prefetch.done',
]);
const HTTP_ENDS: ReadonlySet<TurnEvent['kind']> = new Set(['http.failed', 'http.done']);
/** An exchange that its caller gave up on names the class of the reason, and no code of the network. */
const GIVEN_UP: ReadonlySet<string> = new Set(['StageError', 'Error', 'AbortError', 'APIUserAbortError']);

/** By call. A call that is not here has no events. */
export function callEndsOf(events: readonly TurnEvent[]): ReadonlyMap<string, CallEnd> {
  const done = new Set<string>();
  /** The last end of an exchange, by call. */
  const lastEnds = new Map<string, TurnEvent | undefined>();
  for (const event of events) {
    if (event.exchange === undefined && !DONE.has(event.kind)) continue;
    const key = callKeyOf(event);
    if (DONE.has(event.kind)) done.add(key);
    lastEnds.set(key, HTTP_ENDS.has(event.kind) ? event : lastEnds.get(key));
  }
  const undone = [...lastEnds].filter(([key]) => !done.has(key));
  const failing = failingCall(events, undone);
  const why = cancellation(events, failing?.last);
  const ends = new Map<string, CallEnd>([...lastEnds.keys()].map((key) => [key, { kind: 'done' }]));
  for (const [key, last] of undone) {
    const type = stringOf(last, 'errorKind');
    if (key === failing?.key) ends.set(key, failing.end);
    else if (last !== undefined && type !== undefined && !isGivenUp(last) && isAhead(key))
      ends.set(key, { kind: 'lost', type, event: last });
    else ends.set(key, { kind: 'cancelled', why: why(key, last) });
  }
  return ends;
}

/**
 * The call that failed the turn, of the unfinished calls of the failed stage: the last one whose exchange ended by itself, since nothing of
 * the stage goes on after it. A deadline ends all exchanges alike; then the first.
 */
function failingCall(
  events: readonly TurnEvent[],
  undone: readonly (readonly [key: string, last: TurnEvent | undefined])[],
): { key: string; last: TurnEvent | undefined; end: CallEnd } | undefined {
  const failed = firstOf(events, 'turn.failed');
  const stage = CALL_STAGES.find((each) => each === stringOf(failed, 'errorStage'));
  if (failed === undefined || stage === undefined) return undefined;
  const loser = hedgeLoser(events);
  const candidates = undone.filter(([each]) => each.startsWith(`${stage}.`) && each !== loser);
  const byThemselves = candidates.filter(([, last]) => !isGivenUp(last));
  const [[key, last] = []] =
    byThemselves.length > 0
      ? byThemselves.toSorted(([, a], [, b]) => atUsOf(b) - atUsOf(a) || idOf(a) - idOf(b))
      : candidates.toSorted(([, a], [, b]) => idOf(a) - idOf(b));
  if (key === undefined) return undefined;
  // a deadline that gave up on an exchange is named by the turn
  const event = last?.kind === 'http.failed' && !isGivenUp(last) ? last : failed;
  const type = stringOf(event, 'errorKind') ?? 'internal';
  return { key, last, end: { kind: 'failed', type, message: stringOf(event, 'message') ?? '', event } };
}

function hedgeLoser(events: readonly TurnEvent[]): string | undefined {
  const bet = events.find((event) => event.kind === 'bet.settled' && stringOf(event, 'bet') === 'hedge');
  if (bet === undefined) return undefined;
  return `llm.${stringOf(bet, 'outcome') === 'hit' ? ORDINALS.reply : ORDINALS.hedge}`;
}

/** Why an unfinished call that did not fail the turn was stopped. */
function cancellation(
  events: readonly TurnEvent[],
  failing: TurnEvent | undefined,
): (key: string, last: TurnEvent | undefined) => Cancellation {
  const loser = hedgeLoser(events);
  const failed = firstOf(events, 'turn.failed');
  const interrupted = firstOf(events, 'interrupt.confirmed');
  return (key, last) => {
    if (key === loser) return 'hedge-lost';
    // work ahead may have been stopped before, for another reason
    const since = (us: number): boolean => !isAhead(key) || atUsOf(last) >= us;
    if (failed !== undefined && since((failing ?? failed).atUs)) return 'turn-failed';
    if (interrupted !== undefined && since(interrupted.atUs)) return 'interrupted';
    return 'unused';
  };
}

function isGivenUp(last: TurnEvent | undefined): boolean {
  return last === undefined || GIVEN_UP.has(stringOf(last, 'errorKind') ?? '');
}

/** What has no end comes last. */
const atUsOf = (event: TurnEvent | undefined): number => event?.atUs ?? Number.MAX_SAFE_INTEGER;
const idOf = (event: TurnEvent | undefined): number => event?.id ?? Number.MAX_SAFE_INTEGER;

/** A call that the turn can do without: an upload before the end of turn, a synthesis ahead, a second or early request. */
function isAhead(key: string): boolean {
  const [stage, ordinal] = key.split('.');
  if (stage === 'tts') return Number(ordinal) >= AHEAD_ORDINAL;
  return stage === 'stt' || Number(ordinal) !== ORDINALS.reply;
}

/** How an exchange ended, as its span says it. */
export interface ExchangeEnd {
  status: SpanStatus;
  errorType?: string;
  cancelled?: Cancellation;
}

/**
 * Only the last exchange of the call that failed the turn is an error, also where its answer was at fault. Elsewhere a failure is a type
 * without a status, since the turn went on: an attempt that failed was made again.
 */
export function exchangeEndOf(events: readonly TurnEvent[], call: CallEnd | undefined, isLast: boolean): ExchangeEnd {
  const failed = firstOf(events, 'http.failed');
  const code = numberOf(firstOf(events, 'http.headers'), 'status') ?? 0;
  const isRefused = code >= 400;
  const isCause = isLast && call?.kind === 'failed';
  if (isLast && !isRefused) {
    if (call?.kind === 'cancelled' && (failed === undefined || isGivenUp(failed)))
      return { status: UNSET, cancelled: call.why };
    if (call?.kind === 'failed') return { status: error(call.message), errorType: call.type };
  }
  if (failed === undefined)
    return isRefused ? { status: isCause ? error(`HTTP ${code}`) : UNSET, errorType: String(code) } : { status: UNSET };
  const errorType = stringOf(failed, 'errorKind') ?? 'internal';
  return { status: isCause ? error(stringOf(failed, 'message') ?? '') : UNSET, errorType };
}

const UNSET: SpanStatus = { code: 'unset' };

function error(message: string): SpanStatus {
  return { code: 'error', message };
}
