/** The figures of one turn, from its log. Pure. Every formula with zero, stop and limits: docs/metrics.md. */
import { betsOf, type Bet } from './bets.ts';
import { ledgerOf, type Ledger } from './ledger.ts';
import { readLagOf } from './read-lag.ts';
import { speechFigures, type SpeechFigures } from './speech-figures.ts';
import {
  firstOf,
  numberOf,
  stringOf,
  type EventKind,
  type Lane,
  type LedgerStage,
  type Phase,
  type TurnEvent,
  type TurnLog,
  type World,
  type ZeroKind,
} from '../base/events.ts';
import { definedOnly } from '../base/json.ts';

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
  /** How late the frame that holds the speech end was read: before the zero, so never part of `e2eUs`. */
  readLagUs?: number;
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
  /** Speech went on after the end-of-turn decision. Absent in traces that do not tell. */
  premature?: boolean;
  failure?: { stage: string; kind: string; message: string };
  /** Requested → served model, when the answer named one. */
  model?: { requested: string; served?: string; provider?: string };
  transcriptChars?: number;
  /** Words heard otherwise than in the captured turn, per captured word. Replays of full captures only. */
  transcriptErrorShare?: number;
  /** Words that differ from the baseline's transcript of this turn in the same run, of the longer of the two (0–1). */
  transcriptChange?: number;
  /** The reply declines in place of answering. Absent where nobody looked, or there was no reply. */
  refused?: boolean;
  /** Of the prompt's tokens, those that the provider had cached (0–1). Absent where the provider does not say. */
  cachedPromptShare?: number;
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
  return firstOf(log.events, ZERO_EVENTS[log.zero])?.atUs;
}

/** Measures a finished turn. Throws only when the log breaks a rule of the ledger. */
export function measureTurn(log: TurnLog): MeasuredTurn {
  const { identity, events } = log;
  const zeroUs = zeroUsOf(log);
  const ledger = ledgerOf(events, zeroUs);
  const since = (fromUs: number | undefined, kind: EventKind): number | undefined => {
    const to = firstOf(events, kind);
    return fromUs === undefined || to === undefined ? undefined : to.atUs - fromUs;
  };
  const ended = firstOf(events, 'turn.ended');
  const firstTts = firstSpoken(events, 'tts.start');
  const firstAudioUs = events.find(
    (event) => event.kind === 'tts.audio' && event.attrs?.['index'] === firstTts?.attrs?.['index'],
  )?.atUs;
  const replyEnd = firstOf(events, 'deliver.reply_end');
  const failed = firstOf(events, 'turn.failed');
  const content = firstOf(events, 'llm.content');
  const llmStart = askedAt(events, content?.exchange) ?? firstOf(events, 'llm.start');
  const llmDone = firstOf(events, 'llm.done');
  const bets = betsOf(events);
  const summary = definedOnly<TurnSummary>({
    sessionId: identity.sessionId,
    turnIndex: identity.turnIndex,
    traceId: identity.traceId,
    lane: identity.lane,
    variant: identity.variant,
    world: identity.world,
    zero: log.zero,
    e2eUs: ledger?.e2eUs,
    readLagUs: log.zero === 'audio' && identity.world !== 'sim' ? readLagOf(events) : undefined,
    firstAudioByteUs: since(log.zero === 'opening' ? zeroUs : ended?.atUs, 'deliver.first_byte'),
    firstContentAudibleUs: contentAudibleUs(events, zeroUs, ledger?.e2eUs),
    replyEndUs: zeroUs === undefined ? undefined : since(zeroUs, 'deliver.reply_end'),
    stallUs: numberOf(replyEnd, 'stallUs'),
    ledger: (ledger?.parts ?? []).map((part) => ({
      stage: part.stage,
      phase: part.phase,
      us: part.toUs - part.fromUs,
    })),
    serviceUs: definedOnly<StageServiceUs>({
      endpointing: log.zero === 'audio' ? positive(since(zeroUs, 'turn.ended')) : undefined,
      stt: sttUs(events),
      llm: content === undefined || llmStart === undefined ? undefined : content.atUs - llmStart.atUs,
      tts: firstTts === undefined || firstAudioUs === undefined ? undefined : firstAudioUs - firstTts.atUs,
    }),
    premature: zeroUs !== undefined && ended !== undefined && log.zero === 'audio' && ended.atUs < zeroUs,
    failure: failed === undefined ? undefined : failureIn(failed),
    model: modelOf(llmStart, llmDone),
    transcriptChars: numberOf(firstOf(events, 'stt.done'), 'chars'),
    cachedPromptShare: cachedShare(llmDone),
    replyChars: numberOf(llmDone, 'chars'),
    replyAudioMs: audioMsOf(events),
    reusedFirst: reusedFirst(events),
    costUsd: numberOf(llmDone, 'costUsd'),
    characters: charactersOf(events),
    bets: bets.length === 0 ? undefined : bets,
    ...speechFigures(events),
  });
  return { summary, ledger };
}

