/**
 * Every span name, attribute and metric that Retake emits, with type, unit and origin. No other file names one.
 *
 * Span names carry no model and no host, so that traces of different arms align. A whole `double` travels as `intValue` in OTLP
 * JSON, as the SDK's serializer has it: readers take either.
 */
/** Semantic conventions of the `semconv` rows; GenAI names of v1.41 are those of npm 1.45. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.41.0';
export const SERVICE_NAME = 'retake';
/** Equals package.json's version; a test holds it. */
export const SERVICE_VERSION = '0.2.0';
/** The instrumentation scope of every span. */
export const SCOPE_NAME = 'retake';
/** Spans of one turn stay below 300. */
export const MAX_SPANS = 299;

export const RESOURCE_ATTRIBUTES = { serviceName: 'service.name', serviceVersion: 'service.version' } as const;

export type SpanKindName = 'internal' | 'server' | 'client';
export interface SpanSpec {
  kind: SpanKindName;
  /** From what to what, in the words of the glossary. */
  interval: string;
}

export const SPANS = {
  turn: { kind: 'server', interval: 'first user audio → all work and `playback` are over' },
  speech: { kind: 'internal', interval: 'first user audio → zero' },
  response: { kind: 'server', interval: 'zero → first audible: its duration is the end-to-end latency' },
  'wait endpointing': { kind: 'internal', interval: 'a run of parts of endpointing in the ledger' },
  'wait stt': { kind: 'internal', interval: 'a run of parts of STT in the ledger' },
  'wait llm': { kind: 'internal', interval: 'a run of parts of the LLM in the ledger' },
  'wait chunk': { kind: 'internal', interval: 'a run of parts of chunking in the ledger' },
  'wait tts': { kind: 'internal', interval: 'a run of parts of TTS in the ledger' },
  'wait deliver': { kind: 'internal', interval: 'a run of parts of delivery in the ledger' },
  blocked: { kind: 'internal', interval: 'our process stood still: below `response` where that held the turn up' },
  stt: { kind: 'client', interval: 'hull of stt.start → stt.done and its exchanges' },
  'http POST': { kind: 'client', interval: 'http.start → http.done or http.failed' },
  'http GET': { kind: 'client', interval: 'http.start → http.done or http.failed' },
  'http PUT': { kind: 'client', interval: 'http.start → http.done or http.failed' },
  'http.queue': { kind: 'internal', interval: 'http.start → a connection is there or begins to be set up' },
  dns: { kind: 'internal', interval: 'name resolution' },
  'tcp.connect': { kind: 'internal', interval: 'socket connect' },
  tls: { kind: 'internal', interval: 'TLS handshake' },
  'http.send': { kind: 'internal', interval: 'connection ready → last request byte' },
  'http.wait': { kind: 'internal', interval: 'last request byte → response headers' },
  'http.body': { kind: 'internal', interval: 'response headers → last body byte' },
  'queue.submit': { kind: 'internal', interval: "fal's queue takes the request" },
  'queue.poll': { kind: 'internal', interval: 'first question for its state → the answer that it is done' },
  'queue.result': { kind: 'internal', interval: "the result, which names the audio's URL" },
  'cdn.get': { kind: 'internal', interval: 'download of the audio' },
  'storage.initiate': { kind: 'internal', interval: "fal's storage names a place for the upload" },
  'storage.put': { kind: 'internal', interval: 'upload to that place' },
  backoff: { kind: 'internal', interval: 'end of a failed attempt → the next one may begin' },
  llm: { kind: 'client', interval: 'hull of llm.start → llm.done and its exchanges' },
  'llm.ttft': { kind: 'internal', interval: 'llm.start → first content delta' },
  chunk: { kind: 'internal', interval: 'first content delta → first piece (hold-back)' },
  tts: { kind: 'client', interval: 'hull of tts.start → tts.done and its exchanges' },
  'tts.ttfb': { kind: 'internal', interval: 'tts.start → first audio byte' },
  apology: { kind: 'internal', interval: 'the turn has failed → an apology that was at hand is handed over' },
  playback: {
    kind: 'internal',
    interval:
      'first audible → just beyond all work; with `RETAKE_TRACE_PLAYBACK=full` → reply end, or the interruption',
  },
  speculation: { kind: 'internal', interval: 'openers are synthesized ahead → it is known whether one was said' },
  hedge: { kind: 'internal', interval: 'the second request is made → the first content of either' },
  prefetch: {
    kind: 'internal',
    interval: 'a prompt or an early reply is asked for ahead → it is known whether it was of use',
  },
  cache: { kind: 'internal', interval: 'a piece is ready → its look-up is answered' },
} as const satisfies Record<string, SpanSpec>;
export type SpanName = keyof typeof SPANS;

