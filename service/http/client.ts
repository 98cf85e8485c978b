/** A client of the service: speaks recordings to it at the speaker's pace and listens to the answer. */
import { WebSocket } from 'ws';
import { parseWav, samplesToPcmBytes } from '../audio/pcm.ts';
import { describeError, InputError } from '../base/errors.ts';
import { parsedJson, textIn } from '../base/json.ts';
import { readInput } from '../base/input-file.ts';
import type { TurnSummary } from '../turn-log/metrics.ts';
import type { Clock } from '../base/ports.ts';

const FRAME_MS = 20;
/** Silence sent after the recording, in which the service decides that the user has finished. */
const TAIL_MS = 4000;
const ANSWER_LIMIT_MS = 90_000;
/** A turn that is refused in a WebSocket has no Retry-After beside it. */
const BUSY_MS = 2000;

export interface Conversation {
  sessionId: string;
  /** Speaks one recording as the next turn. Throws `InputError` when the service answers with an error, `BusyServiceError` while it is overloaded. */
  speak(wavPath: string, options?: { push?: boolean }): Promise<SpokenTurn>;
  /** Ends the session, whose capture stays. A service that is gone by then is no error. */
  close(): Promise<void>;
}

export interface SpokenTurn {
  traceId: string;
  transcript: string;
  replyText: string;
  replyBytes: number;
}

/** The service is overloaded, and takes the same again after `afterMs`. */
export class BusyServiceError extends InputError {
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** Opens a session on the service and a WebSocket to it. Throws `BusyServiceError` while the service is overloaded. */
export async function converse(
  url: string,
  clock: Clock,
  session: { language?: string; systemPrompt?: string; interview?: string; strategy?: object },
  apiKey?: string,
): Promise<Conversation> {
  const sessionId = await openSession(url, session, apiKey);
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/sessions/${sessionId}/stream`, {
    headers: authorization(apiKey),
  });
  const inbox: { data: Buffer; isBinary: boolean }[] = [];
  let wake: (() => void) | undefined;
  let closed: Error | undefined;
  socket.on('message', (data, isBinary) => {
    inbox.push({ data: Buffer.isBuffer(data) ? data : Buffer.from(String(data)), isBinary });
    wake?.();
  });
  const end = (error: Error): void => {
    closed ??= error;
    wake?.();
  };
  socket.on('close', (code) => end(new InputError(`the service closed the connection (${code}); see its log`)));
  socket.on('error', (error) => end(noServiceAt(url, error)));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', (error) => reject(noServiceAt(url, error)));
    socket.once('unexpected-response', (asked, { statusCode = 0, headers }) => {
      reject(refusal(url, statusCode, headers['retry-after'], 'no WebSocket was opened'));
      asked.destroy();
    });
  }).catch(async (error: unknown) => {
    await closeSession(url, sessionId, apiKey);
    throw error;
  });

  return {
    sessionId,
    async close() {
      socket.close();
      await closeSession(url, sessionId, apiKey);
    },
    async speak(wavPath, { push = false } = {}) {
      const { samples, sampleRateHz } = parseWav(readInput(wavPath, 'recording'));
      inbox.length = 0; // answers to frames of a turn that was refused
      socket.send(JSON.stringify({ type: 'start', sampleRateHz, format: 'pcm_s16le' }));
      const listening = new AbortController();
      const turn: SpokenTurn = { traceId: '', transcript: '', replyText: '', replyBytes: 0 };
      const speaking = speakFrames(samples, sampleRateHz, push, listening.signal);
      const deadline = new AbortController();
      const late = clock.sleep(ANSWER_LIMIT_MS, deadline.signal).then(
        () => end(new InputError(`no answer within ${ANSWER_LIMIT_MS / 1000} s; see the service's log`)),
        () => undefined,
      );
      try {
        for (;;) {
          const message = inbox.shift();
          if (message === undefined) {
            if (closed !== undefined) throw closed;
            await new Promise<void>((resolve) => (wake = resolve));
          } else if (message.isBinary) turn.replyBytes += message.data.byteLength;
          else if (readMessage(message.data.toString(), turn)) return turn;
        }
      } finally {
        listening.abort(new Error('the turn is over'));
        deadline.abort(new Error('answered'));
        await Promise.all([speaking, late]);
      }
    },
  };

  async function speakFrames(
    samples: Int16Array,
    sampleRateHz: number,
    push: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const frame = (sampleRateHz * FRAME_MS) / 1000;
    const tailFrames = push ? 0 : TAIL_MS / FRAME_MS;
    const total = Math.ceil(samples.length / frame) + tailFrames;
    const beganUs = clock.nowUs();
    for (let index = 0; index < total && !signal.aborted; index++) {
      // a microphone has a frame when its last sample has been spoken
      const leftUs = beganUs + (index + 1) * FRAME_MS * 1000 - clock.nowUs();
      if (leftUs > 0) await clock.sleep(leftUs / 1000, signal).catch(() => undefined);
      if (signal.aborted || socket.readyState !== socket.OPEN) return;
      const part = samples.subarray(index * frame, (index + 1) * frame);
      socket.send(part.length > 0 ? samplesToPcmBytes(part) : new Uint8Array(frame * 2));
    }
    if (push && !signal.aborted) socket.send(JSON.stringify({ type: 'end' }));
  }
}

