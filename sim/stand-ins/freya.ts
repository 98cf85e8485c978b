/** Stand-in for Freya's STT and TTS on fal. */
import type { HttpResponse } from '../../service/base/ports.ts';
import {
  answer,
  jsonAnswer,
  readObject,
  uploadBytesOf,
  type Answer,
  type ExchangeInfo,
  type Handler,
} from './exchange.ts';
import { falFailure, FREYA_STT_APP, FREYA_TTS_APP, missingField, refusal, requestId, respondOther } from './fal.ts';
import { createFalFiles, createFalQueue, type Synthesis } from './freya-queue.ts';
import {
  sizeOf,
  sizeOfAll,
  type ExchangePlan,
  type Facts,
  type PlannedItem,
  type Planner,
  type SttMethod,
  type TtsMethod,
} from '../times/plan.ts';
import type { Script } from './script.ts';
import { heardIn } from './heard.ts';
import { speechPcm, wavOf } from '../times/speech-audio.ts';
import { uploadedFile } from './upload.ts';

export interface FreyaOptions {
  planner: Planner;
  script: Script;
  /** Base URL of files in answers. */
  cdnUrl: string;
  /** Base URL of the queue in answers. */
  queueUrl: string;
}

export interface FreyaHandlers {
  falRun: Handler;
  falQueue: Handler;
  falRest: Handler;
  falCdn: Handler;
}

/** One handler a host. All four share files and queued requests. */
export function createFreyaStandIn(options: FreyaOptions): FreyaHandlers {
  const { planner, script } = options;
  const files = createFalFiles(planner, options.cdnUrl);
  const synthesis = (info: ExchangeInfo, input: TtsInput, method: TtsMethod, uploadBytes: number): Synthesis => {
    const plan = planner.planOf(info.context, { operation: 'tts', method, uploadBytes, ...input });
    return { plan, pcm: audioOf(plan, input.text) };
  };
  const transcribe = async (
    info: ExchangeInfo,
    audio: Uint8Array,
    method: SttMethod,
    uploadBytes: number,
  ): Promise<HttpResponse> => {
    const heard = await heardIn(audio);
    const facts: Facts = { operation: 'stt', method, audioBytes: audio.length, audioMs: heard.audioMs, uploadBytes };
    const plan = planner.planOf(info.context, facts);
    const headers = { 'x-fal-request-id': requestId(info) };
    return answer(plan, info, jsonAnswer({ text: script.transcript(info.context, heard) }, 200, headers), falFailure);
  };

  const falRun: Handler = async (request, info) => {
    const { pathname } = new URL(request.url);
    const denied = refusal(request);
    if (denied !== undefined) return respondOther(planner, request, info, denied);
    switch (`${request.method} ${pathname}`) {
      case `POST /${FREYA_STT_APP}/audio/transcriptions`: {
        const audio = uploadedFile(request, 'file');
        if (audio === undefined) return respondOther(planner, request, info, missingField('file'));
        return transcribe(info, audio, 'transcriptions', uploadBytesOf(request, audio.length + 700));
      }
      case `POST /${FREYA_STT_APP}/generate`: {
        const body = readObject(request);
        const url = body?.['audio_url'];
        if (typeof url !== 'string') return respondOther(planner, request, info, missingField('audio_url'));
        const audio = files.audioAt(url) ?? new Uint8Array();
        return transcribe(info, audio, 'generate', uploadBytesOf(request, url.length));
      }
      case `POST /${FREYA_TTS_APP}/stream`:
      case `POST /${FREYA_TTS_APP}/audio/speech`: {
        const body = readObject(request);
        const input = ttsInput(body);
        if (input === undefined) return respondOther(planner, request, info, missingField('input'));
        const method = pathname.endsWith('/stream') ? 'stream' : 'speech';
        const { plan, pcm } = synthesis(info, input, method, uploadBytesOf(request, input.text.length + 100));
        const headers = { 'x-fal-request-id': requestId(info) };
        const reply =
          method === 'stream'
            ? streamedSpeech(plan, pcm, headers)
            : wholeSpeech(plan, pcm, headers, body?.['response_format'] === 'pcm');
        return answer(plan, info, reply, falFailure);
      }
      case `POST /${FREYA_TTS_APP}/models`:
      case `POST /${FREYA_STT_APP}/models`: {
        const id = pathname.includes('freya-tts') ? 'freya-tts-v1' : 'freya-stt-v1';
        const model = { id, object: 'model', owned_by: 'freya-ai' };
        return respondOther(planner, request, info, jsonAnswer({ object: 'list', data: [model] }));
      }
      default:
        return respondOther(planner, request, info, jsonAnswer({ detail: 'Not Found' }, 404));
    }
  };
  const falQueue = createFalQueue({
    planner,
    queueUrl: options.queueUrl,
    files,
    synthesize: (body, info, uploadBytes) => {
      const input = ttsInput(body);
      return input === undefined ? undefined : synthesis(info, input, 'generate', uploadBytes);
    },
  });
  return { falRun, falQueue, falRest: files.rest, falCdn: files.cdn };
}

interface TtsInput {
  text: string;
  speed: number;
}

function ttsInput(body: Record<string, unknown> | undefined): TtsInput | undefined {
  const { input, speed } = body ?? {};
  if (typeof input !== 'string' || input.trim() === '') return undefined;
  return {
    text: input,
    speed: typeof speed === 'number' && speed > 0 ? speed : 1,
  };
}

function audioOf(plan: ExchangePlan, text: string): Uint8Array {
  const audioBytes = sizeOfAll(plan.items);
  if (plan.audio?.length === audioBytes) return plan.audio;
  return speechPcm(text, audioBytes, plan.leadingSilenceMs);
}

function streamedSpeech(plan: ExchangePlan, pcm: Uint8Array, headers: Record<string, string>): Answer {
  let at = 0;
  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  return {
    headers: { ...headers, 'content-type': 'text/event-stream' },
    chunk({ kind, parts }: PlannedItem) {
      if (kind === 'tail') {
        return event({ done: true, inference_time_ms: plan.waitUs / 1000, audio_duration_sec: pcm.length / 32_000 });
      }
      const events = parts.map((bytes) => {
        const audio = Buffer.from(pcm.buffer, pcm.byteOffset + at, bytes).toString('base64');
        at += bytes;
        return `data: {"audio":"${audio}"}\n\n`;
      });
      return Buffer.from(events.join(''), 'latin1'); // all ASCII: latin1 copies instead of encoding
    },
  };
}

function wholeSpeech(plan: ExchangePlan, pcm: Uint8Array, headers: Record<string, string>, bare: boolean): Answer {
  const header = bare ? new Uint8Array() : wavOf(pcm).subarray(0, 44);
  let at = 0;
  return {
    headers: {
      ...headers,
      'content-type': bare ? 'audio/pcm' : 'audio/wav',
      'x-inference-time-ms': String(Math.round(plan.waitUs / 1000)),
      'x-audio-duration-sec': String(pcm.length / 32_000),
    },
    chunk(item: PlannedItem, index: number) {
      const bytes = sizeOf(item);
      const part = pcm.subarray(at, at + bytes);
      at += bytes;
      return index === 0 && !bare ? Buffer.concat([header, part]) : part;
    },
  };
}
