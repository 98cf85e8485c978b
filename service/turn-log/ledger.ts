/**
 * The waiting time of one turn, cut into contiguous parts along the causes. Pure; integer µs, so parts add up exactly.
 * The walk and the rules behind it: docs/metrics.md#ledger.
 */
import { InvariantError } from '../base/errors.ts';
import type { EventKind, LedgerStage, Phase, TurnEvent } from '../base/events.ts';
import { splitAtStalls, stallsIn } from './blocked.ts';

export interface LedgerPart {
  stage: LedgerStage;
  phase: Phase;
  fromUs: number;
  toUs: number;
}

export interface Ledger {
  zeroUs: number;
  stopUs: number;
  /** `stopUs - zeroUs`, which is also the sum over `parts`. */
  e2eUs: number;
  /** Contiguous from zero to stop, in order of time; none is empty. */
  parts: readonly LedgerPart[];
  /** Work of the same chain of causes before the zero: outside the sum. */
  headStart: readonly LedgerPart[];
  /** Work between zero and stop that did not hold the turn back: outside the sum. */
  hidden: readonly LedgerPart[];
  /** Ids of the events that the walk passed, stop first. */
  path: readonly number[];
}

/** Names each wait by the event that ended it and the event that began it. A pair that is missing here is an internal error. */
const PHASE_OF: Readonly<Record<string, Phase | 'after'>> = Object.fromEntries(
  (
    [
      ['detect', 'speech.start', ['speech.quiet', 'speech.cut', 'client.end']],
      ['detect', 'speech.quiet', ['turn.ended']],
      ['our code', 'client.end', ['turn.ended']],
      ['our code', 'speech.cut', ['stt.start']],
      ['our code', 'turn.ended', ['stt.start', 'stt.done']],
      ['our code', 'stt.early', ['stt.start', 'stt.done']],
      ['our code', 'http.failed', ['stt.start']],
      ['our code', 'stt.start', ['http.start']],
      ['our code', 'speech.start', ['prefetch.start', 'tts.start', 'cache.looked']],
      ['our code', 'stt.early', ['llm.start']],
      ['our code', 'stt.done', ['llm.start', 'piece.ready']],
      ['our code', 'turn.ended', ['piece.ready']],
      ['our code', 'session.opened', ['piece.ready']],
      ['hedge', 'llm.start', ['llm.start']],
      ['our code', 'prefetch.start', ['http.start']],
      ['our code', 'llm.start', ['http.start']],
      ['our code', 'tts.start', ['http.start']],
      ['queue', 'http.start', ['http.queued', 'http.failed']],
      ['dns', 'http.queued', ['http.dns']],
      ['connect', 'http.queued', ['http.connected', 'http.failed']],
      ['send', 'http.queued', ['http.sent']],
      ['connect', 'http.dns', ['http.connected', 'http.failed']],
      ['tls', 'http.queued', ['http.tls']], // of a set-up that another exchange had brought as far as TLS
      ['tls', 'http.connected', ['http.tls', 'http.failed']],
      ['send', 'http.connected', ['http.sent']],
      ['queue', 'http.dns', ['http.ready']],
      ['queue', 'http.connected', ['http.ready']],
      ['queue', 'http.tls', ['http.ready']],
      ['queue', 'http.queued', ['http.ready']],
      ['send', 'http.tls', ['http.sent', 'http.failed']],
      ['send', 'http.ready', ['http.sent', 'http.failed']],
      ['wait', 'http.sent', ['http.headers', 'http.failed']],
      ['body', 'http.headers', ['http.chunk', 'http.done', 'http.failed']],
      ['body', 'http.chunk', ['http.chunk', 'http.done', 'http.failed']],
      ['our code', 'http.headers', ['stt.start', 'stt.early', 'stt.done', 'llm.done', 'tts.done']],
      [
        'our code',
        'http.chunk',
        ['stt.start', 'stt.early', 'stt.done', 'llm.content', 'llm.done', 'tts.audio', 'tts.done'],
      ],
      ['backoff', 'http.failed', ['retry.wait']],
      // a deadline gave up on an attempt before its exchange could say where it was
      ['backoff', 'http.start', ['retry.wait']],
      ['backoff', 'http.headers', ['retry.wait']],
      ['backoff', 'http.chunk', ['retry.wait']],
      ['our code', 'retry.wait', ['http.start']],
      ['our code', 'http.failed', ['http.start']],
      ['poll', 'http.done', ['poll.wait']],
      ['poll', 'http.chunk', ['poll.wait']],
      ['our code', 'poll.wait', ['http.start']],
      ['our code', 'http.chunk', ['http.start']],
      ['backoff', 'poll.wait', ['retry.wait']],
      ['hold', 'llm.content', ['llm.content', 'llm.done']],
      ['our code', 'llm.content', ['piece.ready']],
      ['our code', 'llm.done', ['piece.ready']],
      ['our code', 'piece.ready', ['tts.start', 'tts.released', 'cache.looked']],
      ['our code', 'cache.looked', ['tts.start', 'tts.released', 'deliver.first_byte', 'deliver.resumed']],
      ['our code', 'tts.audio', ['tts.released']],
      ['our code', 'tts.released', ['deliver.first_byte', 'deliver.resumed']],
      ['our code', 'http.chunk', ['prefetch.done']],
      ['our code', 'http.done', ['prefetch.done']],
      ['our code', 'http.headers', ['prefetch.done']],
      ['slot', 'tts.done', ['tts.start']],
      ['our code', 'http.done', ['stt.start', 'stt.early', 'stt.done', 'llm.done', 'tts.done']],
      ['our code', 'http.done', ['http.start']],
      ['backoff', 'http.done', ['retry.wait']],
      ['our code', 'tts.audio', ['tts.done', 'deliver.first_byte', 'deliver.resumed']],
      [
        'silence',
        'deliver.first_byte',
        ['deliver.first_audible', 'deliver.content_audible', 'deliver.dry', 'deliver.reply_end'],
      ],
      [
        'silence',
        'deliver.resumed',
        ['deliver.first_audible', 'deliver.content_audible', 'deliver.dry', 'deliver.reply_end'],
      ],
      ['stall', 'deliver.dry', ['deliver.resumed']], // the client took its time with audio that was there
      ['after', 'deliver.reply_end', ['turn.done']],
      ['after', 'llm.done', ['turn.done']],
      ['after', 'turn.interrupted', ['turn.done']],
    ] satisfies [Phase | 'after', EventKind, EventKind[]][]
  ).flatMap(([phase, cause, kinds]) => kinds.map((kind) => [`${cause} > ${kind}`, phase])),
);