function failureIn(failed: TurnEvent): { stage: string; kind: string; message: string } {
  const text = (key: string): string => String(failed.attrs?.[key] ?? '');
  return { stage: text('errorStage'), kind: text('errorKind'), message: text('message') };
}

function modelOf(start: TurnEvent | undefined, done: TurnEvent | undefined): TurnSummary['model'] {
  const requested = stringOf(start, 'model');
  if (requested === undefined) return undefined;
  return definedOnly({ requested, served: stringOf(done, 'servedModel'), provider: stringOf(done, 'servedProvider') });
}

function cachedShare(done: TurnEvent | undefined): number | undefined {
  const [cached, prompt] = [numberOf(done, 'cachedTokens'), numberOf(done, 'promptTokens')];
  const isKnown = cached !== undefined && prompt !== undefined && cached >= 0 && cached <= prompt && prompt > 0;
  return isKnown ? Math.round((cached / prompt) * 1e4) / 1e4 : undefined;
}

function charactersOf(events: readonly TurnEvent[]): number | undefined {
  const starts = events.filter((event) => event.kind === 'tts.start');
  return starts.length === 0 ? undefined : starts.reduce((sum, event) => sum + (numberOf(event, 'chars') ?? 0), 0);
}

function audioMsOf(events: readonly TurnEvent[]): number | undefined {
  const pieces = events.filter((event) => event.kind === 'tts.done');
  return pieces.length === 0 ? undefined : pieces.reduce((sum, event) => sum + (numberOf(event, 'audioMs') ?? 0), 0);
}

function reusedFirst(events: readonly TurnEvent[]): boolean | undefined {
  const { reused, paidBy, paidTraceId } = firstOf(events, 'http.queued')?.attrs ?? {};
  // by this turn's own measurement of its regions; one that an earlier turn measured on is inherited
  const measured = paidTraceId === undefined && typeof paidBy === 'string' && paidBy.startsWith('endpointing.');
  return typeof reused === 'boolean' ? reused && paidBy !== 'ahead' && !measured : undefined;
}

/** The upload whose text was used: its start → its text, which an early upload had before the turn went on with it. */
function sttUs(events: readonly TurnEvent[]): number | undefined {
  const used = firstOf(events, 'stt.done');
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
function firstSpoken(events: readonly TurnEvent[], kind: EventKind): TurnEvent | undefined {
  const pieces = events.filter((event) => event.kind === 'piece.ready').map((event) => event.attrs?.['index']);
  const own = events.filter((event) => event.kind === kind && pieces.includes(event.attrs?.['index']));
  return own.toSorted((a, b) => (numberOf(a, 'index') ?? 0) - (numberOf(b, 'index') ?? 0))[0];
}

/** Equal to end to end unless the reply began with other words than its LLM's; absent when it had none of those. */
function contentAudibleUs(
  events: readonly TurnEvent[],
  zeroUs: number | undefined,
  e2eUs: number | undefined,
): number | undefined {
  if (firstOf(events, 'deliver.first_audible')?.attrs?.['content'] !== false) return e2eUs;
  const audible = firstOf(events, 'deliver.content_audible');
  return zeroUs === undefined || audible === undefined ? undefined : audible.atUs - zeroUs;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined;
}
