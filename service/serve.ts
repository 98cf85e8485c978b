/** A running service: world, sessions, capture, traces and sockets put together, and taken apart again within 2 s. */
import { createServer as createHttpServer } from 'node:http';
import { once } from 'node:events';
import { openDiskCache } from './calls/speech-cache.ts';
import pino from 'pino';
import { APOLOGY_LANGUAGES, rehearseApology } from './turn/apologize.ts';
import { createBundleWriter, type BundleWriter } from './capture/bundle-writer.ts';
import { EXPORTER, FORMAT, type SessionHeader } from './capture/format.ts';
import { projectTurns } from './capture/projection.ts';
import { createFolderStore } from './capture/store.ts';
import type { Config } from './config.ts';
import { foldersIn } from './base/data-folder.ts';
import { eraseSession } from './capture/erase.ts';
import { describeError, isDiskError } from './base/errors.ts';
import { apart, createGenerations } from './generations.ts';
import { createReadBack } from './http/read-back.ts';
import { createRegistry, type NewSession } from './http/registry.ts';
import { createServer } from './http/server.ts';
import { serveSockets } from './http/socket.ts';
import { checkRegion } from './net/regions.ts';
import { unpredictableHex } from './base/random.ts';
import { createSession, type Session } from './turn/session.ts';
import { REFERENCE_DETECTOR } from './audio/speech-end.ts';
import type { TurnPorts } from './calls/stage.ts';
import { resolveStrategy } from './strategy/patch.ts';
import { strategyHash, type Strategy } from './strategy/strategy.ts';
import { createServiceMetrics } from './telemetry/service-metrics.ts';
import { createTracing } from './telemetry/otel.ts';
import { createSpool } from './spool/spool.ts';
import { warmUp } from './warm-up.ts';
import type { RunWorld } from './world.ts';

export interface ServiceOptions {
  config: Config;
  world: RunWorld;
  strategy: Strategy;
  commit: string;
  /** The stand-ins' profile, absent in `live`. */
  profile?: string;
  /** Where the log goes; silent by default in demos and tests. */
  logLevel?: 'info' | 'silent';
}

export interface Service {
  url: string;
  /** Resolves when what turns have written so far is on disk. */
  flushed(): Promise<void>;
  /** Stops listening, lets captures and traces reach the disk, and is done within 2 s. */
  close(): Promise<void>;
}

const SPOOL_LIMIT_BYTES = 512 * 1024 * 1024;
const CLOSE_LIMIT_MS = 2000;

