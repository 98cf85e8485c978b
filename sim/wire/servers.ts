/**
 * The stand-ins as HTTPS servers on loopback: the entry of the child process that launch.ts forks for `wire`. The first
 * message holds options; the answer holds URLs and the CA. The child exits with its parent.
 */
import { createSecureServer, Http2ServerRequest, type Http2SecureServer } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { once } from 'node:events';
import { createRealClock } from '../../service/base/clock.ts';
import { describeError } from '../../service/base/errors.ts';
import type { Endpoints } from '../../service/net/regions.ts';
import type { Clock } from '../../service/base/ports.ts';
import { exitOnStray } from '../../service/base/stray-exit.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { createIdentity, HOST, type Identity } from './certificate.ts';
import { drawContextOf } from './draw-header.ts';
import { reachable, type Handler } from '../stand-ins/exchange.ts';
import { ResetFault } from '../faults/broken-connection.ts';
import type { ServerName } from '../faults/routes.ts';
import { createFreyaStandIn } from '../stand-ins/freya.ts';
import { createOpenRouterStandIn } from '../stand-ins/openrouter.ts';
import { pipe } from './pipe.ts';
import { DRAW_HEADER, type DelayKey, type ExchangePlan, type PlannerOptions } from '../times/plan.ts';
import { atHour } from '../times/hours.ts';
import { createPlanner } from '../times/planner.ts';
import { parseProfile, valueAt, type Profile } from '../times/profile.ts';
import { setUpFigures } from '../times/profile-plan.ts';
import { regionalPlanning } from '../times/regions.ts';
import { connectionSwitches, parseScenario, tuneWith, underScenario } from '../faults/scenario.ts';
import { bothTunes, createCrowdedProvider } from '../faults/crowd.ts';
import { createScript } from '../stand-ins/script.ts';
import type { Injected, ReceivedRequest, StandInOptions, StandIns, StandInUrls, SeenByServers } from './launch.ts';