/** Events that may follow anything: they end a turn or describe it, nobody waits through them. */
const ENDS: ReadonlySet<EventKind> = new Set([
  'turn.interrupted',
  'interrupt.onset',
  'interrupt.resumed',
  'interrupt.confirmed',
  'ahead.ready',
  'turn.failed',
  'deliver.apology',
  'speech.end',
  'loop.blocked',
  'speech.audio',
  'speech.start',
  'bet.settled',
  'llm.record',
]);

/** The wait between a cause and its effect; throws on a pair that the table does not know. */
export function phaseOf(cause: EventKind, kind: EventKind): Phase | 'after' {
  const phase = ENDS.has(kind) ? 'after' : PHASE_OF[`${cause} > ${kind}`];
  if (phase === undefined) throw new InvariantError(`the ledger has no phase for ${cause} > ${kind}`);
  return phase;
}

/**
 * Walks back from `deliver.first_audible` along causes to the first event at or before `zeroUs`.
 * Undefined when the turn has no first audible, or when it became audible at or before its zero (a premature decision).
 * Throws when the log breaks a rule: an unknown pair, a cause that is later, a root later than the zero.
 */
export function ledgerOf(events: readonly TurnEvent[], zeroUs: number | undefined): Ledger | undefined {
  for (const event of events) {
    if (event.cause !== undefined) phaseOf(eventAt(events, event.cause).kind, event.kind);
  }
  const stop = events.find((event) => event.kind === 'deliver.first_audible');
  if (stop === undefined || zeroUs === undefined || stop.atUs <= zeroUs) return undefined;

  const parts: LedgerPart[] = [];
  const headStart: LedgerPart[] = [];
  const path = [stop.id];
  for (let event = stop; event.cause !== undefined;) {
    const cause = eventAt(events, event.cause);
    if (cause.id >= event.id || cause.atUs > event.atUs) {
      throw new InvariantError(
        `${event.kind} (event ${event.id}) is not after its cause ${cause.kind} (event ${cause.id})`,
      );
    }
    const part = partBetween(cause, event);
    if (part.toUs > zeroUs) push(parts, { ...part, fromUs: Math.max(part.fromUs, zeroUs) });
    if (part.fromUs < zeroUs) push(headStart, { ...part, toUs: Math.min(part.toUs, zeroUs) });
    path.push(cause.id);
    event = cause;
  }
  const root = eventAt(events, path[path.length - 1] ?? 0);
  if (root.atUs > zeroUs)
    throw new InvariantError(`the walk ends at ${root.kind}, ${root.atUs - zeroUs} µs after the zero`);
  parts.reverse();
  headStart.reverse();
  return {
    zeroUs,
    stopUs: stop.atUs,
    e2eUs: stop.atUs - zeroUs,
    parts: splitAtStalls(parts, stallsIn(events)),
    headStart,
    hidden: hiddenParts(events, new Set(path), zeroUs, stop.atUs),
    path,
  };
}

