/** Text to speech: Freya on fal, by `/stream`, `/audio/speech` or the queue's `/generate`. */
import { createFalClient } from '@fal-ai/client';
import type OpenAI from 'openai';
import { describeError, StageError, unreachable } from '../base/errors.ts';
import type { Call, Tts, TtsRequest, TtsResult } from '../base/ports.ts';
import { eventsOnly } from './events-only.ts';
import { asStageError, successful } from './failure.ts';
import { synthesizeByQueue, type FreyaQueueConfig } from './freya-queue.ts';
import { errorIn, readJson } from './json.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import { falAppClient, inCall } from './openai-call.ts';
import { parseEvent, readEvents } from './sse.ts';
import { wavStream } from './wav-stream.ts';

export const FREYA_TTS_APP = 'freya-mypsdi253hbk/freya-tts';
export const FREYA_TTS_MODEL = 'freya-tts';
export const FREYA_TTS_RATE_HZ = 16_000;

interface Config extends FreyaQueueConfig {
  falRunUrl: string;
  /** Keys of all providers: none may stand in an error. */
  keys: readonly string[];
}

const PATHS: Readonly<Record<TtsRequest['method'], string>> = {
  stream: '/stream',
  speech: '/audio/speech',
  generate: '/generate',
};

export function createFreyaTts(config: Config): Tts {
  const speechClient = falAppClient(config, FREYA_TTS_APP);
  const ask = (request: TtsRequest, call: Call, push: (bytes: Uint8Array) => void): Promise<Partial> => {
    switch (request.method) {
      case 'stream':
        return request.sse === 'sdk' ? byFalStream(config, request, call, push) : byParser(config, request, call, push);
      case 'speech':
        return bySpeech(speechClient, request, call, push);
      case 'generate':
        return synthesizeByQueue(config, { app: FREYA_TTS_APP, rateHz: FREYA_TTS_RATE_HZ }, request, call, push);
      default:
        return unreachable(request.method, 'tts.method');
    }
  };
  return {
    model: FREYA_TTS_MODEL,
    sampleRateHz: FREYA_TTS_RATE_HZ,
    async synthesize(request, call, onAudio) {
      const what = `Freya TTS ${PATHS[request.method]}`;
      const limitBytes = audioLimitBytes(request);
      let bytes = 0;
      const samples = uncutSamples((pcm) => {
        bytes += pcm.byteLength;
        if (bytes > limitBytes) {
          throw new StageError(
            'tts',
            'oversized',
            `${what}: more audio than ${request.text.length} characters can take`,
          );
        }
        call.content();
        onAudio(pcm);
      });
      try {
        const result = await ask(request, call, samples.push);
        if (samples.bytes() === 0) throw new StageError('tts', 'empty', `${what}: the answer has no audio`);
        return { ...result, audioBytes: samples.bytes() };
      } catch (error) {
        throw asStageError('tts', what, error, call, { keys: config.keys, contents: [request.text] });
      }
    },
  };
}

/** Half a second a character and ten seconds more: several times slower than the slowest speech. */
function audioLimitBytes({ text, speed }: TtsRequest): number {
  return Math.round(((10_000 + 500 * text.length) / Math.min(1, speed)) * 2 * (FREYA_TTS_RATE_HZ / 1000));
}

type Partial = Omit<TtsResult, 'audioBytes'>;

/** By `on("data")`: the iterator sleeps 16 ms after each event. Errors reach `done()` only. */
async function byFalStream(
  config: Config,
  request: TtsRequest,
  call: Call,
  push: (bytes: Uint8Array) => void,
): Promise<Partial> {
  const failed = Promise.withResolvers<never>();
  const fetch = eventsOnly(call.fetch, () => {
    const error = notEvents();
    failed.reject(error); // the client would make an error of its own kind of it
    return error;
  });
  const fal = createFalClient({
    credentials: config.falKey,
    fetch,
    retry: { maxRetries: 0 },
    requestMiddleware: (each) =>
      Promise.resolve({ ...each, url: each.url.replace('https://fal.run', config.falRunUrl) }),
  });
  const stream = await fal.stream(FREYA_TTS_APP, { input: streamInput(request), signal: call.signal });
  let result: Partial | undefined;
  stream.on('data', (data: unknown) => {
    // the client keeps all events for an iterator that nobody runs: two copies of the reply's audio
    const kept: unknown = Reflect.get(stream, 'buffer');
    if (Array.isArray(kept)) kept.length = 0;
    try {
      const event = readStreamEvent(data);
      if (event.audio !== undefined) push(event.audio);
      if (event.done === true) result = { inferenceMs: event.inferenceMs };
    } catch (error) {
      failed.reject(error);
      stream.abort();
    }
  });
  await Promise.race([stream.done(), failed.promise]);
  if (call.signal.aborted) throw call.signal.reason;
  if (result === undefined) throw new StageError('tts', 'malformed', 'Freya TTS /stream ended without its done event');
  return { ...result, requestId: stream.requestId ?? undefined };
}