/** Starts one server an origin, each for HTTP/1.1 and HTTP/2. */
export async function serveStandIns(
  options: StandInOptions,
): Promise<Pick<StandIns, 'urls' | 'regions' | 'caPem'> & { told(): SeenByServers }> {
  const clock = createRealClock();
  const identity = await createIdentity(clock.epochUs() / 1000);
  const { inject = {} } = options;
  const scenario = parseScenario(options.scenario ?? { title: 'none', rules: [] }, 'stand-ins', 'wire');
  const profile = atHour(parseProfile(options.profile, 'stand-ins'), scenario.hour);
  const crowded = createCrowdedProvider(profile);
  const planning: PlannerOptions = {
    profile,
    seed: options.seed,
    draws: options.draws,
    delay: (key) => injectedUs(inject, key),
    tune: bothTunes(tuneWith(scenario), crowded.tune),
    link: scenario.link,
  };
  const planner = createPlanner(planning);
  const script = createScript(options.interviews ?? []);
  let connections = 0;
  /**
   * A server can delay neither a lookup nor a TCP handshake, so the TLS set-up also takes the profile's DNS and connect time.
   * The server does not know which arm opens a connection. Under common draws every connection therefore takes the median, so
   * that no arm is luckier.
   */
  const setUpMs = (name: ServerName, own: Profile): number => {
    const { dnsMs, connectMs, tlsMs } = setUpFigures(own, name === 'openrouter');
    const key = [options.seed, 'connection', connections++];
    const drawMs = (field: string, figure: Profile['network']['dnsMs']): number =>
      valueAt(figure, options.draws === 'independent' ? keyedRandom(...key, field)() : 0.5);
    return (
      drawMs('dns', dnsMs) +
      drawMs('connect', connectMs) +
      drawMs('tls', tlsMs) +
      (inject.tlsMs ?? 0) +
      (connectionSwitches(scenario, name).tlsMs ?? 0)
    );
  };
  const accepted: Record<ServerName, number> = { falRun: 0, falQueue: 0, falRest: 0, falCdn: 0, openrouter: 0 };
  const received: ReceivedRequest[] = [];
  const listen = async (name: ServerName, handlerOf: () => Handler, own = planner): Promise<string> => {
    const server = createStandIn({
      identity,
      clock,
      handlerOf: () => crowded.under(underScenario(reachable(handlerOf(), own), scenario, own), own),
      setUpMs: () => setUpMs(name, own.profile),
      ...connectionSwitches(scenario, name),
      received: (request) => {
        if (received.push({ server: name, ...request }) > RECEIVED_LIMIT) received.shift();
      },
    });
    server.on('secureConnection', () => accepted[name]++);
    server.listen(0, HOST);
    await once(server, 'listening');
    const address = server.address();
    return `https://${HOST}:${typeof address === 'object' && address !== null ? address.port : 0}`;
  };

  const openrouter = createOpenRouterStandIn({ planner, script });
  const urls: StandInUrls = {
    falRun: await listen('falRun', () => freya.falRun),
    falQueue: await listen('falQueue', () => freya.falQueue),
    falRest: await listen('falRest', () => freya.falRest),
    falCdn: await listen('falCdn', () => freya.falCdn),
    openrouter: await listen('openrouter', () => openrouter),
  };
  // the handlers above use this only once a client knows a URL
  const freya = createFreyaStandIn({ planner, script, cdnUrl: urls.falCdn, queueUrl: urls.falQueue });
  const regions: Record<string, Partial<Endpoints>> = {};
  for (const region of Object.keys(profile.regions ?? {})) {
    const own = createPlanner(regionalPlanning(planning, region));
    const { falRun } = createFreyaStandIn({ planner: own, script, cdnUrl: urls.falCdn, queueUrl: urls.falQueue });
    const gateway = createOpenRouterStandIn({ planner: own, script });
    regions[region] = {
      falRunUrl: await listen('falRun', () => falRun, own),
      openRouterUrl: `${await listen('openrouter', () => gateway, own)}/api/v1`,
    };
  }
  return {
    urls,
    regions,
    caPem: identity.caPem,
    told: () => ({ connections: { ...accepted }, requests: received }),
  };
}

function injectedUs(inject: Injected, { item }: DelayKey): number {
  if (item === 'wait') return (inject.waitMs ?? 0) * 1000;
  if (item === 'send') return (inject.sendMs ?? 0) * 1000;
  if (item === 0) return (inject.firstItemMs ?? 0) * 1000;
  return typeof item === 'number' ? (inject.laterItemsMs ?? 0) * 1000 : 0;
}

interface StandInServer {
  identity: Identity;
  clock: Clock;
  handlerOf: () => Handler;
  setUpMs: () => number;
  /** `Keep-Alive: timeout=…`, which clients obey. By default none. */
  keepAliveHintS?: number;
  /** False: the server offers HTTP/1.1 only. */
  http2?: boolean;
  received(request: Omit<ReceivedRequest, 'server'>): void;
}

const RECEIVED_LIMIT = 2000;
const socketIds = new WeakMap<object, number>();
let sockets = 0;