export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, world } = options;
  const { clock } = world;
  checkRegion(options.strategy.network.region, world.regions ?? {});
  const logger = pino({ name: 'retake', level: options.logLevel ?? 'info' });
  const onError = (error: unknown): void => {
    logger.error(
      { error: describeError(error) },
      isDiskError(error) ? 'the turn went on, but what is kept of it could not be written' : 'a fault of ours',
    );
  };
  const folders = foldersIn(config.dataFolder);
  const store = createFolderStore(folders.captures);
  const spool = createSpool({
    dir: folders.spool,
    clock,
    maxBytes: SPOOL_LIMIT_BYTES,
    keepSentBytes: SPOOL_LIMIT_BYTES / 4,
    log: (message) => logger.warn(message),
    ...(config.otlpEndpoint === undefined ? {} : { endpoint: config.otlpEndpoint }),
    headers: config.otlpHeaders,
  });
  const tracing = createTracing({ spool, onError });
  const metrics = createServiceMetrics({
    spool: () => spool.counters(),
    pools: () => world.pools?.() ?? [],
    sessions: () => registry.count(),
  });
  const runId = unpredictableHex(16);
  const speechCache = openDiskCache(folders.speech, () => clock.epochUs());
  const bundles = new Map<string, BundleWriter>();
  const generations = createGenerations(onError);

  const open = (request: NewSession): Session => {
    const id = unpredictableHex(20);
    const strategy = resolveStrategy(
      [request.strategy ?? {}, ...(request.voice === undefined ? [] : [{ tts: { voice: request.voice } }])],
      'strategy',
      options.strategy,
    );
    checkRegion(strategy.network.region, world.regions ?? {});
    const header = headerOf(id, request, strategy);
    const bundle = header === undefined ? undefined : createBundleWriter(store, header);
    if (bundle !== undefined) bundles.set(id, bundle);
    const traced = projectTurns({ tracing, ...(bundle === undefined ? {} : { bundle }) });
    const asking = (turnIndex: number): TurnPorts => world.ports(apart(strategy), id, turnIndex);
    return createSession({
      id,
      language: request.language ?? 'tr',
      ...(request.greeting === undefined ? {} : { greeting: request.greeting }),
      systemPrompt: request.systemPrompt ?? '',
      history: request.history ?? [],
      strategy,
      identity: {
        runId,
        world: config.world,
        lane: 'captured',
        variant: 'captured',
        arm: options.commit.slice(0, 12),
        strategyHash: strategyHash(strategy),
        ...(options.profile === undefined ? {} : { profile: options.profile }),
        ...(request.interview === undefined ? {} : { interview: request.interview }),
      },
      ports: (turnIndex) => ({ ...world.ports(strategy, id, turnIndex), speechCache }),
      traceIds: () => unpredictableHex(32),
      projections: [
        config.generationRecords ? generations.before(traced, id, asking) : traced,
        metrics.projection,
        {
          opened: () => undefined,
          closed: (log, measured) => {
            registry.finished(log, measured);
            const { sessionId, turnIndex, traceId, e2eUs, failure } = measured.summary;
            logger.info(
              {
                sessionId,
                turnIndex,
                traceId,
                e2eMs: e2eUs === undefined ? undefined : e2eUs / 1000,
                failure: failure?.kind,
              },
              'turn',
            );
            bundle?.flushed().catch(onError);
          },
        },
      ],
      onProjectionError: onError,
    });
  };
  const headerOf = (sessionId: string, request: NewSession, strategy: Strategy): SessionHeader | undefined => {
    if (config.capture === 'off') return undefined;
    const { systemPrompt = '', history = [] } = request;
    return {
      format: FORMAT,
      exporter: EXPORTER,
      level: config.capture,
      sessionId,
      startedEpochUs: clock.epochUs(),
      world: config.world,
      commit: options.commit,
      language: request.language ?? 'tr',
      systemPromptChars: systemPrompt.length,
      historyChars: history.map(({ content }) => content.length),
      ...(config.capture === 'full' ? { systemPrompt, history } : {}),
      strategy,
      endpoints: { ...world.endpoints },
      referenceDetector: {
        name: REFERENCE_DETECTOR.name,
        version: REFERENCE_DETECTOR.version,
        thresholdDbfs: REFERENCE_DETECTOR.thresholdDbfs,
      },
      ...(options.profile === undefined ? {} : { profile: options.profile }),
      ...(request.interview === undefined ? {} : { interview: request.interview }),
    };
  };
  const registry = createRegistry({
    clock,
    open,
    eraseCapture: async (id) => {
      await generations.stop(id);
      await bundles.get(id)?.flushed().catch(onError);
      bundles.delete(id);
      return eraseSession({ captures: store, spool, speech: speechCache }, id);
    },
    onForgotten: (id) => void bundles.delete(id),
  });

  const readBack = createReadBack(registry, store);
  const key = config.apiKey === undefined ? {} : { apiKey: config.apiKey };
  const server = createHttpServer(createServer({ clock, registry, readBack, metrics, onError, ...key }));
  const closeSockets = serveSockets({ server, clock, registry, onError, ...key });
  await warmUp(world, options.strategy);
  server.listen(config.port, config.host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  logger.info({ url, world: config.world, capture: config.capture }, 'listening');
  const closing = new AbortController();
  if (options.strategy.cache.responses) {
    const ports = { ...world.ports(options.strategy, 'apologies', 0), speechCache };
    for (const language of APOLOGY_LANGUAGES) {
      // off every turn's path; without it a failed turn ends in silence
      rehearseApology(ports, options.strategy, language, closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted) onError(error);
      });
    }
  }

  const flushed = async (): Promise<void> => {
    await generations.settled();
    await Promise.all([...bundles.values()].map((bundle) => bundle.flushed()));
  };
  return {
    url,
    flushed,
    async close() {
      closing.abort(new Error('the service closes'));
      const unanswered = generations.stop();
      closeSockets();
      server.close();
      server.closeAllConnections();
      const limit = new AbortController();
      // turns whose clients have just been sent away still have to end and to reach the disk
      const orderly = registry
        .idle()
        .then(() => unanswered)
        .then(() => Promise.all([flushed().catch(onError), tracing.shutdown(), world.close()]));
      await Promise.race([orderly, clock.sleep(CLOSE_LIMIT_MS, limit.signal)]);
      limit.abort(new Error('closed'));
      orderly.catch(onError);
    },
  };
}
