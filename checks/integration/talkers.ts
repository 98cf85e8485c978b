/** Clients of the service under test: sessions, and turns that are uploads. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FIXTURE } from './harness.ts';

export interface SpokenUpload {
  traceId: string;
  /** From the request's last byte to the first reply audio, on the client's clock. */
  firstAudioMs: number;
  text: string;
}

const ADMISSION_TRIES = 30;

/** A service that is busy refuses new work and says when to come back; a client comes back then. */
async function admitted(ask: () => Promise<Response>): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const response = await ask();
    const afterS = Number(response.headers.get('retry-after') ?? Number.NaN);
    if (response.status !== 503 || Number.isNaN(afterS) || tries === ADMISSION_TRIES) return response;
    await response.text();
    await sleep(afterS * 1000);
  }
}

export async function openSession(url: string, session: object = {}): Promise<string> {
  const response = await admitted(() =>
    fetch(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ language: 'en', interview: 'en-frontend', ...session }),
    }),
  );
  const answer: unknown = await response.json();
  if (typeof answer === 'object' && answer !== null && 'id' in answer) return String(answer.id);
  throw new Error(`no session: ${JSON.stringify(answer)}`);
}

const fixture = readFileSync(FIXTURE);

/** One turn: the fixture recording as an upload, the answer as server-sent events. */
export async function uploadTurn(url: string, sessionId: string): Promise<SpokenUpload> {
  let beganMs = performance.now();
  const response = await admitted(() => {
    beganMs = performance.now();
    return fetch(`${url}/v1/sessions/${sessionId}/turns`, {
      method: 'POST',
      headers: { 'content-type': 'audio/wav', accept: 'text/event-stream' },
      body: fixture,
    });
  });
  if (!response.ok || response.body === null) throw new Error(`turn: ${response.status} ${await response.text()}`);
  let firstAudioMs = Infinity;
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (firstAudioMs === Infinity && text.includes('event: audio')) firstAudioMs = performance.now() - beganMs;
  }
  return { traceId: response.headers.get('x-trace-id') ?? '', firstAudioMs, text };
}

/** Speaks all sessions, `concurrent` of them at a time. */
export async function uploadTurns(options: {
  url: string;
  sessions: number;
  turnsEach: number;
  concurrent: number;
  session?: object;
}): Promise<SpokenUpload[]> {
  const spoken: SpokenUpload[] = [];
  let left = options.sessions;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const id = await openSession(options.url, options.session);
      for (let turn = 0; turn < options.turnsEach; turn++) spoken.push(await uploadTurn(options.url, id));
    }
  };
  await Promise.all(Array.from({ length: options.concurrent }, worker));
  return spoken;
}
