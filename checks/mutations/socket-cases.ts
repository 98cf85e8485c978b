/** Damaged input for a running service: requests, bodies, raw bytes and WebSocket frames, each a row. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { encodeWav } from '../../service/audio/pcm.ts';
import { createOpusEncoder, webmOf } from '../../service/audio/opus.ts';
import { parsedJson, textIn } from '../../service/base/json.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';
import { request, type Answer } from '../security/attacker.ts';

/** What came back, and what is wrong with it. */
export interface Outcome {
  status: number;
  complaint?: string;
}

export interface SocketRow {
  name: string;
  samples: readonly Uint8Array[];
  send(url: string, sessionId: string, bytes: Uint8Array): Promise<Outcome>;
}

const PCM = speechPcm('mutations', 8000, 0);
const SAMPLES = new Int16Array(PCM.buffer, PCM.byteOffset, PCM.byteLength / 2);
const ANSWER_MS = 5000;

/** A refusal because the service is full says when to come back; every other status from 500 on is a fault. */
function judged({ status, headers, text }: Answer): Outcome {
  const isShed = status === 503 && headers['retry-after'] !== undefined;
  const what = status === 0 ? `no answer: ${text}` : `${status}: ${text.slice(0, 200)}`;
  return { status, complaint: status !== 0 && (status < 500 || isShed) ? undefined : what };
}

const upload = (name: string, type: string, samples: readonly Uint8Array[]): SocketRow => ({
  name,
  samples,
  async send(url, sessionId, bytes) {
    const headers = { 'content-type': type };
    return judged(await request(url, 'POST', `/v1/sessions/${sessionId}/turns`, { headers, body: bytes }));
  },
});

/** Whether the connection is answered or closed in time; a damaged request need not get an answer. */
async function sendRaw(url: string, bytes: Uint8Array): Promise<Outcome> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.end(bytes);
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
  await once(socket, 'close');
  clearTimeout(timer);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  const isRefused = status < 500 || /retry-after/i.test(text);
  return { status, complaint: isRefused ? undefined : text.slice(0, 200) };
}

/** Each line is a text message; of a line that begins with `#` the rest is a binary one. */
async function talk(url: string, sessionId: string, bytes: Uint8Array): Promise<Outcome> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/sessions/${sessionId}/stream`);
  let fault: string | undefined;
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer, isBinary) => {
    const status = isBinary ? undefined : /"status":(5\d\d)/.exec(data.toString())?.[1];
    if (status !== undefined) fault ??= data.toString().slice(0, 200);
  });
  const timer = setTimeout(() => socket.terminate(), ANSWER_MS);
  let opened = false;
  // without `once` of events: its promise rejects where the connection fails
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([
    new Promise<void>((resolve) =>
      socket.once('open', () => {
        opened = true;
        resolve();
      }),
    ),
    closed,
  ]);
  if (opened && socket.readyState === socket.OPEN) {
    for (const line of Buffer.from(bytes).toString('latin1').split('\n').slice(0, 100))
      socket.send(line.startsWith('#') ? Buffer.from(line.slice(1), 'latin1') : line);
    socket.ping();
    await Promise.race([new Promise<void>((resolve) => socket.once('pong', () => resolve())), closed]);
  }
  socket.close();
  await closed;
  clearTimeout(timer);
  return { status: opened ? 101 : 0, complaint: fault };
}

export async function socketRows(): Promise<SocketRow[]> {
  const encoder = createOpusEncoder(16_000);
  encoder.push(SAMPLES);
  encoder.finish();
  const start = '{"type":"start","sampleRateHz":16000,"format":"pcm_s16le"}';
  return [
    {
      name: 'sessions',
      samples: [
        '{"language":"tr"}',
        '{"strategy":{"llm":{"maxTokens":9}},"history":[{"role":"user","content":"x"}]}',
      ].map((text) => Buffer.from(text)),
      async send(url, _sessionId, bytes) {
        const headers = { 'content-type': 'application/json' };
        const answer = await request(url, 'POST', '/v1/sessions', { headers, body: bytes });
        const opened = answer.status === 201 ? textIn(parsedJson(answer.text), 'id') : undefined;
        if (opened !== undefined) await request(url, 'DELETE', `/v1/sessions/${opened}`);
        return judged(answer);
      },
    },
    upload('WAV', 'audio/wav', [encodeWav(SAMPLES, 16_000)]),
    upload('L16', 'audio/L16;rate=16000', [PCM]),
    upload('WebM', 'audio/webm', [await webmOf(encoder.packets, 16_000)]),
    {
      name: 'raw bytes',
      samples: [
        'POST /v1/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"language":"tr"}',
        'GET /v1/turns HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
        'POST /v1/sessions/x/turns HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n',
      ].map((text) => Buffer.from(text)),
      send: (url, _sessionId, bytes) => sendRaw(url, bytes),
    },
    {
      name: 'frames of a WebSocket',
      samples: [`${start}\n#abcdabcd\n{"type":"played","ms":3}\n{"type":"end"}`, `#ab\n${start}\n${start}`].map(
        (text) => Buffer.from(text),
      ),
      send: talk,
    },
  ];
}