/** What happens within a span: on `llm`, the first token and each piece of its text; on `playback`, what happened to the sound. */
export const EVENTS = ['first token', 'piece to TTS', 'pause', 'resume', 'stop', 'stall'] as const;
export type EventName = (typeof EVENTS)[number];

export interface AttributeTypes {
  string: string;
  int: number;
  double: number;
  boolean: boolean;
  'string[]': string[];
}
/** Attributes as spans carry them. */
export type SpanAttributes = Record<string, AttributeTypes[AttributeType]>;
export type AttributeType = keyof AttributeTypes;
export type Unit = 'us' | 'ms' | 's' | 'By' | 'usd' | 'dbfs' | '';
export interface AttributeSpec<Type extends AttributeType = AttributeType> {
  key: string;
  type: Type;
  unit: Unit;
  /**
   * Spans that carry it: a span name, `every`, `call` (stt, llm, tts), `http`, `bet` (speculation, hedge, prefetch, cache),
   * `wait` (waits of `response`), `stage` (waits, and what belongs to a call), `error` (failed work) or `cancelled` (stopped work).
   */
  on: SpanName | 'every' | 'call' | 'http' | 'bet' | 'wait' | 'stage' | 'error' | 'cancelled';
  source: 'semconv' | 'retake';
}

function semconv<Type extends AttributeType>(
  on: AttributeSpec['on'],
  key: string,
  type: Type,
  unit: Unit = '',
): AttributeSpec<Type> {
  return { key, type, unit, on, source: 'semconv' };
}

function ours<Type extends AttributeType>(
  on: AttributeSpec['on'],
  name: string,
  type: Type,
  unit: Unit = '',
): AttributeSpec<Type> {
  return { key: `retake.${name}`, type, unit, on, source: 'retake' };
}

