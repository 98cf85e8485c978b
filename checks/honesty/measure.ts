/** One exchange through the production path (provider client → call → transport → log → spans), read back as phases. */
import { createFalClient } from '@fal-ai/client';
import OpenAI from 'openai';
import { Resolver } from 'node:dns/promises';
import { openCall, type OpenCall } from '../../service/net/exchange.ts';
import { createRealTransport } from '../../service/net/fetch.ts';
import { lookupBy } from '../../service/net/resolver.ts';
import type { Clock, ExchangeContext, Transport } from '../../service/base/ports.ts';
import { createRecorder } from '../../service/turn-log/recorder.ts';
import { exchangesOf, type HttpExchange } from '../../service/telemetry/http-spans.ts';
import type { Client } from './cells.ts';
import { ANSWER_PARTS, type Delays, type Started } from './protocol.ts';
import { machineMs, type MachineStall } from './stalls.ts';

/** The figures of an exchange. The body is cut where each of the answer's parts arrives. */
export const MEASURES = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'first', 'between', 'tail'] as const;
export type Measure = (typeof MEASURES)[number];

export interface Sample {
  id: string;
  host: string;
  /** A phase that did not happen is absent, not 0. */
  ms: Partial<Record<Measure, number>>;
  reused: boolean;
  paidBy: string;
  protocol: string;
  /** From before the request to after its answer, on the machine's clock. */
  window: MachineStall;
  /** The exchange as its span has it. */
  span: { startUs: number; endUs: number };
  phases: readonly { name: string; startUs: number; endUs: number }[];
}

const MEASURE_OF: Readonly<Record<string, Measure>> = {
  'http.queue': 'queue',
  dns: 'dns',
  'tcp.connect': 'connect',
  tls: 'tls',
  'http.send': 'send',
  'http.wait': 'wait',
};

export interface ExchangeProbe {
  /** Sends one exchange to a host of the fault server and reads it to its end. */
  exchange(client: Client, id: string, host: string, delays: Delays): Promise<Sample>;
  close(): Promise<void>;
}

/** Its own transport, as an arm has one, that resolves names at the fault server. */
export function createProbe(clock: Clock, server: Started, http2: boolean): ExchangeProbe {
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.dnsPort}`]);
  const told = new Map<string, Delays>();
  const transport = createRealTransport({
    clock,
    network: { keepAlive: { idleMs: 60_000, drain: true }, http2, preResolve: false },
    caPem: server.caPem,
    lookup: lookupBy(async (host) => (await resolver.resolve4(host)).map((address) => ({ address, family: 4 }))),
    headersFor: ({ sessionId }) => ({ 'x-honesty': JSON.stringify({ id: sessionId, delays: told.get(sessionId) }) }),
  });
  return {
    async exchange(client, id, host, delays) {
      told.set(id, delays);
      const fromMs = machineMs();
      const sample = await exchangeOnce(clock, transport, client, id, `https://${host}:${server.port}`);
      return { ...sample, host, window: [fromMs, machineMs()] };
    },
    close: () => transport.close(),
  };
}

async function exchangeOnce(
  clock: Clock,
  transport: Transport,
  client: Client,
  id: string,
  origin: string,
): Promise<Omit<Sample, 'host' | 'window'>> {
  const recorder = createRecorder(clock, [], (error) => {
    throw error;
  });
  const root = recorder.record({ kind: 'speech.start', stage: 'llm' });
  const context: Omit<ExchangeContext, 'fetchIndex'> = {
    ...{ sessionId: id, turnIndex: 0, stage: 'llm', ordinal: 0, attempt: 0, arm: 'honesty' },
  };
  const signal = AbortSignal.timeout(20_000);
  const call = openCall({ transport, clock, recorder, signal, context, drain: true, cause: root });
  await SEND[client](call, origin);
  await call.settled();
  const [exchange] = exchangesOf(recorder.events);
  const done = recorder.events.find(({ kind }) => kind === 'http.done');
  const queued = recorder.events.find(({ kind }) => kind === 'http.queued');
  const headers = recorder.events.find(({ kind }) => kind === 'http.headers');
  if (exchange === undefined || done === undefined || headers === undefined) throw new TypeError(`${id} has no end`);
  return {
    id,
    ms: { ...phasesMs(exchange), ...bodyMs(headers.atUs, done.atUs, done.attrs) },
    reused: queued?.attrs?.['reused'] === true,
    paidBy: String(queued?.attrs?.['paidBy']),
    protocol: String(queued?.attrs?.['protocol']),
    span: { startUs: exchange.startUs, endUs: exchange.endUs },
    phases: exchange.phases,
  };
}

function phasesMs(exchange: HttpExchange): Sample['ms'] {
  const ms: Sample['ms'] = {};
  for (const { name, startUs, endUs } of exchange.phases) {
    const measure = MEASURE_OF[name];
    if (measure !== undefined) ms[measure] = (ms[measure] ?? 0) + (endUs - startUs) / 1000;
  }
  return ms;
}

/** From the arrivals of the parts' last bytes. */
function bodyMs(headersUs: number, doneUs: number, attrs: Readonly<Record<string, unknown>> | undefined): Sample['ms'] {
  const chunkUs: unknown = attrs?.['chunkUs'];
  const chunkBytes: unknown = attrs?.['chunkBytes'];
  if (!Array.isArray(chunkUs) || !Array.isArray(chunkBytes)) return {};
  const arrivalUs = (bytes: number): number => {
    let sum = 0;
    const index = chunkBytes.findIndex((each) => (sum += Number(each)) >= bytes);
    return Number(chunkUs[index]);
  };
  const [one, two] = [ANSWER_PARTS[0].length, ANSWER_PARTS[0].length + ANSWER_PARTS[1].length];
  const [firstUs, secondUs] = [arrivalUs(one), arrivalUs(two)];
  return {
    first: (firstUs - headersUs) / 1000,
    between: (secondUs - firstUs) / 1000,
    tail: (doneUs - secondUs) / 1000,
  };
}

/** The clients send their own requests and use their own parsers, as in the providers. */
const SEND: Readonly<Record<Client, (call: OpenCall, origin: string) => Promise<unknown>>> = {
  fetch: async (call, origin) => (await call.fetch(`${origin}/fetch`, { method: 'POST', body: '{}' })).text(),
  async fal(call, origin) {
    const fal = createFalClient({
      credentials: 'honesty',
      fetch: call.fetch,
      retry: { maxRetries: 0 },
      requestMiddleware: (each) => Promise.resolve({ ...each, url: each.url.replace('https://fal.run', origin) }),
    });
    const stream = await fal.stream('honesty/suite', { input: {}, signal: call.signal });
    return stream.done();
  },
  async openai(call, origin) {
    const client = new OpenAI({ apiKey: 'honesty', baseURL: `${origin}/v1`, maxRetries: 0, fetch: call.fetch });
    const messages = [{ role: 'user' as const, content: 'go' }];
    const stream = await client.chat.completions.create(
      { model: 'm', messages, stream: true },
      { signal: call.signal },
    );
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    return text;
  },
};