/** The same events off the raw body, read to its end as the fal client does. */
async function byParser(
  config: Config,
  request: TtsRequest,
  call: Call,
  push: (bytes: Uint8Array) => void,
): Promise<Partial> {
  const what = 'Freya TTS /stream';
  const response = await successful(
    await call.send(`${config.falRunUrl}/${FREYA_TTS_APP}/stream`, {
      method: 'POST',
      headers: {
        authorization: `Key ${config.falKey}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify(streamInput(request)),
      signal: call.signal,
    }),
  );
  let result: Partial | undefined;
  await readEvents(response, what, 'tts', {
    data(text) {
      const event = readStreamEvent(parseEvent(text, what, 'tts'));
      if (event.audio !== undefined) push(event.audio);
      if (event.done === true) result = { inferenceMs: event.inferenceMs };
      return false;
    },
  });
  call.signal.throwIfAborted();
  if (result === undefined) throw new StageError('tts', 'malformed', `${what} ended without its done event`);
  const requestId = response.headers.get('x-fal-request-id')?.slice(0, 200);
  return { ...result, requestId };
}

function streamInput({ text, voice, speed }: TtsRequest): Record<string, unknown> {
  return { input: text, voice, speed, response_format: 'pcm' };
}

function notEvents(): StageError {
  const message = 'Freya TTS /stream answered with something other than server-sent JSON events';
  return new StageError('tts', 'malformed', message);
}

function readStreamEvent(data: unknown): { audio?: Uint8Array; done?: boolean; inferenceMs?: number } {
  if (typeof data !== 'object' || data === null) throw notEvents();
  const failed = errorIn(data);
  if (failed !== undefined) throw new StageError('tts', 'provider', `Freya TTS /stream: ${describeError(failed)}`);
  const audio = textIn(data, 'audio');
  if (audio !== undefined) return { audio: Buffer.from(audio, 'base64') };
  if (fieldOf(data, 'done') !== true) return {};
  const inferenceMs = numberIn(data, 'inference_time_ms');
  return { done: true, inferenceMs };
}

async function bySpeech(
  client: OpenAI,
  request: TtsRequest,
  call: Call,
  push: (bytes: Uint8Array) => void,
): Promise<Partial> {
  // the raw response: for a 204 the client resolves with null
  const response = await client.audio.speech
    .create(
      {
        model: FREYA_TTS_MODEL,
        input: request.text,
        voice: request.voice,
        speed: request.speed,
        response_format: request.format === 'wav' ? 'wav' : 'pcm',
      },
      inCall(call),
    )
    .asResponse();
  if (response.body === null) throw new StageError('tts', 'empty', 'Freya TTS /audio/speech: the answer has no body');
  const type = response.headers.get('content-type') ?? '';
  if (/json/.test(type)) {
    const failed = errorIn(await readJson(response, 'Freya TTS /audio/speech', 'tts'));
    if (failed !== undefined)
      throw new StageError('tts', 'provider', `Freya TTS /audio/speech: ${describeError(failed)}`);
  }
  if (/json|html|text/.test(type)) {
    throw new StageError(
      'tts',
      'malformed',
      `Freya TTS /audio/speech answered with ${describeError(type, 60)} instead of audio`,
    );
  }
  const wav = request.format === 'wav' ? wavStream('Freya TTS /audio/speech', FREYA_TTS_RATE_HZ, push) : undefined;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (wav === undefined) push(value);
    else wav.push(value);
  }
  call.signal.throwIfAborted();
  wav?.end();
  const inferenceMs = Number(response.headers.get('x-inference-time-ms') ?? Number.NaN);
  return {
    inferenceMs: Number.isFinite(inferenceMs) ? inferenceMs : undefined,
    requestId: response.headers.get('x-fal-request-id') ?? undefined,
  };
}

/** Network chunks may cut a 16-bit sample in two: its first byte waits for the next chunk. */
function uncutSamples(onAudio: (pcm: Uint8Array) => void): { push(bytes: Uint8Array): void; bytes(): number } {
  let odd: number | undefined;
  let total = 0;
  return {
    bytes: () => total,
    push(bytes) {
      const joined = odd === undefined ? bytes : Buffer.concat([Uint8Array.of(odd), bytes]);
      const even = joined.byteLength - (joined.byteLength % 2);
      odd = even < joined.byteLength ? joined[even] : undefined;
      if (even === 0) return;
      total += even;
      onAudio(joined.subarray(0, even));
    },
  };
}
