/** Stand-in for fal's queue, storage and CDN. `generate` takes a submit, polls, a result and a download. */
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
import { falFailure, FREYA_TTS_APP, missingField, refusal, requestId, respondOther } from './fal.ts';
import type { ExchangePlan, Planner, PlannedItem } from '../times/plan.ts';
import { wavOf } from '../times/speech-audio.ts';

const KEPT_FILES = 1000;

export interface FalFiles {
  rest: Handler;
  cdn: Handler;
  /** Returns the URL of the stored bytes. */
  store(name: string, bytes: Uint8Array): string;
  audioAt(url: string): Uint8Array | undefined;
}

/** fal's storage: `initiate` on the rest host, PUT and GET on the CDN. Memory holds the last 1,000 files. */
export function createFalFiles(planner: Planner, cdnUrl: string): FalFiles {
  const files = new Map<string, Uint8Array>();
  let uploads = 0;
  const store = (name: string, bytes: Uint8Array): string => {
    files.set(name, bytes);
    const oldest = files.keys().next().value;
    if (files.size > KEPT_FILES && oldest !== undefined) files.delete(oldest);
    return `${cdnUrl}/files/${name}`;
  };
  const nameIn = (url: string): string => new URL(url).pathname.replace(/^\/files\//, '');

  const rest: Handler = async (request, info) => {
    const denied = refusal(request);
    if (denied !== undefined) return respondOther(planner, request, info, denied);
    if (request.method !== 'POST' || new URL(request.url).pathname !== '/storage/upload/initiate') {
      return respondOther(planner, request, info, jsonAnswer({ detail: 'Not Found' }, 404));
    }
    const body = readObject(request);
    const fileName = body?.['file_name'];
    if (typeof fileName !== 'string') return respondOther(planner, request, info, missingField('file_name'));
    const url = `${cdnUrl}/files/${uploads++}-${encodeURIComponent(fileName)}`;
    return respondOther(planner, request, info, jsonAnswer({ upload_url: url, file_url: url }), 'storageMs');
  };

  const cdn: Handler = async (request, info) => {
    const name = nameIn(request.url);
    if (request.method === 'PUT') {
      const bytes = request.body ?? new Uint8Array();
      store(name, bytes);
      const uploadBytes = uploadBytesOf(request, bytes.length);
      const plan = planner.planOf(info.context, { operation: 'other', figure: 'storageMs', uploadBytes });
      return answer(plan, info, jsonAnswer({}), falFailure);
    }
    const bytes = files.get(name);
    if (bytes === undefined) return respondOther(planner, request, info, jsonAnswer({ detail: 'Not Found' }, 404));
    const reply: Answer = {
      headers: {
        'content-type': name.endsWith('.pcm') ? 'audio/pcm' : 'audio/wav',
        'content-length': String(bytes.length),
      },
      chunk: ({ kind }: PlannedItem) => (kind === 'tail' ? bytes : ''),
    };
    return respondOther(planner, request, info, reply, 'cdnMs');
  };
  return { rest, cdn, store, audioAt: (url) => (URL.canParse(url) ? files.get(nameIn(url)) : undefined) };
}

/** Reply audio and its times. */
export interface Synthesis {
  plan: ExchangePlan;
  pcm: Uint8Array;
}

interface Queued {
  startUs: number;
  doneUs: number;
  synthesis: Synthesis;
  /** The client asked for PCM without a WAV header. */
  bare: boolean;
  cancelled: boolean;
}

export interface FalQueueOptions {
  planner: Planner;
  queueUrl: string;
  files: FalFiles;
  /** Undefined when the input cannot be spoken. */
  synthesize(body: Record<string, unknown> | undefined, info: ExchangeInfo, uploadBytes: number): Synthesis | undefined;
}

/** fal's queue for `freya-tts/generate`. A request runs for as long as its plan waits and sends. */
export function createFalQueue({ planner, queueUrl, files, synthesize }: FalQueueOptions): Handler {
  const queued = new Map<string, Queued>();
  const statusOf = (id: string, entry: Queued, nowUs: number): Record<string, unknown> => {
    const status = nowUs < entry.startUs ? 'IN_QUEUE' : nowUs < entry.doneUs ? 'IN_PROGRESS' : 'COMPLETED';
    const inference_time = (entry.doneUs - entry.startUs) / 1e6;
    return {
      status,
      request_id: id,
      ...urlsOf(id),
      ...(status === 'IN_QUEUE' ? { queue_position: 0 } : {}),
      ...(status === 'COMPLETED' ? { metrics: { inference_time }, logs: [] } : {}),
    };
  };
  const urlsOf = (id: string): Record<string, string> => {
    const base = `${queueUrl}/${FREYA_TTS_APP}/requests/${id}`;
    return { response_url: base, status_url: `${base}/status`, cancel_url: `${base}/cancel` };
  };

  return async (request, info) => {
    const { clock } = info;
    const other = (reply: Answer): Promise<HttpResponse> =>
      respondOther(planner, request, info, reply, 'queueStatusMs');
    const denied = refusal(request);
    if (denied !== undefined) return other(denied);
    const { pathname } = new URL(request.url);

    if (request.method === 'POST' && pathname === `/${FREYA_TTS_APP}/generate`) {
      const body = readObject(request);
      const synthesis = synthesize(body, info, uploadBytesOf(request, 300));
      if (synthesis === undefined) return other(missingField('input'));
      const id = requestId(info);
      const submitted = jsonAnswer({ request_id: id, status: 'IN_QUEUE', queue_position: 0, ...urlsOf(id) });
      const response = await respondOther(planner, request, info, submitted, 'queueSubmitMs');
      const sendUs = synthesis.plan.items.reduce((sum, { gapUs }) => sum + gapUs, 0);
      const startUs = clock.nowUs() + (synthesis.plan.queueUs ?? 0);
      const bare = body?.['response_format'] === 'pcm';
      queued.set(id, { startUs, doneUs: startUs + synthesis.plan.waitUs + sendUs, synthesis, bare, cancelled: false });
      return response;
    }

    const [, id = '', action = ''] = /^\/[^/]+\/[^/]+\/requests\/([^/]+)(\/.*)?$/.exec(pathname) ?? [];
    const entry = queued.get(id);
    if (entry === undefined) return other(jsonAnswer({ status: 'NOT_FOUND' }, 404));
    switch (`${request.method} ${action}`) {
      case 'GET /status': {
        const status = statusOf(id, entry, clock.nowUs());
        return other(jsonAnswer(status, status['status'] === 'COMPLETED' ? 200 : 202));
      }
      case 'GET /status/stream': {
        const plan = planner.planOf(info.context, { operation: 'other', figure: 'queueStatusMs', uploadBytes: 400 });
        const untilDoneUs = Math.max(0, entry.doneUs - clock.nowUs() - plan.waitUs);
        const items: PlannedItem[] = [
          ...(untilDoneUs > 0 ? [{ gapUs: 0, kind: 'data' as const, parts: [] }] : []),
          { gapUs: untilDoneUs, kind: 'tail', parts: [] },
        ];
        const chunk = ({ kind }: PlannedItem): string => {
          const atUs = kind === 'tail' ? entry.doneUs : Math.min(clock.nowUs(), entry.doneUs - 1);
          return `data: ${JSON.stringify(statusOf(id, entry, atUs))}\n\n`;
        };
        return answer(
          { ...plan, items },
          info,
          { headers: { 'content-type': 'text/event-stream' }, chunk },
          falFailure,
        );
      }
      case 'PUT /cancel': {
        const late = clock.nowUs() >= entry.doneUs;
        entry.cancelled ||= !late;
        return other(
          late
            ? jsonAnswer({ status: 'ALREADY_COMPLETED' }, 400)
            : jsonAnswer({ status: 'CANCELLATION_REQUESTED' }, 202),
        );
      }
      case 'GET ': {
        if (entry.cancelled) return other(jsonAnswer({ detail: 'Request was cancelled' }, 499));
        if (clock.nowUs() < entry.doneUs) return other(jsonAnswer({ detail: 'Request is still in progress' }, 400));
        const { bare, synthesis } = entry;
        const bytes = bare ? synthesis.pcm : wavOf(synthesis.pcm);
        const file_name = `${id}.${bare ? 'pcm' : 'wav'}`;
        const url = files.store(file_name, bytes);
        const audio = { url, content_type: bare ? 'audio/pcm' : 'audio/wav', file_name, file_size: bytes.length };
        const inference_time_ms = entry.synthesis.plan.waitUs / 1000;
        const audio_duration_sec = entry.synthesis.pcm.length / 32_000;
        return other(jsonAnswer({ audio, inference_time_ms, audio_duration_sec }));
      }
      default:
        return other(jsonAnswer({ detail: 'Method Not Allowed' }, 405));
    }
  };
}
