/** What is recorded of a turn: its events with their causes, and whose they are. Words: ports.ts. */

export const WORLDS = ['live', 'wire', 'sim'] as const;
export type World = (typeof WORLDS)[number];
export const LANES = ['captured', 'baseline', 'baseline2', 'candidate'] as const;
export type Lane = (typeof LANES)[number];
export const ZERO_KINDS = ['audio', 'upload', 'opening'] as const;
export type ZeroKind = (typeof ZERO_KINDS)[number];

/** Stages whose work an event belongs to, in the order of the pipeline. */
export const STAGES = ['endpointing', 'stt', 'llm', 'chunk', 'tts', 'deliver'] as const;
export type Stage = (typeof STAGES)[number];
/** The stages that call a provider. */
export const CALL_STAGES = ['stt', 'llm', 'tts'] as const satisfies readonly Stage[];
export type CallStage = (typeof CALL_STAGES)[number];
/** Whose parts a ledger has, in the order in which reports show them. */
export const LEDGER_STAGES = [...STAGES, 'our code'] as const;
export type LedgerStage = (typeof LEDGER_STAGES)[number];

/** Phases of one HTTP exchange, in order. */
export const HTTP_PHASES = [
  'queue',
  'dns',
  'connect',
  'tls',
  'send',
  'wait',
  'body',
] as const satisfies readonly Phase[];
export type HttpPhase = (typeof HTTP_PHASES)[number];
/** Phases of a ledger's parts, in the order in which reports show them within a stage. */
export const PHASES = [
  'detect', // speech end to the decision that the user has finished
  'backoff', // the pause before an attempt is made again
  'slot', // a piece waits for a free synthesis
  'hedge', // the first request's time before the one that hedged it
  'queue',
  'dns',
  'connect',
  'tls',
  'send',
  'wait',
  'poll', // the pause between two questions for a queued answer
  'body',
  'hold', // content is there, a piece is not yet whole
  'silence', // leading silence of the reply
  'stall', // the playing client has no audio
  'our code',
  'blocked', // our process ran nothing else, or did not run at all
] as const;
export type Phase = (typeof PHASES)[number];

