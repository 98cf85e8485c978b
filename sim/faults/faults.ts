/** The faults of exchanges, one row each: the same bytes and breaks in `sim` and `wire`. */
import type { HttpResponse } from '../../service/base/ports.ts';
import type { ExchangeInfo } from '../stand-ins/exchange.ts';
import { falFailure } from '../stand-ins/fal.ts';
import { openRouterFailure } from '../stand-ins/openrouter-records.ts';
import { ConnectFault, GarbageFault, ResetFault } from './broken-connection.ts';
import type { FaultKind, FaultSpec } from './kinds.ts';
import { hang, rewriteBody, type Rewrite } from './rewrite.ts';
import type { Route } from './routes.ts';

export interface FaultyExchange {
  fault: FaultSpec;
  route: Route;
  /** Of the request. */
  url: string;
  info: ExchangeInfo;
  /** Resolves after the upload and the provider's wait. */
  arrived(): Promise<void>;
  /** The answer without the fault. */
  answer(): Promise<HttpResponse>;
}

type Row = (exchange: FaultyExchange) => Promise<HttpResponse>;

const FAULTS: Readonly<Record<FaultKind, Row>> = {
  'name-not-found': async () => {
    throw new ConnectFault('dns', 'ENOTFOUND', 'getaddrinfo ENOTFOUND');
  },
  refused: async () => {
    throw new ConnectFault('connect', 'ECONNREFUSED', 'connect ECONNREFUSED');
  },
  tls: async () => {
    throw new ConnectFault('tls', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate');
  },
  status: async ({ fault, route, arrived }) => {
    await arrived();
    const { status = 500, message = `stand-in fault ${status}`, retryAfterS } = fault;
    const body = route.server === 'openrouter' ? openRouterFailure(status, message) : falFailure(status, message);
    const answer = whole(JSON.stringify(body), 'application/json', status);
    if (retryAfterS !== undefined) answer.headers.set('retry-after', String(retryAfterS));
    return answer;
  },
  'reset-before-headers': async ({ arrived }) => {
    await arrived();
    throw new ResetFault();
  },
  'reset-mid-body': (exchange) =>
    rewritten(exchange, async function* (source) {
      yield* beginning(source, exchange);
      throw new ResetFault();
    }),
  'stall-before-headers': async ({ arrived, info }) => {
    await arrived();
    return hang(info.signal);
  },
  'stall-mid-stream': (exchange) =>
    rewritten(exchange, async function* (source, stop) {
      yield* beginning(source, exchange);
      await hang(stop);
    }),
  'error-chunk': async (exchange) => {
    const { message = 'Provider disconnected unexpectedly' } = exchange.fault;
    const { form } = exchange.route;
    if (form === 'events') {
      return rewritten(exchange, async function* (source) {
        yield* beginning(source, exchange);
        yield encode(`data: ${JSON.stringify(errorEvent(exchange.route, message))}\n\n`);
      });
    }
    await exchange.arrived();
    return whole(JSON.stringify({ error: { message } }), 'application/json');
  },
  'no-end-marker': (exchange) =>
    rewritten(exchange, async function* (source) {
      let held: Uint8Array | undefined;
      for await (const chunk of source) {
        if (held !== undefined) yield held;
        held = chunk;
      }
      if (exchange.route.form === 'json' && held !== undefined) yield held.subarray(0, held.length - 1);
    }),
  'truncated-json': (exchange) =>
    rewritten(exchange, async function* (source) {
      yield* beginning(source, exchange);
      const next = exchange.route.form === 'json' ? undefined : (await source.next()).value;
      if (next instanceof Uint8Array) yield next.subarray(0, (next.length >> 1) | 1);
    }),
  html: async ({ arrived }) => {
    await arrived();
    return whole('<!doctype html><title>502</title><h1>Bad gateway</h1>', 'text/html');
  },
  json: async ({ fault, arrived }) => {
    await arrived();
    return whole('{"ok":true}', 'application/json', fault.status);
  },
  'no-body': (exchange) => withoutBody(exchange, { status: exchange.fault.status }),
  redirect: (exchange) => {
    const { fault, url } = exchange;
    return withoutBody(exchange, { status: 302, headers: { location: fault.location ?? url } });
  },
  'shorter-than-said': async (exchange) =>
    saying(
      OVERSIZED_BYTES,
      await rewritten(exchange, async function* (source) {
        yield* source;
        throw new ResetFault(); // nobody can send less and keep the connection
      }),
    ),
  'longer-than-said': async (exchange) => saying(1, await rewritten(exchange, (source) => source)),
  garbage: (exchange) =>
    rewritten(exchange, async function* (source) {
      yield* beginning(source, exchange);
      throw new GarbageFault();
    }),
  empty: (exchange) => {
    if (exchange.route.form === 'json') {
      const text = JSON.stringify(exchange.route.empty ?? {});
      return exchange.arrived().then(() => whole(text, 'application/json'));
    }
    return rewritten(exchange, async function* (source) {
      for await (const chunk of source) {
        if (exchange.route.form === 'events' && !isContent(chunk)) yield chunk;
      }
    });
  },
  oversized: (exchange) =>
    rewritten(exchange, async function* (source) {
      if (exchange.route.form !== 'json') yield* beginning(source, exchange);
      const filler = encode(exchange.route.form === 'events' ? `: ${'x'.repeat(FILLER)}\n` : ' '.repeat(FILLER));
      for (let bytes = 0; bytes < OVERSIZED_BYTES; bytes += filler.length) yield filler;
    }),
  trickle: (exchange) =>
    rewritten(exchange, async function* (source, stop) {
      for await (const chunk of source) {
        for (let at = 0; at < chunk.length; at++) {
          await exchange.info.clock.sleep(exchange.fault.byteEveryMs ?? 500, stop);
          yield chunk.subarray(at, at + 1);
        }
      }
    }),
};

const FILLER = 256 * 1024;
const OVERSIZED_BYTES = 64 * 1024 * 1024;

export async function faulty(exchange: FaultyExchange): Promise<HttpResponse> {
  const response = await FAULTS[exchange.fault.kind](exchange);
  return untold.has(response) ? tellEnd(response, exchange.info) : response;
}

/** Answers made in this file: the transport must still be told of their end. */
const untold = new WeakSet<object>();

function tellEnd(response: HttpResponse, { signal, ended }: ExchangeInfo): HttpResponse {
  const told = async function* (source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield* source;
    ended?.(true);
  };
  return rewriteBody(response, signal, told, () => ended?.(false));
}

async function rewritten({ answer, info }: FaultyExchange, rewrite: Rewrite): Promise<HttpResponse> {
  return rewriteBody(await answer(), info.signal, rewrite);
}

async function withoutBody({ arrived, info }: FaultyExchange, init: ResponseInit): Promise<HttpResponse> {
  await arrived();
  info.ended?.(true);
  return new Response(null, init);
}

/** The answer with a `content-length` that is not its own. */
function saying(bytes: number, response: HttpResponse): HttpResponse {
  response.headers.set('content-length', String(bytes));
  return response;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function whole(text: string, type: string, status = 200): Response {
  const response = new Response(text, { status, headers: { 'content-type': type } });
  untold.add(response);
  return response;
}

function isContent(chunk: Uint8Array): boolean {
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString();
  return /^data: .*("content":"[^"]|"audio":")/.test(text);
}

/** The first chunks unchanged. Of a body that is one JSON value: the first half. */
async function* beginning(
  source: AsyncGenerator<Uint8Array>,
  { fault, route }: FaultyExchange,
): AsyncGenerator<Uint8Array> {
  const { afterChunks = 1 } = fault;
  for (let sent = 0; sent < afterChunks;) {
    const { done, value } = await source.next();
    if (done === true) return;
    if (route.form === 'json') {
      yield value.subarray(0, value.length >> 1);
      return;
    }
    yield value;
    if (route.form === 'audio' || isContent(value)) sent++;
  }
}

function errorEvent({ name }: Route, message: string): unknown {
  if (name === 'queue.poll') return { status: 'COMPLETED', error: message };
  if (name === 'tts.stream') return { error: { message }, recoverable: true };
  const choice = { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: 'error' };
  return { error: { code: 502, message }, choices: [choice] };
}
