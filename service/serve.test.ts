import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, globSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { instantPorts } from '../bench/programs/workload.ts';
import { speechPcm, wavOf } from '../sim/times/speech-audio.ts';
import { createRealClock } from './base/clock.ts';
import { foldersIn } from './base/data-folder.ts';
import type { TurnPorts } from './calls/stage.ts';
import { configFrom } from './config.ts';
import { startService, type Service, type ServiceOptions } from './serve.ts';
import { createSpool } from './spool/spool.ts';
import { resolveStrategy } from './strategy/patch.ts';
import { WARM_UP_SESSION } from './warm-up.ts';
import { LIVE_ENDPOINTS, type RunWorld } from './world.ts';

const clock = createRealClock();
const WAV = Buffer.from(wavOf(speechPcm('what the user says', 32_000, 0)));
const instant = instantPorts(clock);
/** Nothing listens on port 9: what is sent there waits in the spool, and a timer for the next attempt runs. */
const NO_COLLECTOR = 'http://127.0.0.1:9';

interface Watched extends RunWorld {
  opened: number;
  closed: number;
  /** The sessions and turns that ports were asked for. */
  asked: string[];
}

function watchedWorld(ports: (sessionId: string) => TurnPorts = () => instant): Watched {
  const asked: string[] = [];
  const world: Watched = {
    opened: 0,
    closed: 0,
    asked,
    clock,
    endpoints: LIVE_ENDPOINTS,
    ports(_strategy, sessionId, turnIndex) {
      asked.push(`${sessionId}/${turnIndex}`);
      return ports(sessionId);
    },
    close: async () => void (world.closed += 1),
  };
  return world;
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'retake-serve-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const optionsFor = (
  world: Watched,
  env: Readonly<Record<string, string>>,
  rest: Partial<ServiceOptions> = {},
): ServiceOptions => ({
  config: configFrom({ OTEL_EXPORTER_OTLP_ENDPOINT: NO_COLLECTOR, ...env }),
  openWorld: () => {
    world.opened += 1;
    return world;
  },
  strategy: resolveStrategy([], 'test'),
  commit: 'test',
  logLevel: 'silent',
  ...rest,
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.close();
  return free;
}

/** Sockets, servers and timers of this process, a moment later: what has just been closed is gone then. */
async function openHandles(): Promise<string> {
  await setTimeout(20);
  return process
    .getActiveResourcesInfo()
    .filter((type) => /^(TCP|Timeout)/.test(type))
    .sort()
    .join();
}

/** A turn's spans that an earlier process left, so that the spool has something to send. */
async function leaveInSpool(dataFolder: string): Promise<void> {
  const spool = createSpool({ dir: foldersIn(dataFolder).spool, clock, maxBytes: 1e6 });
  spool.append('{"resourceSpans":[]}\n');
  await spool.shutdown();
}

interface Failing {
  name: string;
  says: RegExp;
  env?: (dataFolder: string) => Readonly<Record<string, string>>;
  world?: () => Watched;
  rest?: Partial<ServiceOptions>;
}
const FAILING: readonly Failing[] = [
  {
    name: 'the data folder cannot be written',
    says: /the spool cannot use .*; set RETAKE_DATA/,
    env: (dataFolder) => ({ RETAKE_DATA: join(dataFolder, 'file') }),
  },
  {
    name: 'a file stands where the captures go',
    says: /captures cannot be kept in .*captures \(EEXIST.*\); set RETAKE_DATA/,
    env: (dataFolder) => {
      writeFileSync(join(dataFolder, 'captures'), '');
      return {};
    },
  },
  {
    name: 'the world does not open',
    says: /no stand-ins/,
    rest: { openWorld: () => Promise.reject(new Error('no stand-ins')) },
  },
  {
    name: 'the strategy names a region that there is not',
    says: /nowhere/,
    rest: { strategy: resolveStrategy([{ network: { region: 'nowhere' } }], 'test') },
  },
  {
    name: 'the warm-up throws',
    says: /no ports/,
    world: () =>
      watchedWorld(() => {
        throw new Error('no ports');
      }),
  },
];

for (const { name, says, env = () => ({}), world = watchedWorld, rest } of FAILING) {
  test(`${name}: everything opened before is closed again`, async (t) => {
    const dataFolder = await folderFor(t);
    await writeFile(join(dataFolder, 'file'), '');
    await leaveInSpool(dataFolder);
    const port = await freePort();
    const watched = world();
    const before = await openHandles();
    const starting = startService(
      optionsFor(watched, { RETAKE_PORT: String(port), RETAKE_DATA: dataFolder, ...env(dataFolder) }, rest),
    );
    await assert.rejects(starting, says);
    assert.equal(watched.closed, watched.opened);
    assert.ok(await isFree(port));
    assert.equal(await openHandles(), before);
  });
}

test('control: a service that runs has handles open, and none once it is closed', async (t) => {
  const dataFolder = await folderFor(t);
  await leaveInSpool(dataFolder);
  const port = await freePort();
  const world = watchedWorld();
  const before = await openHandles();
  const service = await startService(optionsFor(world, { RETAKE_PORT: String(port), RETAKE_DATA: dataFolder }));
  assert.equal(service.url, `http://127.0.0.1:${port}`);
  assert.equal(world.asked.filter((each) => each.startsWith(WARM_UP_SESSION)).length, 24);
  assert.equal(await isFree(port), false);
  while (!(await openHandles()).includes('Timeout')); // the spool has tried, and waits
  assert.match(await openHandles(), /TCPServer/);
  await service.close();
  assert.equal(world.closed, 1);
  assert.ok(await isFree(port));
  assert.equal(await openHandles(), before);
});

test('a taken port: one line that says what to set; no world was opened, and the data folder was not touched', async (t) => {
  const dataFolder = join(await folderFor(t), 'data');
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const world = watchedWorld();
  await assert.rejects(startService(optionsFor(world, { RETAKE_PORT: String(port), RETAKE_DATA: dataFolder })), {
    name: 'InputError',
    message: `port ${port} is taken; stop what listens there, or set RETAKE_PORT to another port (0: any free port)`,
  });
  assert.equal(world.opened, 0);
  assert.deepEqual(world.asked, []);
  assert.equal(existsSync(dataFolder), false);
});

test('until the service is warm every path answers 503 with Retry-After, WebSockets too; then the same paths are served', async (t) => {
  const gate = Promise.withResolvers<undefined>();
  const asked = Promise.withResolvers<undefined>();
  const cold: TurnPorts = {
    ...instant,
    stt: {
      ...instant.stt,
      async transcribe(request, call) {
        asked.resolve(undefined);
        await gate.promise;
        return instant.stt.transcribe(request, call);
      },
    },
  };
  const world = watchedWorld((sessionId) => (sessionId === WARM_UP_SESSION ? cold : instant));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let warm = false;
  const starting = startService(
    optionsFor(world, { RETAKE_PORT: String(port), RETAKE_DATA: await folderFor(t) }),
  ).finally(() => (warm = true));
  await asked.promise;
  for (const [method, path] of [
    ['GET', '/healthz'],
    ['GET', '/metrics'],
    ['POST', '/v1/sessions'],
    ['DELETE', '/nowhere'],
  ] as const) {
    const response = await fetch(url + path, { method });
    assert.equal(response.status, 503, path);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(response.headers.get('retry-after'), '1');
    const { status, title, detail } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([status, title], [503, 'Warming up']);
    assert.match(String(detail), /try again/);
  }
  const socketError = async (): Promise<string> => {
    const [error] = (await once(new WebSocket(`ws://127.0.0.1:${port}/v1/sessions/x/stream`), 'error')) as [Error];
    return error.message;
  };
  assert.match(await socketError(), /503/);
  assert.equal(warm, false);

  gate.resolve(undefined);
  const service = await starting;
  t.after(() => service.close());
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  assert.equal((await fetch(`${url}/metrics`)).status, 200);
  assert.equal((await fetch(`${url}/v1/sessions`, { method: 'POST' })).status, 201);
  assert.match(await socketError(), /404/);
});

test('closing ends after 2 s though the world never closes; the rest is closed all the same', async (t) => {
  const dataFolder = await folderFor(t);
  await leaveInSpool(dataFolder);
  const world: Watched = { ...watchedWorld(), close: () => new Promise(() => undefined) };
  const before = await openHandles();
  const service = await startService(optionsFor(world, { RETAKE_PORT: '0', RETAKE_DATA: dataFolder }));
  const beganMs = performance.now();
  await service.close();
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs > 1900 && tookMs < 4000, `${tookMs} ms`);
  while ((await openHandles()) !== before); // the spool ends by itself
});