/** Every kind of event, as recorded and as read back; each is on docs/capture-format.md. */
export const EVENT_KINDS = [
  'session.opened', // the root and the zero of a greeting
  'speech.start', // the turn's first audio arrived: the root of every turn
  'speech.quiet', // the strategy's VAD: arrival of the frame after which it heard only silence
  'speech.end', // the reference detector's answer; nothing is caused by it, it is the zero
  'speech.cut', // what was said so far was cut off for an early transcript; the user may still go on
  'client.end', // the client said that the user has finished (push-to-talk), or an upload's last byte arrived
  'turn.ended', // the decision that the user has finished
  'loop.blocked', // when our process stood still, recorded when the turn closes; nothing is caused by it
  'speech.audio', // the received audio as a whole, recorded when the turn closes
  'ahead.ready', // names or connections for the calls to come are ready; nothing is caused by it
  'stt.start',
  'stt.early', // the text of an upload made before the end of turn: an early transcript
  'stt.done', // the transcript that the turn uses
  'llm.start',
  'llm.content', // a delta that released something (the first one always does: TTFT)
  'llm.done',
  'llm.record', // what the gateway says of an answer some seconds later; nobody waits for it
  'piece.ready', // the chunker let a piece of the reply go
  'tts.start',
  'tts.audio', // an audio chunk that released something (the first of each piece always does)
  'tts.released', // audio synthesized ahead of its words, once the words are certain
  'tts.done',
  'deliver.first_byte',
  'deliver.dry', // the playing client had played all the audio it had, before the reply's end
  'deliver.resumed', // audio arrived after the playing client had run out of it
  'deliver.first_audible', // computed ahead by the playback model
  'deliver.content_audible', // the same for words that this turn's LLM generated, where others came before them
  'bet.settled', // what a speculation, hedge, prefetch or cache look-up came to; nothing is caused by it
  'cache.looked', // whether a piece's speech is in the cache
  'prefetch.start',
  'prefetch.done',
  'deliver.reply_end', // computed by the playback model
  'interrupt.onset', // the user began to speak while the reply was heard: playback pauses
  'interrupt.resumed', // the sound was no interruption: the reply is resumed
  'interrupt.confirmed', // the user took the floor: everything downstream is cancelled
  'turn.interrupted', // what was heard of the reply, and what was not
  'turn.done',
  'turn.failed',
  'deliver.apology', // what the user hears of a failed turn: an apology, or nothing
  'retry.wait', // a failed attempt's backoff ran out
  'poll.wait', // the pause before a queued request's state is asked for again ran out
  'http.start',
  'http.queued', // the exchange left the queue: it has, or begins to set up, a connection
  'http.dns',
  'http.connected',
  'http.tls',
  'http.ready', // the wait for a connection went on after its set-up: now the exchange has it
  'http.sent',
  'http.headers',
  'http.chunk', // a body chunk that released something
  'http.done', // the body ended; carries all arrivals as one compact array
  'http.failed',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export type AttrValue = string | number | boolean | readonly string[] | readonly number[];
export type Attrs = Readonly<Record<string, AttrValue>>;

/** Words and sound of user and reply. Goes to captures at level `full` and to the session's own client; never to spans or logs. */
export interface Content {
  text?: string;
  /** PCM16 little-endian mono. */
  audio?: Uint8Array;
  sampleRateHz?: number;
  /** The same audio as the client uploaded it, where that was WebM with Opus. */
  recorded?: Uint8Array;
}

/** One timestamped fact. Ids count up within a turn in order of recording, which need not be order of time. */
export interface TurnEvent {
  id: number;
  kind: EventKind;
  stage: Stage;
  /** `<stage>.<ordinal>.<attempt>[.<fetch>]`, on events of one HTTP exchange and of the provider call around it. */
  exchange?: string;
  /** Integer microseconds on the turn's clock. */
  atUs: number;
  /** Id of the event that released this one: smaller, and not later. Absent only on `speech.start` and `speech.end`. */
  cause?: number;
  /** Of a join: the other event that released this one, no later than `cause`. */
  also?: number;
  attrs?: Attrs;
  content?: Content;
}

/** Attributes to record: undefined ones stay out of the log. */
export type NewAttrs = Readonly<Record<string, AttrValue | undefined>>;

/** A fact to record. Undefined fields and attributes are absent from the log. */
export interface NewEvent {
  kind: EventKind;
  stage: Stage;
  cause?: number;
  also?: number;
  exchange?: string;
  /** Now, unless given. */
  atUs?: number;
  attrs?: NewAttrs;
  content?: Content;
}

/** Sees every event once, in order of recording. Returns nothing and cannot throw into a turn. */
export type EventSink = (event: TurnEvent) => void;

export interface Recorder {
  /** Records a fact and returns its id. Throws on a broken invariant (unknown or later cause), which is an internal error. */
  record(event: NewEvent): number;
  /** The event's time; the id must exist. */
  atUs(id: number): number;
  readonly events: readonly TurnEvent[];
}

/** Who and what a turn is: constant through the turn, on every span and in every bundle. */
export interface TurnIdentity {
  sessionId: string;
  turnIndex: number;
  /** 32 hex digits. */
  traceId: string;
  runId: string;
  world: World;
  lane: Lane;
  variant: string;
  arm: string;
  strategyHash: string;
  /** Trace id of the captured turn that this one replays. */
  linkedTraceId?: string;
  /** The stand-ins' profile, absent in `live`. */
  profile?: string;
  /** Interview whose script the stand-ins follow, when there is one. */
  interview?: string;
}

/** A finished turn, also one that failed: spans, captures, ledger and metrics are projections of this. */
export interface TurnLog {
  identity: TurnIdentity;
  zero: ZeroKind;
  /** Epoch microseconds of `atUs` 0, so that `epochUs = anchorUs + atUs`. */
  anchorUs: number;
  events: readonly TurnEvent[];
}

/** The first event of a kind in order of recording. */
export function firstOf(events: readonly TurnEvent[], kind: EventKind): TurnEvent | undefined {
  return events.find((event) => event.kind === kind);
}

/** An event's attribute when it is a number. */
export function numberOf(event: TurnEvent | undefined, key: string): number | undefined {
  const value = event?.attrs?.[key];
  return typeof value === 'number' ? value : undefined;
}

/** An event's attribute when it is a string. */
export function stringOf(event: TurnEvent | undefined, key: string): string | undefined {
  const value = event?.attrs?.[key];
  return typeof value === 'string' ? value : undefined;
}

/** An event's attribute when it is a boolean. */
export function booleanOf(event: TurnEvent | undefined, key: string): boolean | undefined {
  const value = event?.attrs?.[key];
  return typeof value === 'boolean' ? value : undefined;
}

/** An event's attribute when it is an array of numbers. */
export function numbersOf(event: TurnEvent | undefined, key: string): readonly number[] | undefined {
  const value = event?.attrs?.[key];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : undefined;
}

/** Names a turn of a session, in every lane alike. */
export function turnKey({ sessionId, turnIndex }: { sessionId: string; turnIndex: number }): string {
  return `${sessionId}/${turnIndex}`;
}
