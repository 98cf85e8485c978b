/** The figures of one turn, from its log. Pure. Every formula with zero, stop and limits: docs/metrics.md. */
import { betsOf, type Bet } from './bets.ts';
import { ledgerOf, type Ledger } from './ledger.ts';
import { speechFigures, type SpeechFigures } from './speech-figures.ts';
import type { EventKind, Lane, LedgerStage, Phase, TurnEvent, TurnLog, World, ZeroKind } from '../base/events.ts';

export interface LedgerRow {
  stage: LedgerStage;
  phase: Phase;
  us: number;
}

/** How long each stage took, on its own clock (service time), in µs. Unmeasured is absent. */
export interface StageServiceUs {
  endpointing?: number;
  stt?: number;
  /** `llm.start` → first content. */
  llm?: number;
  /** `tts.start` → first audio byte, of the first piece. */
  tts?: number;
}

/** One turn as a report row: the same shape from memory, from a bundle, from OTLP and in `report.json`. */
export interface TurnSummary extends SpeechFigures {
  sessionId: string;
  turnIndex: number;
  traceId: string;
  lane: Lane;
  variant: string;
  world: World;
  zero: ZeroKind;
  /** Zero → first audible. */
  e2eUs?: number;
  /** End-of-turn decision → first reply audio byte handed over: the target's 1,200 ms count from that decision too. */
  firstAudioByteUs?: number;
  firstContentAudibleUs?: number;
  replyEndUs?: number;
  stallUs?: number;
  /** Contiguous, in order of time; Σ us = e2eUs. Empty when e2eUs is absent. */
  ledger: readonly LedgerRow[];
  serviceUs: StageServiceUs;
  /** What was done before it was certain to be needed, and what came of it. */
  bets?: readonly Bet[];
  /** Speech went on after the end-of-turn decision. */
  premature: boolean;
  failure?: { stage: string; kind: string; message: string };
  /** Requested → served model, when the answer named one. */
  model?: { requested: string; served?: string; provider?: string };
  transcriptChars?: number;
  /** Words heard otherwise than in the captured turn, per captured word. Replays of full captures only. */
  transcriptErrorShare?: number;
  /** Words that differ from the baseline's transcript of this turn in the same run, of the longer of the two (0–1). */
  transcriptChange?: number;
  /** The reply declines in place of answering. */
  refused?: boolean;
  replyChars?: number;
  /** Synthesized audio of the reply, silences included. */
  replyAudioMs?: number;
  /** Whether the turn's first exchange found a connection open that was neither opened ahead nor for the turn's own measurement of regions. */
  reusedFirst?: boolean;
  costUsd?: number;
  characters?: number;
}

export interface MeasuredTurn {
  summary: TurnSummary;
  ledger?: Ledger;
}

const ZERO_EVENTS = { audio: 'speech.end', upload: 'client.end', opening: 'session.opened' } as const;

/** The turn's zero on its own clock: speech end for `audio`, arrival of the last byte for `upload`, else the opening. */
export function zeroUsOf(log: Pick<TurnLog, 'events' | 'zero'>): number | undefined {
  return first(log.events, ZERO_EVENTS[log.zero])?.atUs;
}

/** Measures a finished turn. Throws only when the log breaks a rule of the ledger. */
export function measureTurn(log: TurnLog): MeasuredTurn {
  const { identity, events } = log;
  const zeroUs = zeroUsOf(log);
  const ledger = ledgerOf(events, zeroUs);
  const since = (fromUs: number | undefined, kind: EventKind): number | undefined => {
    const to = first(events, kind);
    return fromUs === undefined || to === undefined ? undefined : to.atUs - fromUs;
  };
  const ended = first(events, 'turn.ended');
  const firstTts = firstOf(events, 'tts.start');
  const firstAudioUs = events.find(
    (event) => event.kind === 'tts.audio' && event.attrs?.['index'] === firstTts?.attrs?.['index'],
  )?.atUs;
  const replyEnd = first(events, 'deliver.reply_end');
  const failed = first(events, 'turn.failed');
  const content = first(events, 'llm.content');
  const llmStart = askedAt(events, content?.exchange) ?? first(events, 'llm.start');
  const llmDone = first(events, 'llm.done');
  const bets = betsOf(events);
  const summary: TurnSummary = {
    sessionId: identity.sessionId,
    turnIndex: identity.turnIndex,
    traceId: identity.traceId,
    lane: identity.lane,
    variant: identity.variant,
    world: identity.world,
    zero: log.zero,
    ...given('e2eUs', ledger?.e2eUs),
    ...given('firstAudioByteUs', since(log.zero === 'opening' ? zeroUs : ended?.atUs, 'deliver.first_byte')),
    ...given('firstContentAudibleUs', contentAudibleUs(events, zeroUs, ledger?.e2eUs)),
    ...given('replyEndUs', zeroUs === undefined ? undefined : since(zeroUs, 'deliver.reply_end')),
    ...given('stallUs', numberAttr(replyEnd, 'stallUs')),
    ledger: (ledger?.parts ?? []).map((part) => ({
      stage: part.stage,
      phase: part.phase,
      us: part.toUs - part.fromUs,
    })),
    serviceUs: {
      ...given('endpointing', log.zero === 'audio' ? positive(since(zeroUs, 'turn.ended')) : undefined),
      ...given('stt', sttUs(events)),
      ...given('llm', content === undefined || llmStart === undefined ? undefined : content.atUs - llmStart.atUs),
      ...given('tts', firstTts === undefined || firstAudioUs === undefined ? undefined : firstAudioUs - firstTts.atUs),
    },
    premature: zeroUs !== undefined && ended !== undefined && log.zero === 'audio' && ended.atUs < zeroUs,
    ...given('failure', failed === undefined ? undefined : failureOf(failed)),
    ...given('model', modelOf(llmStart, llmDone)),
    ...given('transcriptChars', numberAttr(first(events, 'stt.done'), 'chars')),
    ...given('replyChars', numberAttr(llmDone, 'chars')),
    ...given('replyAudioMs', audioMsOf(events)),
    ...given('reusedFirst', reusedFirst(events)),
    ...given('costUsd', numberAttr(llmDone, 'costUsd')),
    ...given('characters', charactersOf(events)),
    ...given('bets', bets.length === 0 ? undefined : bets),
    ...speechFigures(events),
  };
  return ledger === undefined ? { summary } : { summary, ledger };
}

