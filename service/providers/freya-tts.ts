/** Text to speech: Freya on fal, by `/stream` (fal client) or `/audio/speech` (openai client). PCM16 at 16 kHz. */
import { createFalClient } from '@fal-ai/client';
import OpenAI from 'openai';
import { describeError, StageError, unreachable } from '../errors.ts';
import type { Call, Tts, TtsRequest, TtsResult } from '../ports.ts';
import { asStageError } from './failure.ts';
import { notWithoutACall } from './freya-stt.ts';

export const FREYA_TTS_APP = 'freya-mypsdi253hbk/freya-tts';
/** What Freya's streams carry: mono, 32 bytes a millisecond. */
export const FREYA_TTS_RATE_HZ = 16_000;

interface Config {
  falRunUrl: string;
  falKey: string;
}

export function createFreyaTts(config: Config): Tts {
  const speechClient = new OpenAI({
    apiKey: 'unused',
    baseURL: `${config.falRunUrl}/${FREYA_TTS_APP}`,
    defaultHeaders: { Authorization: `Key ${config.falKey}` },
    maxRetries: 0,
    fetch: notWithoutACall,
  });
  return {
    async synthesize(request, call, onAudio) {
      const what = `Freya TTS /${request.method === 'stream' ? 'stream' : 'audio/speech'}`;
      const samples = wholeSamples(onAudio);
      try {
        const result = await (request.method === 'stream'
          ? byStream(config, request, call, samples.push)
          : request.method === 'speech'
            ? bySpeech(speechClient, request, call, samples.push)
            : unreachable(request.method, 'tts.method'));
        if (samples.bytes() === 0) throw new StageError('tts', 'empty', `${what}: the answer has no audio`);
        return { ...result, audioBytes: samples.bytes(), sampleRateHz: FREYA_TTS_RATE_HZ };
      } catch (error) {
        throw asStageError('tts', what, error, call.signal);
      }
    },
  };
}

type Partial = Omit<TtsResult, 'audioBytes' | 'sampleRateHz'>;

/** `on("data")`, not the iterator: that one sleeps 16 ms after each event. Errors reach `done()` only. */
async function byStream(
  config: Config,
  request: TtsRequest,
  call: Call,
  push: (bytes: Uint8Array) => void,
): Promise<Partial> {
  const fal = createFalClient({
    credentials: config.falKey,
    fetch: call.fetch,
    retry: { maxRetries: 0 },
    requestMiddleware: (each) =>
      Promise.resolve({ ...each, url: each.url.replace('https://fal.run', config.falRunUrl) }),
  });
  const stream = await fal.stream(FREYA_TTS_APP, {
    input: { input: request.text, voice: request.voice, speed: request.speed, response_format: 'pcm' },
    signal: call.signal,
  });
  let result: Partial | undefined;
  const failed = Promise.withResolvers<never>();
  stream.on('data', (data: unknown) => {
    // the client keeps every event for an iterator that nobody runs: two copies of the reply's audio
    const kept: unknown = Reflect.get(stream, 'buffer');
    if (Array.isArray(kept)) kept.length = 0;
    try {
      const event = readStreamEvent(data);
      if (event.audio !== undefined) push(event.audio);
      if (event.done === true) result = event.inferenceMs === undefined ? {} : { inferenceMs: event.inferenceMs };
    } catch (error) {
      failed.reject(error);
      stream.abort();
    }
  });
  await Promise.race([stream.done(), failed.promise]);
  if (call.signal.aborted) throw call.signal.reason;
  if (result === undefined) throw new StageError('tts', 'malformed', 'Freya TTS /stream ended without its done event');
  return { ...result, ...(stream.requestId === null ? {} : { requestId: stream.requestId }) };
}

function readStreamEvent(data: unknown): { audio?: Uint8Array; done?: boolean; inferenceMs?: number } {
  if (typeof data !== 'object' || data === null || data instanceof Uint8Array) {
    throw new StageError(
      'tts',
      'malformed',
      'Freya TTS /stream answered with something other than server-sent JSON events',
    );
  }
  if ('error' in data)
    throw new StageError('tts', 'provider', `Freya TTS /stream: ${describeError(messageOf(data.error))}`);
  if ('audio' in data && typeof data.audio === 'string') return { audio: Buffer.from(data.audio, 'base64') };
  if ('done' in data && data.done === true) {
    return {
      done: true,
      ...('inference_time_ms' in data && typeof data.inference_time_ms === 'number'
        ? { inferenceMs: data.inference_time_ms }
        : {}),
    };
  }
  return {};
}

async function bySpeech(
  client: OpenAI,
  request: TtsRequest,
  call: Call,
  push: (bytes: Uint8Array) => void,
): Promise<Partial> {
  const response = await client
    .withOptions({ fetch: call.fetch })
    .audio.speech.create(
      { model: 'freya-tts', input: request.text, voice: request.voice, speed: request.speed, response_format: 'pcm' },
      { signal: call.signal },
    );
  if (response.body === null) throw new StageError('tts', 'empty', 'Freya TTS /audio/speech: the answer has no body');
  const type = response.headers.get('content-type') ?? '';
  if (/json|html|text/.test(type)) {
    throw new StageError(
      'tts',
      'malformed',
      `Freya TTS /audio/speech answered with ${describeError(type, 60)} instead of audio`,
    );
  }
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    push(value);
  }
  const inferenceMs = Number(response.headers.get('x-inference-time-ms') ?? Number.NaN);
  const requestId = response.headers.get('x-fal-request-id');
  return { ...(Number.isFinite(inferenceMs) ? { inferenceMs } : {}), ...(requestId === null ? {} : { requestId }) };
}

/** Network chunks may cut a 16-bit sample in two. */
function wholeSamples(onAudio: (pcm: Uint8Array) => void): { push(bytes: Uint8Array): void; bytes(): number } {
  let odd: number | undefined;
  let total = 0;
  return {
    bytes: () => total,
    push(bytes) {
      const joined = odd === undefined ? bytes : concat(odd, bytes);
      const even = joined.byteLength - (joined.byteLength % 2);
      odd = even < joined.byteLength ? joined[even] : undefined;
      if (even === 0) return;
      total += even;
      onAudio(joined.subarray(0, even));
    },
  };
}

function concat(first: number, rest: Uint8Array): Uint8Array {
  const joined = new Uint8Array(rest.byteLength + 1);
  joined[0] = first;
  joined.set(rest, 1);
  return joined;
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