function createStandIn(options: StandInServer): Http2SecureServer {
  const { identity, clock, handlerOf, setUpMs } = options;
  const { certPem: cert, keyPem: key } = identity;
  const context = createSecureContext({ cert, key });
  let anonymous = 0;
  const server = createSecureServer(
    {
      cert,
      key,
      ...(options.http2 === false ? { ALPNCallback: () => 'http/1.1' } : {}),
      allowHTTP1: true, // a client without HTTP/2 gets HTTP/1.1
      SNICallback: (_name, done) => {
        clock.sleep(setUpMs()).then(() => done(null, context), done);
      },
    },
    (incoming, response) => {
      const outgoing = response as unknown as ServerResponse; // HTTP/2's response behaves the same but has another type
      options.received(receivedOf(incoming, clock));
      const header = incoming.headers[DRAW_HEADER];
      const drawn = drawContextOf(typeof header === 'string' ? header : undefined, incoming.url ?? '/', anonymous);
      if (drawn === undefined) {
        outgoing.writeHead(400, { 'content-type': 'application/json' }).end(`{"detail":"${DRAW_HEADER} is malformed"}`);
        return;
      }
      if (header === undefined) anonymous++;
      respond(incoming, outgoing, options, handlerOf(), drawn).catch((error: unknown) => {
        if (error instanceof ResetFault) {
          outgoing.destroy(); // over HTTP/2 the stream, else the socket
          return;
        }
        if (!outgoing.headersSent) outgoing.writeHead(500, { 'content-type': 'application/json' });
        outgoing.end(outgoing.writableEnded ? undefined : JSON.stringify({ detail: describeError(error) }));
      });
    },
  );
  Object.assign(server, { keepAliveTimeout: 0 }); // a client's knob decides when an idle connection closes
  server.on('connection', (socket) => {
    if (socket instanceof Socket) socket.setNoDelay(true); // with Nagle's delay a body of 5 ms takes 42
  });
  return server;
}

function receivedOf(incoming: IncomingMessage | Http2ServerRequest, clock: Clock): Omit<ReceivedRequest, 'server'> {
  const socketId = socketIds.get(incoming.socket) ?? ++sockets;
  socketIds.set(incoming.socket, socketId);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
  const { method = 'GET', url = '/' } = incoming;
  return { method, url, headers, socketId, receivedEpochUs: clock.epochUs() };
}

async function respond(
  incoming: IncomingMessage | Http2ServerRequest,
  outgoing: ServerResponse,
  { clock, keepAliveHintS }: StandInServer,
  handler: Handler,
  context: NonNullable<ReturnType<typeof drawContextOf>>,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on('close', () => gone.abort(new Error('the client went away')));
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (!name.startsWith(':')) headers.set(name, Array.isArray(value) ? value.join(', ') : (value ?? ''));
  }
  const { method = 'GET', url = '/' } = incoming;
  const body = chunks.length === 0 ? undefined : Buffer.concat(chunks);
  const authority = incoming.headers[':authority'] ?? incoming.headers.host ?? HOST;
  const request = { url: new URL(url, `https://${authority}`).href, method, headers, body };
  // on loopback an upload takes no time: the profile's upload time passes here, before the server's wait
  const arrive = async ({ networkUs }: ExchangePlan): Promise<number> => {
    const dueUs = clock.nowUs() + networkUs.send;
    if (networkUs.send > 0) await clock.sleep(networkUs.send / 1000, gone.signal);
    return dueUs;
  };
  const response = await handler(request, { context, clock, signal: gone.signal, arrive });
  const isHttp2 = incoming instanceof Http2ServerRequest;
  const answered: Record<string, string> = Object.fromEntries(response.headers);
  // without this header Node adds `Keep-Alive: timeout=5`, which clients obey; HTTP/2 has no such header
  if (!isHttp2) answered['connection'] = 'keep-alive';
  if (!isHttp2 && keepAliveHintS !== undefined) answered['keep-alive'] = `timeout=${keepAliveHintS}`;
  outgoing.writeHead(response.status, answered);
  if (!isHttp2) outgoing.flushHeaders(); // HTTP/2 has sent them already
  if (response.body === null) outgoing.end();
  else await pipe(response.body.getReader(), outgoing, gone.signal, clock);
}

if (import.meta.main && process.send !== undefined) {
  exitOnStray('retake stand-ins');
  const tell = (message: unknown): void => void process.send?.(message);
  process.on('disconnect', () => process.exit(0)); // the parent died or disconnected
  process.once('message', (options) => {
    serveStandIns(options as StandInOptions).then(
      ({ told, ...started }) => {
        process.on('message', () => tell(told()));
        tell(started);
      },
      (error: unknown) => tell({ error: describeError(error) }),
    );
  });
}