export const ATTRIBUTES = {
  sessionId: semconv('every', 'session.id', 'string'),
  turnIndex: ours('every', 'turn.index', 'int'),
  runId: ours('every', 'run.id', 'string'),
  lane: ours('every', 'lane', 'string'),
  world: ours('every', 'world', 'string'),
  arm: ours('every', 'arm', 'string'),
  variant: ours('every', 'variant', 'string'),
  strategyHash: ours('every', 'strategy.hash', 'string'),
  zero: ours('every', 'zero', 'string'),
  profile: ours('every', 'profile', 'string'),
  interview: ours('every', 'interview', 'string'),

  /** Without status `error`: it failed, and the turn went on. */
  errorType: semconv('error', 'error.type', 'string'),
  /** Why nobody waited any more: `interrupted`, `hedge-lost`, `turn-failed` or `unused`. */
  cancelled: ours('cancelled', 'cancelled', 'string'),
  stage: ours('stage', 'stage', 'string'),
  /** How many runs of its stage a wait holds, with moments of our code between them; absent where it holds one. */
  waitRuns: ours('wait', 'wait.runs', 'int'),

  /** Of the time in which our process stood still: garbage collection, and time on the processor; and what it went to. */
  blockedGcShare: ours('blocked', 'blocked.gc_share', 'double'),
  blockedCpuShare: ours('blocked', 'blocked.cpu_share', 'double'),
  blockedCulprit: ours('blocked', 'blocked.culprit', 'string'),

  /** JSON, for people: `{"stage phase": "0.0 ms", …}`, rounded. `retake.ledger` is the exact one. */
  wait: ours('turn', 'wait', 'string'),
  e2e: ours('turn', 'e2e', 'string'),
  e2eClass: ours('turn', 'e2e_class', 'string'),
  e2eUs: ours('turn', 'e2e_us', 'int', 'us'),
  /** Before the zero: how late our JavaScript read the frame that holds the speech end. Never part of `retake.e2e_us`. */
  readLagUs: ours('turn', 'read_lag_us', 'int', 'us'),
  firstAudioByteUs: ours('turn', 'first_audio_byte_us', 'int', 'us'),
  firstContentAudibleUs: ours('turn', 'first_content_audible_us', 'int', 'us'),
  replyEndUs: ours('turn', 'reply_end_us', 'int', 'us'),
  stallUs: ours('turn', 'stall_us', 'int', 'us'),
  /** JSON: `[[stage, phase, us], …]`, in order of time; the third column adds up to `retake.e2e_us`. */
  ledger: ours('turn', 'ledger', 'string'),
  endpointingServiceUs: ours('turn', 'service.endpointing_us', 'int', 'us'),
  sttServiceUs: ours('turn', 'service.stt_us', 'int', 'us'),
  llmServiceUs: ours('turn', 'service.llm_ttft_us', 'int', 'us'),
  ttsServiceUs: ours('turn', 'service.tts_ttfb_us', 'int', 'us'),
  /** JSON: what was done before it was certain to be needed, and what came of it; `service/turn-log/bets.ts`. */
  bets: ours('turn', 'bets', 'string'),
  /**
   * True above the target, else absent: a store that cannot search one span's duration (badger) finds these. For the
   * response, end to end is compared with `RETAKE_SLOW_MS`, by default the target of the seed-comparable total.
   */
  slowResponse: ours('turn', 'slow.response', 'boolean'),
  slowStt: ours('turn', 'slow.stt', 'boolean'),
  slowLlm: ours('turn', 'slow.llm_ttft', 'boolean'),
  /** The lag of reading is above `RETAKE_READ_LAG_MS`: end to end lacks that much of what the user waited for. */
  readLate: ours('turn', 'read_late', 'boolean'),
  slowTts: ours('turn', 'slow.tts_ttfb', 'boolean'),
  /** True where a connection was set up in the turn, else absent: a search for `tcp.connect` would name one stage's service. */
  newConnection: ours('turn', 'new_connection', 'boolean'),
  premature: ours('turn', 'premature', 'boolean'),
  decision: ours('turn', 'endpointing.decision', 'string'),
  failureStage: ours('turn', 'failure.stage', 'string'),
  /** What the user hears of a failed turn after what was heard of its reply: `apology` or `nothing`. */
  failureHeard: ours('turn', 'failure.heard', 'string'),
  failureMessage: ours('turn', 'failure.message', 'string'),
  modelRequested: ours('turn', 'model.requested', 'string'),
  modelServed: ours('turn', 'model.served', 'string'),
  modelProvider: ours('turn', 'model.provider', 'string'),
  transcriptChars: ours('turn', 'transcript_chars', 'int'),
  cachedPromptShare: ours('turn', 'cached_prompt_share', 'double'),
  replyChars: ours('turn', 'reply_chars', 'int'),
  replyAudioMs: ours('turn', 'reply_audio_ms', 'int', 'ms'),
  reusedFirst: ours('turn', 'reused_first', 'boolean'),
  costUsd: ours('turn', 'cost_usd', 'double', 'usd'),
  characters: ours('turn', 'tts_chars', 'int'),
  /** STT uploads of the turn, and those whose text was not used. */
  uploads: ours('turn', 'stt.uploads', 'int'),
  uploadedBytes: ours('turn', 'stt.uploaded_bytes', 'int', 'By'),
  uploadsWasted: ours('turn', 'stt.uploads_wasted', 'int'),
  wastedBytes: ours('turn', 'stt.wasted_bytes', 'int', 'By'),
  interrupted: ours('turn', 'interrupted', 'boolean'),
  falseInterruptions: ours('turn', 'false_interruptions', 'int'),
  heardMs: ours('turn', 'heard_ms', 'int', 'ms'),
  unheardMs: ours('turn', 'unheard_ms', 'int', 'ms'),
  onsetToLastByteUs: ours('turn', 'onset_to_last_byte_us', 'int', 'us'),
  /** The zero → the user took the floor. */
  interruptedUs: ours('turn', 'interrupted_us', 'int', 'us'),
  /** The trace of the captured turn that this one replays. */
  capturedTraceId: ours('turn', 'captured.trace_id', 'string'),
  spansOmitted: ours('turn', 'spans_omitted', 'int'),

  detector: ours('speech', 'speech.detector', 'string'),
  thresholdDbfs: ours('speech', 'speech.threshold_dbfs', 'double', 'dbfs'),
  stallCount: ours('playback', 'deliver.stalls', 'int'),
  pieceCount: ours('playback', 'deliver.pieces', 'int'),

  /** Start → done on the stage's own clock; the span itself may be longer, it holds its exchanges. */
  serviceUs: ours('call', 'service_us', 'int', 'us'),
  attempts: ours('call', 'attempts', 'int'),
  requestId: ours('call', 'request.id', 'string'),
  model: ours('call', 'model', 'string'),
  method: ours('call', 'method', 'string'),
  audioMs: ours('call', 'audio_ms', 'int', 'ms'),
  chars: ours('call', 'chars', 'int'),
  items: ours('call', 'items', 'int'),
  gapP50Us: ours('call', 'gap.p50_us', 'int', 'us'),
  gapP95Us: ours('call', 'gap.p95_us', 'int', 'us'),
  gapMaxUs: ours('call', 'gap.max_us', 'int', 'us'),

  sttPart: ours('stt', 'stt.part', 'int'),
  sttEarly: ours('stt', 'stt.early', 'boolean'),
  sttLanguage: ours('stt', 'stt.language', 'string'),
  uploadBytes: ours('stt', 'stt.upload_bytes', 'int', 'By'),
  mimeType: ours('stt', 'stt.mime_type', 'string'),

  genAiOperation: semconv('llm', 'gen_ai.operation.name', 'string'),
  genAiProvider: semconv('llm', 'gen_ai.provider.name', 'string'),
  genAiRequestModel: semconv('llm', 'gen_ai.request.model', 'string'),
  genAiStream: semconv('llm', 'gen_ai.request.stream', 'boolean'),
  genAiMaxTokens: semconv('llm', 'gen_ai.request.max_tokens', 'int'),
  genAiTemperature: semconv('llm', 'gen_ai.request.temperature', 'double'),
  genAiOutputType: semconv('llm', 'gen_ai.output.type', 'string'),
  genAiConversationId: semconv('llm', 'gen_ai.conversation.id', 'string'),
  genAiResponseId: semconv('llm', 'gen_ai.response.id', 'string'),
  genAiResponseModel: semconv('llm', 'gen_ai.response.model', 'string'),
  genAiFinishReasons: semconv('llm', 'gen_ai.response.finish_reasons', 'string[]'),
  genAiFirstChunkS: semconv('llm', 'gen_ai.response.time_to_first_chunk', 'double', 's'),
  genAiInputTokens: semconv('llm', 'gen_ai.usage.input_tokens', 'int'),
  genAiOutputTokens: semconv('llm', 'gen_ai.usage.output_tokens', 'int'),
  llmReasoningTokens: ours('llm', 'llm.reasoning_tokens', 'int'),
  llmReasoningDeltas: ours('llm', 'llm.reasoning_deltas', 'int'),
  /** Keep-alive comments of the gateway, which are not content. */
  llmComments: ours('llm', 'llm.comments', 'int'),
  genAiCachedTokens: semconv('llm', 'gen_ai.usage.cache_read.input_tokens', 'int'),
  llmServedProvider: ours('llm', 'llm.served_provider', 'string'),
  llmMessages: ours('llm', 'llm.messages', 'int'),
  llmPromptChars: ours('llm', 'llm.prompt_chars', 'int'),
  llmCostUsd: ours('llm', 'llm.cost_usd', 'double', 'usd'),
  /** OpenRouter's own record of the answer, fetched after the turn (`RETAKE_GENERATION_RECORDS`); times by its clock. */
  recordGatewayMs: ours('llm', 'llm.record.gateway_ms', 'double', 'ms'),
  recordGenerationMs: ours('llm', 'llm.record.generation_ms', 'double', 'ms'),
  recordModerationMs: ours('llm', 'llm.record.moderation_ms', 'double', 'ms'),
  recordProviderMs: ours('llm', 'llm.record.provider_ms', 'double', 'ms'),
  recordProviders: ours('llm', 'llm.record.providers', 'int'),
  recordPromptTokens: ours('llm', 'llm.record.native_prompt_tokens', 'int'),
  recordCompletionTokens: ours('llm', 'llm.record.native_completion_tokens', 'int'),
  recordReasoningTokens: ours('llm', 'llm.record.native_reasoning_tokens', 'int'),
  recordCachedTokens: ours('llm', 'llm.record.native_cached_tokens', 'int'),
  recordCostUsd: ours('llm', 'llm.record.total_cost_usd', 'double', 'usd'),

  ttsPiece: ours('tts', 'tts.piece', 'int'),
  ttsVoice: ours('tts', 'tts.voice', 'string'),
  ttsSpeed: ours('tts', 'tts.speed', 'double'),
  ttsAudioBytes: ours('tts', 'tts.audio_bytes', 'int', 'By'),
  leadingSilenceMs: ours('tts', 'tts.leading_silence_ms', 'int', 'ms'),
  inferenceMs: ours('tts', 'tts.inference_ms', 'int', 'ms'),

  backoffReason: ours('backoff', 'backoff.reason', 'string'),
  backoffWaitMs: ours('backoff', 'backoff.wait_ms', 'int', 'ms'),
  httpMethod: semconv('http', 'http.request.method', 'string'),
  httpStatus: semconv('http', 'http.response.status_code', 'int'),
  /** Origin and path: no query, no credentials. */
  urlFull: semconv('http', 'url.full', 'string'),
  serverAddress: semconv('http', 'server.address', 'string'),
  peerService: semconv('http', 'peer.service', 'string'),
  serverPort: semconv('http', 'server.port', 'int'),
  protocolVersion: semconv('http', 'network.protocol.version', 'string'),
  peerAddress: semconv('http', 'network.peer.address', 'string'),
  requestBytes: semconv('http', 'http.request.body.size', 'int', 'By'),
  responseBytes: semconv('http', 'http.response.body.size', 'int', 'By'),
  /** The region of `network.region` that it was sent to, or `default`; absent where the knob is off. */
  httpRegion: ours('http', 'http.region', 'string'),
  httpReused: ours('http', 'http.reused', 'boolean'),
  /** Who the connection was opened for: `own`, `ahead` of any exchange, or the exchange that paid (see the link). */
  httpPaidBy: ours('http', 'http.paid_by', 'string'),
  httpAttempt: ours('http', 'http.attempt', 'int'),
  httpFetch: ours('http', 'http.fetch', 'int'),
  httpRequestId: ours('http', 'http.request_id', 'string'),
  httpChunks: ours('http', 'http.chunks', 'int'),
  httpComplete: ours('http', 'http.complete', 'boolean'),
  httpDrained: ours('http', 'http.drained', 'boolean'),
  httpSentKnown: ours('http', 'http.sent_known', 'boolean'),
  httpBasis: ours('http', 'http.basis', 'string'),
  httpSetUpBasis: ours('http', 'http.set_up_basis', 'string'),
  /** What the fetch is for, in a call that makes several. */
  httpStep: ours('http', 'http.step', 'string'),
  /** How many fetches one span stands for: a step's, or those of polls beyond the first five. */
  httpCount: ours('http', 'http.count', 'int'),

  /** What was bet on, and what came of it: `service/turn-log/bets.ts`. */
  betKind: ours('bet', 'bet.kind', 'string'),
  betOutcome: ours('bet', 'bet.outcome', 'string'),
  betAttempts: ours('bet', 'bet.attempts', 'int'),
  betSavedUs: ours('bet', 'bet.saved_us', 'int', 'us'),
  betWastedTokens: ours('bet', 'bet.wasted_tokens', 'int'),
  betWastedChars: ours('bet', 'bet.wasted_chars', 'int'),
  betWastedUsd: ours('bet', 'bet.wasted_usd', 'double', 'usd'),
  betEstimated: ours('bet', 'bet.estimated', 'boolean'),
  betReason: ours('bet', 'bet.reason', 'string'),
} as const satisfies Record<string, AttributeSpec>;