test('a rolling restart on one data folder loses no trace and no capture: both services have turns, then the old one stops', async (t) => {
  const taken: string[] = [];
  const collector = createHttpServer((request, response) => {
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => taken.push(chunk));
    request.on('end', () => response.writeHead(200).end('{}'));
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  t.after(() => collector.close());
  const dataFolder = await folderFor(t);
  const { port } = collector.address() as AddressInfo;
  const start = (): Promise<Service> =>
    startService(
      optionsFor(watchedWorld(), {
        RETAKE_PORT: '0',
        RETAKE_DATA: dataFolder,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      }),
    );
  const ids: string[] = [];
  const talk = async ({ url }: Service): Promise<void> => {
    const { id } = (await (await fetch(`${url}/v1/sessions`, { method: 'POST' })).json()) as { id: string };
    const turn = { method: 'POST', body: WAV, headers: { 'content-type': 'audio/wav' } };
    const answer = await fetch(`${url}/v1/sessions/${id}/turns`, turn);
    assert.match(await answer.text(), /event: done/);
    ids.push(id);
  };
  const before = await start();
  await talk(before);
  const after = await start();
  for (const each of [before, after, before, after]) await talk(each);
  await before.close();
  await talk(after);
  await after.close();
  // a busy machine may leave some for whoever runs next
  const next = await start();
  while (!ids.every((id) => taken.join('').includes(id))) await setTimeout(5);
  await next.close();
  assert.deepEqual(
    globSync('captures/*/*/*/*', { cwd: dataFolder })
      .map((path) => basename(path))
      .sort(),
    ids.sort(),
  );
  assert.deepEqual(globSync('spool*', { cwd: dataFolder }).sort(), ['spool', 'spool-2']);
});