/** Posts a whole recording as one turn of a new session. */
export async function upload(
  url: string,
  wavPath: string,
  session: { language?: string; interview?: string },
  apiKey?: string,
): Promise<{ sessionId: string; traceId: string }> {
  const body = readInput(wavPath, 'recording');
  parseWav(body); // a file that the service would refuse is named here
  const sessionId = await openSession(url, session, apiKey);
  const response = await request(`${url}/v1/sessions/${sessionId}/turns`, {
    method: 'POST',
    headers: { 'content-type': 'audio/wav', accept: 'text/event-stream', ...authorization(apiKey) },
    body,
  });
  await response.text();
  await closeSession(url, sessionId, apiKey);
  return { sessionId, traceId: response.headers.get('x-trace-id') ?? '' };
}

/** Figures of a finished turn, from the service. */
export async function fetchTurn(
  url: string,
  traceId: string,
  apiKey?: string,
): Promise<{ summary: TurnSummary; trace: unknown }> {
  const response = await request(`${url}/v1/turns/${traceId}`, { headers: authorization(apiKey) });
  // docs/client.md: the shape of the service's own answer
  return (await response.json()) as { summary: TurnSummary; trace: unknown };
}

async function openSession(url: string, session: object, apiKey: string | undefined): Promise<string> {
  const response = await request(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization(apiKey) },
    body: JSON.stringify(session),
  });
  const id = textIn(await response.json(), 'id');
  if (id !== undefined) return id;
  throw new InputError(`${url} did not answer as a Retake service does; name the service with --url`);
}

/** Ends a session early, so that it takes no room until it is idle for long: nobody waits for more than an attempt. */
async function closeSession(url: string, sessionId: string, apiKey: string | undefined): Promise<void> {
  const init = { method: 'POST', headers: authorization(apiKey) };
  await fetch(`${url}/v1/sessions/${sessionId}/close`, init).catch(() => undefined);
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init).catch((error: unknown) => {
    throw noServiceAt(url, error);
  });
  if (response.ok) return response;
  const text = await response.text();
  throw refusal(url, response.status, response.headers.get('retry-after'), describeError(detailOf(text), 400));
}

function refusal(url: string, status: number, retryAfter: string | null | undefined, why: string): InputError {
  const message = `${url} answered ${status}: ${why}`;
  const afterMs = 1000 * Number(retryAfter ?? Number.NaN);
  return status === 503 && afterMs >= 0 ? new BusyServiceError(message, afterMs) : new InputError(message);
}

/** The detail of a problem; of any other answer its text. */
function detailOf(text: string): string {
  return textIn(parsedJson(text), 'detail') ?? text;
}

function noServiceAt(url: string, error: unknown): InputError {
  return new InputError(
    `no service answers at ${url} (${describeError(error, 120)}); start one with "npx retake serve", or name another with --url`,
  );
}

function authorization(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

/** Notes one message of the service in `turn`; true when the turn is done. Throws `InputError` when it failed. */
function readMessage(text: string, turn: SpokenTurn): boolean {
  const message = parsedJson(text);
  const field = (name: string): string => textIn(message, name) ?? '';
  const type = field('type');
  if (type === 'turn') turn.traceId = field('traceId');
  if (type === 'transcript') turn.transcript = field('text');
  if (type === 'piece') turn.replyText += field('text');
  if (type === 'error') {
    const what = ['title', 'stage', 'kind', 'detail', 'message'].map(field).filter((part) => part !== '');
    const failed = `the turn failed: ${what.join(' ')}`;
    throw field('title') === 'Overloaded' ? new BusyServiceError(failed, BUSY_MS) : new InputError(failed);
  }
  return type === 'done';
}
