/**
 * The words of Retake, and the interfaces between its parts.
 *
 * session        one conversation, many turns; has an id, never a span of its own
 * turn           from the first audio of what the user says to the end of the reply; one trace
 * greeting       the reply that opens a session: a turn whose zero is the session's opening
 * speech end     zero of every latency: arrival of the frame in which the pinned reference detector hears speech end
 * zero kind      `audio` (speech end), `upload` (arrival of a posted body's last byte), `opening` (of a greeting's session)
 * endpointing    speech end → the decision that the user has finished; a decision after which the user went on is premature
 * first audio byte       first reply audio byte handed to the client's connection (container headers are not audio)
 * first audible          when a client that plays from the first byte on reaches the first of three consecutive 10 ms
 *                        frames above −45 dBFS RMS: the stop of end-to-end
 * first content audible  first audible of words that this turn's LLM generated
 * stall          the playing client runs out of audio before the reply's end; total in ms
 * reply end      when the playing client has played the last sample
 * TTFT           `llm.start` → first non-blank content delta
 * TTFB (TTS)     `tts.start` → first audio byte received
 * STT latency    `stt.start` of the upload whose text was used → its text
 * stage          endpointing, stt, llm, chunk, tts, deliver, and our code
 * phase          a part of a stage's wait; of one HTTP exchange: queue, dns, connect, tls, send, wait, body
 * event, cause   one timestamped fact in a turn; the id of the event that released it
 * ledger         a turn's waiting time cut into contiguous parts along the causes; adds up exactly
 * strategy       every optimization knob of one run as data; a variant is a named patch of a strategy
 * arm            one side of an experiment: a commit plus a strategy
 * world          what a run runs against: `live`, `wire` (stand-in servers over real sockets), `sim` (virtual time)
 * lane           `captured`, `baseline`, `baseline2` (the baseline once more), `candidate`
 * bundle         one captured session on disk: public, versioned format
 *
 * A latency that could not be measured is absent, never 0.
 */
import type { CallStage, Stage, ZeroKind } from './events.ts';

/** Time, passed in. Nothing else in the service may read a clock or arm a timer. */
export interface Clock {
  /** Monotonic integer microseconds; only to subtract. */
  nowUs(): number;
  /** Integer microseconds since 1970: one anchor plus `nowUs()`; only to stamp spans and captures. */
  epochUs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets others run between two pieces of long work; the fewest pieces go first. Rejects once aborted. Takes no virtual time. */
  giveWay(piecesDone: number, signal?: AbortSignal): Promise<void>;
}

/** A seeded source of uniform numbers in [0, 1). */
export type Random = () => number;

/** Whose a provider call is. */
export interface CallOwner {
  sessionId: string;
  turnIndex: number;
  /** The turn's place among those in which the user speaks, where a greeting came before. Absent: `turnIndex`. */
  userTurn?: number;
  interview?: string;
  arm: string;
  /** The turn's: says which turn paid for a connection. */
  traceId?: string;
}
/** What one HTTP exchange is for: names its events, its draws and its connection's owner. */
export interface ExchangeContext extends CallOwner {
  stage: Stage;
  /** 0 for stt and llm, the piece's index for tts. */
  ordinal: number;
  attempt: number;
  /** Counts the fetches of one provider call (`generate` makes several). */
  fetchIndex: number;
}

export interface HttpRequest {
  url: string;
  method: string;
  headers: Headers;
  body?: Uint8Array;
  signal?: AbortSignal;
  context: ExchangeContext;
  /** On a connection that was not there before: those that were may all be dead. */
  fresh?: boolean;
  /** The URL is not ours: connect to public addresses only. */
  publicOnly?: boolean;
  /** Called when the exchange begins to send: the deadline to connect ends there. */
  onSending?: () => void;
}

/**
 * The boundaries of one exchange, in µs of the clock, each the END of its phase, filled in as they become known.
 * A phase that did not happen (DNS on a reused socket) is absent.
 */
