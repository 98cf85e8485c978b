/** Hand-made turns, small enough to check by eye, for tests of spans, metrics and captures. */
import { measureTurn, type MeasuredTurn } from '../service/turn-log/metrics.ts';
import type { EventKind, NewEvent, Stage, TurnEvent, TurnIdentity, TurnLog, ZeroKind } from '../service/base/events.ts';
import { createRecorder } from '../service/turn-log/recorder.ts';

/** The first turn of session `s` in virtual time, but for what a test says. */
export function sampleIdentity(more: Partial<TurnIdentity> = {}): TurnIdentity {
  return {
    sessionId: 's',
    turnIndex: 0,
    traceId: '1'.repeat(32),
    runId: 'r',
    world: 'sim',
    lane: 'captured',
    variant: 'captured',
    arm: 'a',
    strategyHash: 'h',
    ...more,
  };
}

/** Of the turns below: a replayed one. */
const IDENTITY = sampleIdentity({
  sessionId: 'session-1',
  turnIndex: 2,
  traceId: '0af7651916cd43dd8448eb211c80319c',
  runId: 'run-1',
  lane: 'candidate',
  variant: 'baseline',
  strategyHash: 'abcd',
  profile: 'seed',
});

/** Writes a log, event by event, at given times: `at(kind, stage, atUs, cause, more)` returns the id. */
export function writeTurn(
  zero: ZeroKind,
  write: (
    at: (kind: EventKind, stage: Stage, atUs: number, cause?: number, more?: Partial<NewEvent>) => number,
  ) => void,
  identity: Partial<TurnIdentity> = {},
): { log: TurnLog; measured: MeasuredTurn } {
  const clock = { nowUs: () => 0 };
  const recorder = createRecorder(clock, [], (error) => {
    throw error;
  });
  write((kind, stage, atUs, cause, more) => recorder.record({ kind, stage, atUs, cause, ...more }));
  const events: readonly TurnEvent[] = recorder.events;
  const log = { identity: { ...IDENTITY, ...identity }, zero, anchorUs: 1_780_000_000_123_457, events };
  return { log, measured: measureTurn(log) };
}

type At = Parameters<Parameters<typeof writeTurn>[1]>[0];

/** One exchange from `startUs` on, every phase 1 ms longer than the one before; returns the last chunk and the end. */
function exchange(at: At, id: string, startUs: number, cause: number): { chunk: number; chunkUs: number } {
  const stage: Stage = id.startsWith('stt') ? 'stt' : id.startsWith('llm') ? 'llm' : 'tts';
  const more = { exchange: id };
  const url = `https://user:secret@${stage}.example:8443/v1/${stage}?key=secret`;
  let last = at('http.start', stage, startUs, cause, { ...more, attrs: { method: 'POST', url, attempt: 0 } });
  last = at('http.queued', stage, startUs + 1000, last, {
    ...more,
    attrs: { reused: false, protocol: '1.1', peerAddress: '192.0.2.1' },
  });
  last = at('http.dns', stage, startUs + 3000, last, more);
  last = at('http.connected', stage, startUs + 6000, last, more);
  last = at('http.tls', stage, startUs + 10_000, last, more);
  last = at('http.sent', stage, startUs + 15_000, last, { ...more, attrs: { requestBytes: 640, known: true } });
  last = at('http.headers', stage, startUs + 21_000, last, { ...more, attrs: { status: 200 } });
  last = at('http.chunk', stage, startUs + 28_000, last, { ...more, attrs: { index: 0, bytes: 100 } });
  at('http.done', stage, startUs + 36_000, last, {
    ...more,
    attrs: { responseBytes: 100, chunkUs: [startUs + 28_000], chunkBytes: [100], complete: true, drained: true },
  });
  return { chunk: last, chunkUs: startUs + 28_000 };
}

/** A turn as it should go: one STT upload, one LLM stream, one piece. `more` writes further events. */
export function wholeTurn(
  identity: Partial<TurnIdentity> = {},
  more: (at: At) => void = () => undefined,
): { log: TurnLog; measured: MeasuredTurn } {
  const write = (at: At): void => {
    writeWholeTurn(at);
    more(at);
  };
  return writeTurn('audio', write, identity);
}

