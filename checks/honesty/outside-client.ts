/** An outside client with a clock and code of its own: speaks to the service in real time, and hears when its user hears. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { parseWav, samplesToPcmBytes } from '../../service/audio/pcm.ts';
import { createSpeechEndDetector } from '../../service/audio/speech-end.ts';
import { fieldOf, parsedJson, textIn } from '../../service/base/json.ts';

const FRAME_MS = 20;
/** Of the committed recording: its last words, and the silence in which the service decides. */
const RECORDING = { file: 'en-frontend-2.wav', interview: 'en-frontend', speechEndMs: 2474 };
const SPOKEN_MS = 900;
const TAIL_MS = 3000;
const ATTEMPTS = 20;
const AGAIN_MS = 200;

export interface Spoken {
  traceId: string;
  /** Speech end → first audible. Speech ends when the last frame of it has been spoken, whenever it was sent. */
  audibleMs: number;
}

export const nowMs = (): number => performance.now();

/** The frames of the last words, and the index of the frame that holds their end. */
function spokenFrames(): { frames: Int16Array[]; sampleRateHz: number; endFrame: number } {
  const { samples, sampleRateHz } = parseWav(
    readFileSync(new URL(`../../fixtures/audio/${RECORDING.file}`, import.meta.url)),
  );
  const perMs = sampleRateHz / 1000;
  const from = (RECORDING.speechEndMs - SPOKEN_MS) * perMs;
  const tail = new Int16Array(TAIL_MS * perMs);
  const spoken = Int16Array.from([...samples.subarray(from, from + (SPOKEN_MS + 400) * perMs), ...tail]);
  const size = FRAME_MS * perMs;
  const frames = Array.from({ length: Math.floor(spoken.length / size) }, (_, index) =>
    spoken.subarray(index * size, (index + 1) * size),
  );
  const detector = createSpeechEndDetector(sampleRateHz);
  detector.push(spoken);
  const endMs = (detector.result().endSample ?? 0) / perMs;
  if (Math.abs(endMs - SPOKEN_MS) > 10)
    throw new Error(`speech of ${RECORDING.file} ends ${endMs - SPOKEN_MS} ms from where the fixture says`);
  return { frames, sampleRateHz, endFrame: Math.floor(endMs / FRAME_MS) };
}

/** Where a client that plays from the first byte on hears the reply, ms. The network model of the service is not used. */
function firstAudibleMs(chunks: readonly { atMs: number; pcm: Buffer }[], sampleRateHz: number): number {
  const size = sampleRateHz / 100;
  const playedAtMs: number[] = [];
  const samples: number[] = [];
  let playedMs = 0;
  for (const { atMs, pcm } of chunks) {
    playedMs = Math.max(playedMs, atMs);
    for (let offset = 0; offset + 1 < pcm.length; offset += 2) {
      if (samples.length % size === 0) playedAtMs.push(playedMs);
      samples.push(pcm.readInt16LE(offset) / 32_768);
      playedMs += 1000 / sampleRateHz;
    }
  }
  const isLoud = playedAtMs.map((_, frame) => {
    const own = samples.slice(frame * size, (frame + 1) * size);
    return 10 * Math.log10(own.reduce((sum, each) => sum + each * each, 0) / size) > -45;
  });
  const first = isLoud.findIndex((_, frame) => isLoud[frame] && isLoud[frame + 1] && isLoud[frame + 2]);
  return playedAtMs[first] ?? Number.NaN;
}

const { frames, sampleRateHz, endFrame } = spokenFrames();

/** A service that was stopped refuses new work until its event loop has been in time for half a second. */
async function openSession(url: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const opened = await fetch(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ language: 'en', interview: RECORDING.interview }),
    });
    const id = textIn(await opened.json(), 'id');
    if (opened.status === 201 && id !== undefined) return id;
    if (opened.status !== 503 || attempt === ATTEMPTS) throw new Error(`no session: ${opened.status}`);
    await pause(AGAIN_MS);
  }
}

/** One turn of a session of its own. `meanwhile` is told when speech will end, on `nowMs`. Rejects when the turn fails. */
export async function speakAndListen(url: string, meanwhile: (speechEndMs: number) => Promise<void>): Promise<Spoken> {
  const sessionId = await openSession(url);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${sessionId}/stream`);
  await once(socket, 'open');
  const chunks: { atMs: number; pcm: Buffer }[] = [];
  let [replyHz, traceId] = [sampleRateHz, ''];
  const over = Promise.withResolvers<undefined>();
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) return void chunks.push({ atMs: nowMs(), pcm: data });
    const message = parsedJson(data.toString());
    const type = textIn(message, 'type');
    if (type === 'turn') traceId = textIn(message, 'traceId') ?? '';
    if (type === 'audio') replyHz = Number(fieldOf(message, 'sampleRateHz'));
    if (type === 'error') over.reject(new Error(`the turn failed: ${data.toString()}`));
    if (type === 'done') over.resolve(undefined);
  });
  socket.on('close', () => over.reject(new Error('the service closed the connection')));
  socket.send(JSON.stringify({ type: 'start', sampleRateHz, format: 'pcm_s16le' }));
  const beganMs = nowMs();
  const dueMs = (index: number): number => beganMs + (index + 1) * FRAME_MS;
  const beside = meanwhile(dueMs(endFrame));
  const listening = new AbortController();
  const speaking = (async () => {
    for (const [index, frame] of frames.entries()) {
      await pause(Math.max(0, dueMs(index) - nowMs()));
      while (nowMs() < dueMs(index)); // a timer may be early by a fraction of a millisecond
      if (listening.signal.aborted) return;
      socket.send(samplesToPcmBytes(frame));
    }
  })();
  try {
    await over.promise;
  } finally {
    listening.abort();
    await Promise.all([speaking, beside]);
    socket.terminate();
  }
  return { traceId, audibleMs: firstAudibleMs(chunks, replyHz) - dueMs(endFrame) };
}