/**
 * Slack of each event, by event id: how much later it could have come, delayed alone, without making first audible later. 0 on the
 * path; off the path the sum of the joins' slacks; absent when nothing leads from the event to first audible.
 */
export function slackOf(events: readonly TurnEvent[]): readonly (number | undefined)[] {
  const slackUs: (number | undefined)[] = events.map((event) =>
    event.kind === 'deliver.first_audible' ? 0 : undefined,
  );
  for (let id = events.length - 1; id >= 0; id--) {
    const own = slackUs[id];
    const event = eventAt(events, id);
    if (own === undefined || event.cause === undefined) continue;
    slackUs[event.cause] = Math.min(slackUs[event.cause] ?? Infinity, own);
    if (event.also !== undefined) {
      const leadUs = event.atUs - eventAt(events, event.also).atUs;
      slackUs[event.also] = Math.min(slackUs[event.also] ?? Infinity, own + leadUs);
    }
  }
  return slackUs;
}

function hiddenParts(
  events: readonly TurnEvent[],
  onPath: ReadonlySet<number>,
  zeroUs: number,
  stopUs: number,
): LedgerPart[] {
  const hidden: LedgerPart[] = [];
  for (const event of events) {
    if (event.cause === undefined || onPath.has(event.id)) continue;
    const cause = eventAt(events, event.cause);
    if (cause.atUs < zeroUs || event.atUs > stopUs || phaseOf(cause.kind, event.kind) === 'after') continue;
    push(hidden, partBetween(cause, event));
  }
  return hidden;
}

function partBetween(cause: TurnEvent, event: TurnEvent): LedgerPart {
  const phase = phaseOf(cause.kind, event.kind);
  if (phase === 'after') throw new InvariantError(`${event.kind} cannot lie on the way to first audible`);
  return { stage: phase === 'our code' ? 'our code' : event.stage, phase, fromUs: cause.atUs, toUs: event.atUs };
}

function push(parts: LedgerPart[], part: LedgerPart): void {
  if (part.toUs > part.fromUs) parts.push(part);
}

function eventAt(events: readonly TurnEvent[], id: number): TurnEvent {
  const event = events[id];
  if (event === undefined || event.id !== id) throw new InvariantError(`event ${id} is missing from the log`);
  return event;
}
