/** The people of `npm run bench -- load`: each speaks over a WebSocket of its own, hears the reply, pauses and speaks again. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { ledgerUs } from '../../replay/diff/ledger-rows.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';

const RATE_HZ = 16_000;
export const FRAME_MS = 20;
const FRAME_BYTES = (RATE_HZ / 1000) * FRAME_MS * 2;
const WAV_HEADER_BYTES = 44;
export const SPEECH_MS = 2000;
export const PAUSE_MS = 1500;
const FRAMES = SPEECH_MS / FRAME_MS;
const ANSWER_LIMIT_MS = 30_000;
const INTERVIEW = 'en-frontend';
const PCM = speechPcm('load', FRAMES * FRAME_BYTES, 0);

export interface LoadTurn {
  /** Begin of the turn, by `performance.now()`. */
  atMs: number;
  /** The ledger's `our code` between speech end and first audible. */
  overheadMs: number;
  /** Sent frames that are missing in the audio for STT. */
  lostFrames: number;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Speaks turns until `untilMs`. `failure` says why they ended early. The session stays open until `erase`. */
export async function person(
  url: string,
  untilMs: number,
): Promise<{ turns: LoadTurn[]; failure?: string; erase: () => Promise<unknown> }> {
  const begun: { traceId: string; atMs: number }[] = [];
  let id: string | undefined;
  let failure: string | undefined;
  try {
    id = await openSession(url);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${id}/stream`);
    await once(socket, 'open');
    while (performance.now() < untilMs) {
      const atMs = performance.now();
      begun.push({ traceId: await speakTurn(socket), atMs });
      await pause(PAUSE_MS);
    }
    socket.close();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const session = id === undefined ? undefined : `${url}/v1/sessions/${id}`;
  // asked once, at the end: questions in between would be part of the load
  const summaries = session === undefined ? [] : await fetchSummaries(session);
  const turns = begun.flatMap(({ traceId, atMs }) => {
    const summary = summaries.find((each) => each.traceId === traceId);
    return summary === undefined ? [] : [loadTurnOf(summary, atMs)];
  });
  const erase = async (): Promise<unknown> => session && fetch(session, { method: 'DELETE' });
  return { turns, failure, erase };
}

async function openSession(url: string): Promise<string> {
  const created = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ language: 'en', interview: INTERVIEW, strategy: { stt: { vad: { engine: 'client' } } } }),
  });
  const { id }: { id: string } = JSON.parse(await created.text());
  return id;
}

async function fetchSummaries(session: string): Promise<readonly TurnSummary[]> {
  const page: { turns: readonly TurnSummary[] } = JSON.parse(await (await fetch(session)).text());
  return page.turns;
}

function loadTurnOf({ ledger, uploadedBytes }: TurnSummary, atMs: number): LoadTurn {
  const heard = Math.floor(((uploadedBytes ?? WAV_HEADER_BYTES) - WAV_HEADER_BYTES) / FRAME_BYTES);
  return {
    atMs,
    overheadMs: ledgerUs({ ledger }, { stage: 'our code' }) / 1000,
    lostFrames: Math.max(0, FRAMES - heard),
  };
}

/** Speaks, and resolves with the trace id when the whole reply has arrived. */
export function speakTurn(socket: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let frame = 0;
    const startedMs = performance.now();
    const timer = setInterval(() => {
      // after a late timer all due frames are sent: the speaker does not slow down
      const due = Math.min(FRAMES, Math.floor((performance.now() - startedMs) / FRAME_MS));
      for (; frame < due; frame++) socket.send(PCM.subarray(frame * FRAME_BYTES, (frame + 1) * FRAME_BYTES));
      if (frame < FRAMES) return;
      clearInterval(timer);
      socket.send('{"type":"end"}');
    }, FRAME_MS);
    const end = (error: Error | undefined, traceId = ''): void => {
      clearInterval(timer);
      clearTimeout(limit);
      socket.off('message', onMessage).off('close', onClose);
      if (error === undefined) resolve(traceId);
      else reject(error);
    };
    const limit = setTimeout(() => end(new Error(`no answer within ${ANSWER_LIMIT_MS / 1000} s`)), ANSWER_LIMIT_MS);
    const onClose = (): void => end(new Error('the service closed the connection'));
    const onMessage = (data: Buffer, isBinary: boolean): void => {
      if (isBinary) return;
      const message: { type: string; traceId?: string; detail?: string; message?: string } = JSON.parse(
        data.toString(),
      );
      if (message.type === 'done') end(undefined, message.traceId);
      if (message.type === 'error') end(new Error(message.detail ?? message.message ?? 'an error without a message'));
    };
    socket.on('message', onMessage).on('close', onClose);
    socket.send(JSON.stringify({ type: 'start', sampleRateHz: RATE_HZ, format: 'pcm_s16le' }));
  });
}