export interface MetricSpec {
  name: string;
  help: string;
  labels: readonly string[];
}

/** What `/metrics` of the service says, in Prometheus' base units. */
export const METRICS = {
  turns: { name: 'retake_turns_total', help: 'Finished turns', labels: ['world', 'outcome'] },
  failures: { name: 'retake_turn_failures_total', help: 'Turns that failed', labels: ['stage', 'kind'] },
  premature: { name: 'retake_turns_premature_total', help: 'Turns decided to have ended too early', labels: ['world'] },
  e2e: { name: 'retake_turn_e2e_seconds', help: 'Zero to first audible', labels: ['world', 'zero'] },
  firstAudioByte: {
    name: 'retake_turn_first_audio_byte_seconds',
    help: 'End-of-turn decision to first reply audio byte',
    labels: ['world', 'zero'],
  },
  readLag: {
    name: 'retake_turn_read_lag_seconds',
    help: 'How late the frame with speech end was read: no part of end to end',
    labels: ['world'],
  },
  readLate: {
    name: 'retake_turns_read_late_total',
    help: 'Turns whose speech end was read later than RETAKE_READ_LAG_MS',
    labels: ['world'],
  },
  blocked: {
    name: 'retake_turn_blocked_seconds',
    help: 'Of end to end: our process stood still',
    labels: ['world'],
  },
  stall: { name: 'retake_turn_stall_seconds', help: 'Silence inside replies', labels: ['world'] },
  stage: { name: 'retake_stage_service_seconds', help: 'Service time of a stage', labels: ['stage', 'world'] },
  providerErrors: {
    name: 'retake_provider_errors_total',
    help: 'Exchanges that failed or were answered with an error status',
    labels: ['stage', 'kind'],
  },
  retries: { name: 'retake_provider_retries_total', help: 'Attempts made again', labels: ['stage'] },
  costUsd: { name: 'retake_llm_cost_usd_total', help: 'What the LLM answers said that they cost', labels: [] },
  sessions: { name: 'retake_sessions_open', help: 'Sessions in memory', labels: [] },
  strayErrors: {
    name: 'retake_stray_errors_total',
    help: 'Errors that no code awaited, by what became of them',
    labels: ['outcome'],
  },
  uploadsAbandoned: {
    name: 'retake_uploads_abandoned_total',
    help: 'Requests whose client went away before their end',
    labels: [],
  },
  shed: { name: 'retake_shed_total', help: 'New work refused while overloaded', labels: ['door'] },
  loopDelay: { name: 'retake_event_loop_delay_seconds', help: 'p99 of the last half second', labels: [] },
  pool: { name: 'retake_pool_sockets', help: 'Sockets and requests of a pool', labels: ['origin', 'state'] },
  spoolPending: { name: 'retake_spool_pending_turns', help: 'Turns not yet taken by the endpoint', labels: [] },
  spoolBytes: { name: 'retake_spool_disk_bytes', help: 'The spool on disk, what was sent included', labels: [] },
  spoolTurns: { name: 'retake_spool_turns_total', help: 'Turns that left the spool', labels: ['outcome'] },
  spoolRejected: {
    name: 'retake_spool_rejected_spans_total',
    help: 'Spans left out by the endpoint (partial success)',
    labels: [],
  },
  spoolFailures: { name: 'retake_spool_failures_total', help: 'Attempts to send that are made again', labels: [] },
} as const satisfies Record<string, MetricSpec>;

/** Sets an attribute under its key, as its type. The one place where attributes are written: undefined, NaN and ±∞ are dropped. */
export function put<Type extends AttributeType>(
  into: SpanAttributes,
  spec: AttributeSpec<Type>,
  value: AttributeTypes[Type] | undefined,
): void {
  if (value === undefined) return;
  if (typeof value !== 'number') into[spec.key] = value;
  else if (Number.isFinite(value)) into[spec.key] = spec.type === 'int' ? Math.round(value) : value;
}
