/** A talker of `npm run bench -- chaos`: speaks turns, hangs up at random instants, comes back, and comes back later when told to. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { parsedJson, textIn } from '../../service/base/json.ts';
import { pause, PAUSE_MS, SPEECH_MS, speakTurn } from './people.ts';

/** Of the turns, this share is cut, at any instant from its start to some seconds later. */
const CUT_SHARE = 0.3;
const CUT_WITHIN_MS = SPEECH_MS + 3000;
const RETRY_MS = 2000;

export interface Talked {
  /** Turns that the service said it had opened, by session. */
  opened: { sessionId: string; traceIds: string[] }[];
  done: number;
  cut: number;
  /** New sessions, connections and turns that were refused with 503. */
  shed: number;
  /** Refusals with 503 that did not say when to come back. */
  withoutRetryAfter: number;
  /** Why a turn that was not cut got no reply. */
  failures: string[];
}

/** Talks until `untilMs`. */
export async function talker(url: string, untilMs: number, random: () => number): Promise<Talked> {
  const talked: Talked = { opened: [], done: 0, cut: 0, shed: 0, withoutRetryAfter: 0, failures: [] };
  while (performance.now() < untilMs) {
    const sessionId = await openSession(url, talked);
    const socket = sessionId === undefined ? undefined : await connect(url, sessionId);
    if (sessionId === undefined || socket === undefined) {
      talked.shed += 1;
      await pause(RETRY_MS * (0.5 + random()));
      continue;
    }
    const traceIds: string[] = [];
    talked.opened.push({ sessionId, traceIds });
    socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? undefined : parsedJson(data.toString());
      const traceId = textIn(message, 'traceId');
      if (textIn(message, 'type') === 'turn' && traceId !== undefined) traceIds.push(traceId);
    });
    await converse(socket, untilMs, random, talked);
    socket.terminate();
  }
  return talked;
}

/** Turns over one connection, until one is cut or fails. */
async function converse(socket: WebSocket, untilMs: number, random: () => number, talked: Talked): Promise<void> {
  while (performance.now() < untilMs) {
    const isCut = random() < CUT_SHARE;
    const cut = isCut ? setTimeout(() => socket.terminate(), random() * CUT_WITHIN_MS) : undefined;
    try {
      await speakTurn(socket);
      talked.done += 1;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (isCut && socket.readyState !== socket.OPEN) talked.cut += 1;
      else if (/busy with the turns that run/.test(why)) {
        talked.shed += 1;
        await pause(RETRY_MS * (0.5 + random()));
      } else talked.failures.push(why);
      return;
    } finally {
      clearTimeout(cut);
    }
    await pause(PAUSE_MS * random());
  }
}

async function openSession(url: string, talked: Talked): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      language: 'en',
      interview: 'en-frontend',
      strategy: { stt: { vad: { engine: 'client' } } },
    }),
  });
  const text = await response.text();
  if (response.status === 503 && response.headers.get('retry-after') === null) talked.withoutRetryAfter += 1;
  if (response.status !== 201 && response.status !== 503) talked.failures.push(`a session: ${response.status} ${text}`);
  return textIn(parsedJson(text), 'id');
}

/** Undefined where the service refuses the connection. */
async function connect(url: string, sessionId: string): Promise<WebSocket | undefined> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${sessionId}/stream`);
  socket.on('error', () => undefined);
  return once(socket, 'open').then(
    () => socket,
    () => undefined,
  );
}
