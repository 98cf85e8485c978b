/**
 * `npm run bench:load`: 1…500 people who talk to one service process at once, over WebSocket, in real time.
 *
 * Each speaks 20 ms frames at the speaker's pace, ends the turn, waits for the reply, pauses and speaks again. Overhead is the ledger's
 * `our code` of a turn: what the service itself put between speech end and first audible. What a busy process reads late hides in
 * `wait`, so the event-loop delay of the service stands beside it. Stand-ins (profile seed) and clients share the machine.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import type { TurnSummary } from '../service/metrics.ts';
import { ATTRIBUTES } from '../service/telemetry/names.ts';
import { speechPcm } from '../sim/speech-audio.ts';
import { mean, quantile } from '../replay/stats.ts';
import type { ServiceMessage, ServiceSecond } from './load-service.ts';

const RATE_HZ = 16_000;
const FRAME_MS = 20;
const FRAME_BYTES = (RATE_HZ / 1000) * FRAME_MS * 2;
const SPEECH_MS = 2000;
const PAUSE_MS = 1500;
const ANSWER_LIMIT_MS = 30_000;
const INTERVIEW = 'en-frontend';
const PCM = speechPcm('load', (RATE_HZ * 2 * SPEECH_MS) / 1000, 0);

interface LoadTurn {
  overheadMs: number;
  e2eMs: number;
  /** Frames that were sent and are not in the audio that went to STT. */
  lostMs: number;
}

interface Step {
  sessions: number;
  turns: LoadTurn[];
  failures: string[];
  seconds: ServiceSecond[];
}

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1,10,25,50,100,200,350,500' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const sizes = values.steps.split(',').map(Number);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One person: turns until `until`, then leaves. Every failure is one line. */
async function person(url: string, until: number, step: Step, startAfterMs: number): Promise<void> {
  await pause(startAfterMs);
  try {
    const created = await fetch(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ language: 'en', interview: INTERVIEW, strategy: { stt: { vad: { engine: 'client' } } } }),
    });
    const { id }: { id: string } = JSON.parse(await created.text());
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${id}/stream`);
    await once(socket, 'open');
    while (performance.now() < until) {
      const traceId = await speakTurn(socket);
      step.turns.push(await figures(url, traceId));
      await pause(PAUSE_MS);
    }
    socket.close();
    await fetch(`${url}/v1/sessions/${id}`, { method: 'DELETE' });
  } catch (error) {
    step.failures.push(error instanceof Error ? error.message : String(error));
  }
}

function speakTurn(socket: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let frame = 0;
    const startedMs = performance.now();
    const timer = setInterval(() => {
      // a late timer sends what it owes: the speaker does not slow down
      const due = Math.min(SPEECH_MS / FRAME_MS, Math.floor((performance.now() - startedMs) / FRAME_MS));
      for (; frame < due; frame++) socket.send(PCM.subarray(frame * FRAME_BYTES, (frame + 1) * FRAME_BYTES));
      if (frame < SPEECH_MS / FRAME_MS) return;
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
      const message: {
        type: string;
        traceId?: string;
        detail?: string;
        message?: string;
      } = JSON.parse(data.toString());
      if (message.type === 'done') end(undefined, message.traceId);
      if (message.type === 'error') end(new Error(message.detail ?? message.message ?? 'an error without a message'));
    };
    socket.on('message', onMessage).on('close', onClose);
    socket.send(JSON.stringify({ type: 'start', sampleRateHz: RATE_HZ, format: 'pcm_s16le' }));
  });
}

interface TurnAnswer {
  summary: TurnSummary;
  trace: { resourceSpans: { scopeSpans: { spans: AnsweredSpan[] }[] }[] };
}
interface AnsweredSpan {
  name: string;
  attributes: { key: string; value: { intValue?: number | string } }[];
}

async function figures(url: string, traceId: string): Promise<LoadTurn> {
  const turn: TurnAnswer = JSON.parse(await (await fetch(`${url}/v1/turns/${traceId}`)).text());
  const spans = turn.trace.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  const heard = spans.find(({ name }) => name === 'stt')?.attributes.find(({ key }) => key === ATTRIBUTES.audioMs.key)
    ?.value.intValue;
  const ours = turn.summary.ledger.filter(({ stage }) => stage === 'our code');
  return {
    overheadMs: ours.reduce((sum, { us }) => sum + us, 0) / 1000,
    e2eMs: (turn.summary.e2eUs ?? Number.NaN) / 1000,
    lostMs: SPEECH_MS - Number(heard ?? 0),
  };
}

const folder = await mkdtemp(join(tmpdir(), 'retake-load-'));
const child = fork(fileURLToPath(new URL('./load-service.ts', import.meta.url)), {
  env: { ...process.env, RETAKE_PORT: '0', RETAKE_DATA: folder, RETAKE_WORLD: 'wire' },
});
let step: Step | undefined;
const ready = Promise.withResolvers<string>();
child.on('message', (message: ServiceMessage) => {
  if ('url' in message) ready.resolve(message.url);
  else step?.seconds.push(message.second);
});
child.once('exit', (code) => ready.reject(new Error(`the service ended with ${code}`)));
const url = await ready.promise;

const steps: Step[] = [];
console.log(`Sessions at once against one service process, world wire, profile seed (predicted); ${seconds} s a step`);
console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, clients and stand-ins included\n`,
);
console.log('sessions   turns  failed   overhead, ms            loop delay   CPU   memory  lost audio');
console.log('                            p50     p95     p99     p99, ms      %       MB     ms');
for (const sessions of sizes) {
  const current: Step = { sessions, turns: [], failures: [], seconds: [] };
  const until = performance.now() + seconds * 1000;
  const people = Array.from({ length: sessions }, (_, index) =>
    // arrivals are spread, as people do not begin in one breath
    person(url, until, current, (index / sessions) * (SPEECH_MS + PAUSE_MS)),
  );
  await pause(SPEECH_MS + PAUSE_MS);
  step = current;
  await Promise.all(people);
  step = undefined;
  steps.push(current);
  const overhead = current.turns.map(({ overheadMs }) => overheadMs);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) =>
    overhead.length === 0 ? '–' : quantile(overhead, q).toFixed(1),
  );
  const loop = Math.max(...current.seconds.map(({ loopDelayP99Ms }) => loopDelayP99Ms));
  const lost = current.turns.reduce((sum, { lostMs }) => sum + Math.max(0, lostMs), 0);
  console.log(
    [
      String(sessions).padStart(8),
      String(current.turns.length).padStart(8),
      String(current.failures.length).padStart(8),
      ...[p50, p95, p99].map((text) => (text ?? '–').padStart(8)),
      loop.toFixed(1).padStart(12),
      (mean(current.seconds.map(({ cpuMs }) => cpuMs)) / 10).toFixed(0).padStart(7),
      (current.seconds.at(-1)?.rssMb ?? Number.NaN).toFixed(0).padStart(8),
      lost.toFixed(0).padStart(8),
    ].join(''),
  );
  for (const failure of [...new Set(current.failures)].slice(0, 3)) console.log(`          ${failure}`);
}
if (values.json) console.log(JSON.stringify(steps));
child.disconnect();
await once(child, 'exit');
await rm(folder, { recursive: true, force: true });
