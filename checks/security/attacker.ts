/** What an attacker has: requests with any header, uploads that stop, sockets that flood. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

const ANSWER_LIMIT_MS = 30_000;

export interface Answer {
  /** 0 where no answer came. */
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface RequestOptions {
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** One of this machine's addresses, where another than usual: 127.0.0.2 is another client. */
  from?: string;
}

/** One request on a connection of its own. Never rejects. */
export function request(
  url: string,
  method: string,
  path: string,
  { headers, body, from }: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve) => {
    const none = (error: Error): void => resolve({ status: 0, headers: {}, text: error.message });
    const sent = httpRequest(
      `${url}${path}`,
      { method, headers, agent: false, timeout: ANSWER_LIMIT_MS, localAddress: from },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text.length < 1e6 ? (text += chunk.toString('latin1')) : undefined));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.once('error', none);
      },
    );
    sent.once('timeout', () => sent.destroy(new Error('no answer')));
    sent.once('error', none);
    sent.end(body);
  });
}

/** Sends the same GET many times over one connection and reads no answer. Whether the service has ended the connection by then. */
export function askUnread(
  url: string,
  path: string,
  { count, holdMs }: { count: number; holdMs: number },
): Promise<boolean> {
  const { hostname, port, host } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const end = (isEnded: boolean): void => {
      socket.destroy();
      resolve(isEnded);
    };
    socket.once('error', () => end(true)).once('close', () => end(true));
    socket.pause().write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(count));
    setTimeout(() => {
      // a connection that was ended shows it to a reader only
      socket.once('end', () => end(true)).resume();
      setTimeout(() => end(false), holdMs / 10);
    }, holdMs);
  });
}

/** `count` times, `atOnce` at a time. */
export async function askMany<T>(count: number, atOnce: number, one: (index: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) answers.push(await one(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return answers;
}

/** Announces `bytes`, sends all but the last as fast as they are taken, holds the rest back, and goes away. */
export function uploadUnfinished(
  url: string,
  path: string,
  { bytes, holdMs, headers, from }: { bytes: number; holdMs: number } & Omit<RequestOptions, 'body'>,
): Promise<{ answer?: Answer; sentBytes: number }> {
  return new Promise((resolve) => {
    let sentBytes = 0;
    let over = false;
    const end = (answer?: Answer): void => {
      if (over) return;
      over = true;
      sent.destroy();
      resolve({ answer, sentBytes });
    };
    const sent = httpRequest(
      `${url}${path}`,
      { method: 'POST', headers: { ...headers, 'content-length': String(bytes) }, agent: false, localAddress: from },
      (response) => {
        response.resume();
        end({ status: response.statusCode ?? 0, headers: response.headers, text: '' });
      },
    );
    sent.once('error', () => end());
    setTimeout(end, holdMs).unref();
    const chunk = Buffer.alloc(256 * 1024);
    const send = (): void => {
      while (!over && sentBytes + chunk.length < bytes) {
        sentBytes += chunk.length;
        if (!sent.write(chunk)) return void sent.once('drain', send);
      }
    };
    send();
  });
}

export type Opened = { kind: 'open'; socket: WebSocket } | { kind: 'refused'; status: number };

/** A WebSocket to a session. Never rejects. */
export function openSocket(url: string, id: string, headers: Readonly<Record<string, string>> = {}): Promise<Opened> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/sessions/${id}/stream`, {
      headers,
      perMessageDeflate: false,
    });
    socket.once('open', () => resolve({ kind: 'open', socket }));
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      resolve({ kind: 'refused', status: response.statusCode ?? 0 });
    });
    socket.on('error', () => resolve({ kind: 'refused', status: 0 }));
  });
}

/** A socket that says one message and no more. Undefined where it was refused. */
export async function silentSocket(url: string, id: string, message: string): Promise<{ end(): void } | undefined> {
  const opened = await openSocket(url, id);
  if (opened.kind === 'refused') return undefined;
  opened.socket.send(message);
  return { end: () => opened.socket.terminate() };
}

export interface Flood {
  /** Sent before the others. */
  first?: string;
  message: string | Buffer;
  count: number;
  limitMs: number;
  /** Nothing that the service says is read. */
  paused?: boolean;
}

const BATCH = 500;
/** What may wait in this process: the flood is to fill the service, not the attacker. */
const WAITING_BYTES = 4e6;

/** Sends the same message again and again until the service ends the connection. */
export async function flood(url: string, id: string, options: Flood): Promise<{ count: number; closed?: number }> {
  const opened = await openSocket(url, id);
  if (opened.kind === 'refused') throw new Error(`the socket was refused: ${opened.status}`);
  const { socket } = opened;
  let closed: number | undefined;
  socket.on('close', (code) => (closed = code));
  if (options.paused === true) socket.pause();
  if (options.first !== undefined) socket.send(options.first);
  const until = performance.now() + options.limitMs;
  let count = 0;
  while (
    count < options.count &&
    closed === undefined &&
    socket.readyState === socket.OPEN &&
    performance.now() < until
  ) {
    for (let index = 0; index < BATCH; index++) socket.send(options.message);
    count += BATCH;
    do await new Promise((resolve) => setImmediate(resolve));
    while (socket.bufferedAmount > WAITING_BYTES && closed === undefined && performance.now() < until);
  }
  if (socket.readyState !== socket.OPEN) closed ??= 1006;
  if (closed === undefined) {
    // the service may be ending it in this moment
    socket.resume();
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  socket.terminate();
  return { count, closed };
}