export interface HttpMarks {
  startUs: number;
  queuedUs?: number;
  dnsUs?: number;
  connectedUs?: number;
  tlsUs?: number;
  /** The connection was the exchange's own: later than its set-up where others had it first. */
  readyUs?: number;
  sentUs?: number;
  headersUs?: number;
  reused?: boolean;
  /** `1.1` or `2`. */
  protocol?: string;
  peerAddress?: string;
  /** The region it was sent to, and the URL there (no query) where that is not the request's. */
  region?: string;
  url?: string;
  /** The exchange that the connection was opened for, or `ahead`: opened before any exchange needed it. */
  paidBy?: ExchangeContext | 'ahead';
  /** When it was given up before headers: its last phase ends here. */
  failedUs?: number;
  /** False where the transport could not see the request's last byte leave; `send` then ends at headers. */
  sentKnown?: boolean;
  /** Where a simulated exchange's times came from, and those of the connection that it set up. */
  basis?: TimesBasis;
  setUpBasis?: TimesBasis;
}
/** An exchange as it was captured, a model fitted to the capture's exchanges, or a latency profile. */
export const TIMES_BASES = ['captured', 'fitted', 'profile'] as const;
export type TimesBasis = (typeof TIMES_BASES)[number];

/** One origin's connections now. Running requests have one, queued requests wait for one. */
export interface PoolState {
  origin: string;
  connected: number;
  free: number;
  running: number;
  queued: number;
}

/** A response below the provider clients; any `Response` is one. One reader, one chunk at a time. */
export interface HttpResponse extends Pick<Response, 'status' | 'statusText' | 'headers'> {
  readonly body: { getReader(): BodyReader } | null;
}
export type BodyReader = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>;

/** The seam below every provider client: undici in `live` and `wire`, the network model in `sim`. */
export interface Transport {
  /** Sends one exchange and fills in `marks`. Resolves at response headers; the body is read by the caller. */
  send(request: HttpRequest, marks: HttpMarks): Promise<HttpResponse>;
  /** Makes connections ready before an exchange needs them. Never rejects: the exchange meets the failure. */
  openAhead(target: AheadTarget, signal?: AbortSignal): Promise<void>;
  /** At speech start: measures what the exchanges will need, such as the nearest region. A cancelled turn's `signal` ends the measurement. */
  prepare?(context: ExchangeContext, signal: AbortSignal): void;
  /** Its connection pools; absent where it keeps none. */
  pools?(): readonly PoolState[];
  close(): Promise<void>;
}
export interface AheadTarget {
  /** `https://fal.run`. */
  origin: string;
  /** Sockets that shall be free there; 0: only its name is resolved. */
  sockets: number;
  /** The exchanges expected to use them, one a socket. */
  contexts: readonly ExchangeContext[];
}

/** Whom a turn's calls go to, by stage: `https://fal.run`. */
export type Origins = Readonly<Record<CallStage, string>>;

/** The `fetch` that provider SDKs are given. Carries `Response` so that SDKs need not probe for it. */
export type Fetch = ((input: string | URL | Request, init?: RequestInit) => Promise<Response>) & {
  Response: typeof Response;
};

/** The purpose of one fetch, in a call that makes several. */
export type ExchangeStep =
  'queue.submit' | 'queue.poll' | 'queue.result' | 'cdn.get' | 'storage.initiate' | 'storage.put';

/** One provider call's access to the network and to the log. */
export interface Call {
  clock: Clock;
  /** Every fetch made through it becomes an exchange of this call. */
  fetch: Fetch;
  /** The same, for one step of a call that makes several; `publicOnly` for a URL that somebody else named. */
  fetchFor(step: ExchangeStep, publicOnly?: boolean): Fetch;
  /** As `fetch`, for Retake's own parsers: without the platform's `Response` and the stream in it. */
  send(url: string, init: RequestInit): Promise<HttpResponse>;
  signal: AbortSignal;
  /** Waits on the clock between two fetches of this call; the wait is part of the log. */
  pause(ms: number): Promise<void>;
  /** Content has arrived: the deadline to the next content starts anew. */
  content(): void;
  /** Headers of the newest response. */
  responseHeaders(): Headers | undefined;
  /** The error that broke the newest exchange, before its client put it into other words; undefined when nothing broke. */
  failure(): unknown;
  /** The last body chunk read: its arrival delivered the data that the provider client has just parsed. */
  arrival(): Arrival;
}
/** One body chunk's arrival. Asking for the id makes it an event: only chunks that released something become events. */
export interface Arrival {
  atUs: number;
  eventId(): number;
}

export interface SttRequest {
  /** `generate` uploads to fal's storage first and sends the file's URL. */
  method: 'transcriptions' | 'generate';
  /** Bytes as uploaded. */
  audio: Uint8Array;
  /** `audio/wav` or `audio/webm`. */
  mimeType: string;
  language: string;
  prompt?: string;
}
export interface SttResult {
  text: string;
  requestId?: string;
}
export interface Stt {
  readonly model: string;
  /** Throws `StageError` only. */
  transcribe(request: SttRequest, call: Call): Promise<SttResult>;
}

