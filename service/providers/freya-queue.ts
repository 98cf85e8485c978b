/** Freya's `/generate` by fal's queue: submit, ask until done, fetch the result, download the audio. */
import { describeError, StageError } from '../base/errors.ts';
import type { Call, TtsRequest } from '../base/ports.ts';
import { successful } from './failure.ts';
import { downloadFile, type FalFilesConfig } from './fal-files.ts';
import { errorIn, readJson } from './json.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import { parseEvent, readEvents } from './sse.ts';
import { wavStream } from './wav-stream.ts';

export interface FreyaQueueConfig extends FalFilesConfig {
  falQueueUrl: string;
}

const WHAT = 'Freya TTS /generate';
/** Ids go into URLs. */
const REQUEST_ID = /^[\w-]{1,100}$/;

/**
 * Synthesizes one piece; `push` gets PCM16 while it is downloaded. The queue's URLs are built here, as fal's client
 * does: no URL of an answer ever gets the key.
 */
export async function synthesizeByQueue(
  config: FreyaQueueConfig,
  { app, rateHz }: { app: string; rateHz: number },
  request: TtsRequest,
  call: Call,
  push: (pcm: Uint8Array) => void,
): Promise<{ requestId: string; inferenceMs?: number }> {
  const { signal } = call;
  const headers = { authorization: `Key ${config.falKey}`, accept: 'application/json' };
  const base = `${config.falQueueUrl}/${app}`;
  const submitted = await successful(
    await call.fetchFor('queue.submit')(`${base}/generate`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'x-fal-queue-priority': 'normal' },
      body: JSON.stringify({
        input: request.text,
        voice: request.voice,
        speed: request.speed,
        response_format: request.format === 'pcm' ? 'pcm' : 'wav',
      }),
      signal,
    }),
  );
  const requestId = textIn(await readJson(submitted, WHAT, 'tts'), 'request_id') ?? '';
  if (!REQUEST_ID.test(requestId)) throw new StageError('tts', 'malformed', `${WHAT}: the queue gave no request id`);
  const entry = `${base}/requests/${requestId}`;
  if (request.queue.status === 'stream') await followStates(`${entry}/status/stream?logs=0`, headers, call);
  else await pollStates(`${entry}/status?logs=0`, headers, request.queue.pollMs, call);
  const answered = await successful(await call.fetchFor('queue.result')(entry, { headers, signal }));
  const result = await readJson(answered, WHAT, 'tts');
  const failed = errorIn(result);
  if (failed !== undefined) throw new StageError('tts', 'provider', `${WHAT}: ${describeError(failed)}`);
  const url = textIn(fieldOf(result, 'audio'), 'url');
  if (url === undefined) throw new StageError('tts', 'malformed', `${WHAT}: the result has no audio URL`);
  const file = await downloadFile(config, call, 'tts', url);
  await readAudio(file, request.format === 'pcm' ? bare(push) : wavStream(WHAT, rateHz, push), call);
  const inferenceMs = numberIn(result, 'inference_time_ms');
  return { requestId, inferenceMs };
}

/** Throws for a state from which the request never completes. */
function isDone(state: unknown): boolean {
  const status = textIn(state, 'status') ?? 'nothing';
  switch (status) {
    case 'COMPLETED': {
      const error = textIn(state, 'error');
      if (error !== undefined) throw new StageError('tts', 'provider', `${WHAT}: ${describeError(error)}`);
      return true;
    }
    case 'IN_QUEUE':
    case 'IN_PROGRESS':
      return false;
    default:
      throw new StageError('tts', 'malformed', `${WHAT}: the queue says status ${describeError(status, 40)}`);
  }
}

async function pollStates(url: string, headers: Record<string, string>, pollMs: number, call: Call): Promise<void> {
  for (;;) {
    const response = await successful(await call.fetchFor('queue.poll')(url, { headers, signal: call.signal }));
    if (isDone(await readJson(response, WHAT, 'tts'))) return;
    await call.pause(pollMs);
  }
}

async function followStates(url: string, headers: Record<string, string>, call: Call): Promise<void> {
  const accept = 'text/event-stream';
  const response = await successful(
    await call.fetchFor('queue.poll')(url, { headers: { ...headers, accept }, signal: call.signal }),
  );
  let done = false;
  await readEvents(response, WHAT, 'tts', {
    data(text) {
      done = isDone(parseEvent(text, WHAT, 'tts'));
      return done;
    },
  });
  if (!done) throw new StageError('tts', 'malformed', `${WHAT}: the queue's states ended before COMPLETED`);
}

/** PCM without a header. */
function bare(push: (pcm: Uint8Array) => void): ReturnType<typeof wavStream> {
  return { push, end: () => undefined };
}

async function readAudio(response: Response, audio: ReturnType<typeof wavStream>, call: Call): Promise<void> {
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      audio.push(value);
    }
  } catch (error) {
    await reader?.cancel(error).catch(() => undefined);
    throw error;
  }
  call.signal.throwIfAborted();
  audio.end();
}