function failureOf(failed: TurnEvent): { stage: string; kind: string; message: string } {
  const text = (key: string): string => String(failed.attrs?.[key] ?? '');
  return { stage: text('errorStage'), kind: text('errorKind'), message: text('message') };
}

function modelOf(start: TurnEvent | undefined, done: TurnEvent | undefined): TurnSummary['model'] {
  const requested = start?.attrs?.['model'];
  if (typeof requested !== 'string') return undefined;
  const served = done?.attrs?.['servedModel'];
  const provider = done?.attrs?.['servedProvider'];
  return {
    requested,
    ...(typeof served === 'string' ? { served } : {}),
    ...(typeof provider === 'string' ? { provider } : {}),
  };
}

function charactersOf(events: readonly TurnEvent[]): number | undefined {
  const starts = events.filter((event) => event.kind === 'tts.start');
  return starts.length === 0 ? undefined : starts.reduce((sum, event) => sum + (numberAttr(event, 'chars') ?? 0), 0);
}

function audioMsOf(events: readonly TurnEvent[]): number | undefined {
  const pieces = events.filter((event) => event.kind === 'tts.done');
  return pieces.length === 0 ? undefined : pieces.reduce((sum, event) => sum + (numberAttr(event, 'audioMs') ?? 0), 0);
}

function reusedFirst(events: readonly TurnEvent[]): boolean | undefined {
  const { reused, paidBy, paidTraceId } = first(events, 'http.queued')?.attrs ?? {};
  // by this turn's own measurement of its regions; one that an earlier turn measured on is inherited
  const measured = paidTraceId === undefined && typeof paidBy === 'string' && paidBy.startsWith('endpointing.');
  return typeof reused === 'boolean' ? reused && paidBy !== 'ahead' && !measured : undefined;
}

/** The upload whose text was used: its start → its text, which an early upload had before the turn went on with it. */
function sttUs(events: readonly TurnEvent[]): number | undefined {
  const used = first(events, 'stt.done');
  const own = (kind: EventKind): TurnEvent | undefined =>
    events.find((event) => event.kind === kind && event.exchange === used?.exchange);
  const start = own('stt.start');
  return used === undefined || start === undefined ? undefined : (own('stt.early') ?? used).atUs - start.atUs;
}

/** The request that the reply came from; of a hedged one the first request, since the wait for the second is part of it. */
function askedAt(events: readonly TurnEvent[], exchange: string | undefined): TurnEvent | undefined {
  const start = events.find((event) => event.kind === 'llm.start' && event.exchange === exchange);
  const hedges = start?.attrs?.['hedges'];
  return typeof hedges === 'string' ? askedAt(events, hedges) : start;
}

/** The event of the first piece in order of the text that was synthesized for itself, not ahead. */
function firstOf(events: readonly TurnEvent[], kind: EventKind): TurnEvent | undefined {
  const pieces = events.filter((event) => event.kind === 'piece.ready').map((event) => event.attrs?.['index']);
  const own = events.filter((event) => event.kind === kind && pieces.includes(event.attrs?.['index']));
  return own.toSorted((a, b) => (numberAttr(a, 'index') ?? 0) - (numberAttr(b, 'index') ?? 0))[0];
}

/** Equal to end to end unless the reply began with other words than its LLM's; absent when it had none of those. */
function contentAudibleUs(
  events: readonly TurnEvent[],
  zeroUs: number | undefined,
  e2eUs: number | undefined,
): number | undefined {
  if (first(events, 'deliver.first_audible')?.attrs?.['content'] !== false) return e2eUs;
  const audible = first(events, 'deliver.content_audible');
  return zeroUs === undefined || audible === undefined ? undefined : audible.atUs - zeroUs;
}

function first(events: readonly TurnEvent[], kind: EventKind): TurnEvent | undefined {
  return events.find((event) => event.kind === kind);
}

function numberAttr(event: TurnEvent | undefined, key: string): number | undefined {
  const value = event?.attrs?.[key];
  return typeof value === 'number' ? value : undefined;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined;
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  const object: { [K in Key]?: Value } = {};
  if (value !== undefined) object[key] = value;
  return object;
}