export const ROLES = ['system', 'user', 'assistant'] as const;
export type Role = (typeof ROLES)[number];

export interface Message {
  role: Role;
  content: string;
}
export interface LlmRequest {
  model: string;
  messages: readonly Message[];
  maxTokens: number;
  temperature?: number;
  seed?: number;
  /** Sticky routing key. `cacheKey`: of the provider's prompt cache, one a lane of a replay; absent: the provider's own. */
  sessionId: string;
  cacheKey?: string;
  /** OpenRouter's choice of a provider; absent: its own. */
  route?: LlmRoute;
  /** Reasoning effort; absent: the model's own. */
  reasoning?: string;
  /** Models that the gateway tries, in this order, when `model` cannot answer. */
  fallback: readonly string[];
  /** Who reads the server-sent events: the openai client, or eventsource-parser on the raw body. */
  sse: 'sdk' | 'parser';
}
export interface LlmRoute {
  sort?: 'price' | 'throughput' | 'latency';
  order?: string[];
  only?: string[];
  ignore?: string[];
  dataCollection?: 'allow' | 'deny';
}
export interface LlmResult {
  servedModel?: string;
  servedProvider?: string;
  generationId?: string;
  finishReason?: string;
  promptTokens?: number;
  completionTokens?: number;
  cachedTokens?: number;
  reasoningTokens?: number;
  /** Deltas of reasoning, which nobody hears. */
  reasoningDeltas?: number;
  /** Keep-alive comments of the gateway; only `sse: parser` sees them. */
  comments?: number;
  costUsd?: number;
}
export interface Llm {
  /**
   * Calls `onDelta` for each non-empty content delta, synchronously, in order. Resolves after the stream's end marker.
   * A delta came with the call's last arrival, unless it says when (replays that release a captured text).
   */
  stream(request: LlmRequest, call: Call, onDelta: (text: string, atUs?: number) => void): Promise<LlmResult>;
}

export interface TtsRequest {
  text: string;
  method: 'stream' | 'speech' | 'generate';
  /** Who reads the events of `stream`: the fal client, or eventsource-parser on the raw body. */
  sse: 'sdk' | 'parser';
  /** How `generate` learns that its audio is there. */
  queue: { status: 'poll' | 'stream'; pollMs: number };
  /** The format that the endpoint is asked for; `default`: WAV of `generate`, else PCM. `stream` has PCM only. Audio is handed on as PCM16. */
  format: 'default' | 'pcm' | 'wav';
  voice: string;
  speed: number;
  language: string;
}
export interface TtsResult {
  audioBytes: number;
  requestId?: string;
  inferenceMs?: number;
}
export interface Tts {
  readonly model: string;
  /** Of all audio that it hands on. */
  readonly sampleRateHz: number;
  /** Calls `onAudio` with PCM16 little-endian mono as it arrives, whole samples only. Throws `StageError` only. */
  synthesize(request: TtsRequest, call: Call, onAudio: (pcm: Uint8Array) => void): Promise<TtsResult>;
}

/** User audio on its way in. A frame's arrival is when its last byte reached the service. */
export interface AudioFrame {
  atUs: number;
  /** PCM16 mono samples. */
  samples: Int16Array;
}
export interface UserAudio {
  zero: ZeroKind;
  sampleRateHz: number;
  /** Arrival of the first byte of an upload; absent for streamed audio, where the first frame says it. */
  startedUs?: number;
  /** The upload as it came, where it is WebM with Opus: what `stt.format: webm-opus` passes on. */
  recorded?: Uint8Array;
  /** Ends when the client says so or the signal aborts; goes on past the end-of-turn decision while the session listens. */
  frames(signal: AbortSignal): AsyncIterable<AudioFrame>;
}

/** The client's connection, as far as a turn needs it. Events go to it as a sink of the recorder. */
export interface ReplySink {
  /** Hands reply audio to the connection; resolves when it may take more (back-pressure). */
  audio(pcm: Uint8Array, pieceIndex: number, sampleRateHz: number): Promise<void>;
  /** Tells the client to pause, to go on, or to throw away what it has not played. */
  control?(what: 'pause' | 'resume' | 'stop'): void;
  /** Milliseconds of this reply that the client says it has played; undefined when it never said. */
  playedMs?(): number | undefined;
}