function writeWholeTurn(at: At): void {
  const start = at('speech.start', 'endpointing', 0);
  const quiet = at('speech.quiet', 'endpointing', 1_020_000, start);
  const ended = at('turn.ended', 'endpointing', 1_500_000, quiet, { attrs: { decision: 'vad', audioMs: 1500 } });
  const stt = at('stt.start', 'stt', 1_500_100, ended, {
    exchange: 'stt.0',
    attrs: { model: 'freya', method: 'transcriptions', language: 'tr', audioMs: 1500, uploadBytes: 48044 },
  });
  const upload = exchange(at, 'stt.0.0.0', 1_500_200, stt);
  const text = at('stt.done', 'stt', 1_528_300, upload.chunk, {
    exchange: 'stt.0',
    attrs: { chars: 12, requestId: 'req-1' },
    content: { text: 'secret words' },
  });
  const llm = at('llm.start', 'llm', 1_528_400, text, {
    exchange: 'llm.0',
    attrs: { model: 'google/gemini-2.5-flash', maxTokens: 500, temperature: 0.7, messages: 4, promptChars: 900 },
  });
  const stream = exchange(at, 'llm.0.0.0', 1_528_500, llm);
  const delta = at('llm.content', 'llm', 1_556_600, stream.chunk, { exchange: 'llm.0', attrs: { index: 0, chars: 9 } });
  at('llm.done', 'llm', 1_556_700, stream.chunk, {
    exchange: 'llm.0',
    attrs: {
      chars: 9,
      deltas: 3,
      itemUs: [1_556_600, 1_556_650, 1_556_690],
      itemChars: [3, 3, 3],
      servedModel: 'google/gemini-2.5-flash-001',
      servedProvider: 'Google',
      finishReason: 'stop',
      promptTokens: 300,
      completionTokens: 3,
      costUsd: 0.00012,
    },
  });
  const piece = at('piece.ready', 'chunk', 1_556_600, delta, { attrs: { index: 0, chars: 9 } });
  const tts = at('tts.start', 'tts', 1_556_800, piece, {
    exchange: 'tts.0',
    attrs: { index: 0, method: 'stream', voice: 'zeynep', speed: 1, chars: 9, model: 'freya-tts' },
  });
  const voice = exchange(at, 'tts.0.0.0', 1_556_900, tts);
  const audio = at('tts.audio', 'tts', 1_585_000, voice.chunk, { exchange: 'tts.0', attrs: { index: 0, bytes: 100 } });
  at('tts.done', 'tts', 1_593_000, audio, {
    exchange: 'tts.0',
    attrs: { index: 0, bytes: 100, audioMs: 400, itemUs: [1_585_000], itemBytes: [100], leadingSilenceMs: 20 },
  });
  const byte = at('deliver.first_byte', 'deliver', 1_585_100, audio, { attrs: { bytes: 100 } });
  at('deliver.first_audible', 'deliver', 1_605_100, byte);
  at('speech.end', 'endpointing', 1_000_000, undefined, { attrs: { detector: 'retake-energy@1', thresholdDbfs: -45 } });
  const end = at('deliver.reply_end', 'deliver', 1_985_100, byte, { attrs: { stallUs: 0, stalls: [] } });
  at('turn.done', 'deliver', 1_985_100, end, {});
}

/** A turn whose second STT attempt fails too. */
export function failedTurn(): { log: TurnLog; measured: MeasuredTurn } {
  return writeTurn('upload', (at) => {
    const start = at('speech.start', 'endpointing', 0);
    const end = at('client.end', 'endpointing', 100, start);
    const ended = at('turn.ended', 'endpointing', 100, end, { attrs: { decision: 'upload', audioMs: 1500 } });
    const stt = at('stt.start', 'stt', 200, ended, { exchange: 'stt.0', attrs: { model: 'freya' } });
    const url = 'http://stt.example/v1';
    const start0 = at('http.start', 'stt', 300, stt, { exchange: 'stt.0.0.0', attrs: { method: 'POST', url } });
    const queued = at('http.queued', 'stt', 400, start0, { exchange: 'stt.0.0.0', attrs: { reused: false } });
    const refused = at('http.failed', 'stt', 900, queued, {
      exchange: 'stt.0.0.0',
      attrs: { errorKind: 'unreachable', message: 'connection refused' },
    });
    const again = at('retry.wait', 'stt', 1900, refused, { attrs: { attempt: 1, reason: 'unreachable' } });
    const start1 = at('http.start', 'stt', 2000, again, { exchange: 'stt.0.1.0', attrs: { method: 'POST', url } });
    const lost = at('http.failed', 'stt', 2500, start1, {
      exchange: 'stt.0.1.0',
      attrs: { errorKind: 'unreachable', message: 'connection refused' },
    });
    at('turn.failed', 'stt', 2600, lost, {
      attrs: { errorStage: 'stt', errorKind: 'unreachable', retryable: true, message: 'STT cannot be reached' },
    });
  });
}
