/** A running service: what it acquires, in order, and gives back in reverse within 2 s. */
import pino from 'pino';
import { createRealClock } from './base/clock.ts';
import { createByteBudget } from './base/byte-budget.ts';
import { foldersIn } from './base/data-folder.ts';
import { describeError, diskReason, errorClass, InputError, isDiskError } from './base/errors.ts';
import { makeFoldersSync } from './base/folders.ts';
import { openDiskCache, type SpeechCache } from './calls/speech-cache.ts';
import { createFolderStore } from './capture/store.ts';
import type { Clock } from './base/ports.ts';
import type { Config } from './config.ts';
import { createGenerations } from './generations.ts';
import { createClientOf } from './http/client-address.ts';
import { createDoorkeeper, type DelaySource } from './http/doorkeeper.ts';
import { openEntrance } from './http/entrance.ts';
import { LIMITS } from './http/limits.ts';
import { createReadBack } from './http/read-back.ts';
import { createRegistry } from './http/registry.ts';
import { createServer } from './http/server.ts';
import { createSockets } from './socket/socket.ts';
import { createTickets } from './http/tickets.ts';
import { createKeptSessions } from './kept-sessions.ts';
import type { StrayError, StrayOutcome } from './last-resort.ts';
import { NO_LONGER_NEEDED } from './base/streams.ts';
import { createOwned } from './owned.ts';
import { checkRunnable } from './session-facts.ts';
import { createSpool } from './spool/spool.ts';
import type { Strategy } from './strategy/strategy.ts';
import { createTracing } from './telemetry/otel.ts';
import { createServiceMetrics } from './telemetry/service-metrics.ts';
import { APOLOGY_LANGUAGES, rehearseApology } from './turn/apologize.ts';
import { warmUp } from './warm-up.ts';
import type { RunWorld } from './world.ts';

export interface ServiceOptions {
  config: Config;
  /** Opens the world once the port is taken; the service closes it. */
  openWorld: () => RunWorld | Promise<RunWorld>;
  strategy: Strategy;
  commit: string;
  /** The stand-ins' profile, absent in `live`. */
  profile?: string;
  /** Where the log goes; silent by default in demos and tests. */
  logLevel?: 'info' | 'silent';
  /** In place of real time. */
  clock?: Clock;
  /** In place of the delay of this process's event loop. */
  loopDelay?: DelaySource;
}

export interface Service {
  url: string;
  /** Resolves when what turns have written so far is on disk. */
  flushed(): Promise<void>;
  /** Logs and counts an error that no code awaited. */
  strayed(stray: StrayError): void;
  /** Takes no new work (503), and resolves when the running turns are over, after 10 s at the latest. */
  drain(): Promise<void>;
  /** Stops listening, lets captures and traces reach the disk, and is done within 2 s. */
  close(): Promise<void>;
}

const SPOOL_LIMIT_BYTES = 512 * 1024 * 1024;
const CLOSE_LIMIT_MS = 2000;
const DRAIN_LIMIT_MS = 10_000;
/** For the last bytes of the answers. */
const DRAINED_MS = 100;
const FRAMES_SHOWN = 8;
const HTTP2_WARNING =
  'network.http2 is on: many turns that are cancelled at once can end the process (docs/operating.md, internal errors); turn it off for production';

/**
 * Takes the port, which answers 503 from then on, opens everything behind it, and resolves when the service is warm. Throws
 * `InputError` where the configuration cannot be used, after closing all that was open by then.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, strategy, commit, profile } = options;
  const logger = pino({ name: 'retake', level: options.logLevel ?? 'info' });
  const onError = (error: unknown): void => logger.error({ error: describeError(error) }, messageFor(error));
  const clock = options.clock ?? createRealClock();
  const owned = createOwned({ clock, limitMs: CLOSE_LIMIT_MS, onError });
  const { own } = owned;
  try {
    const entrance = own(await openEntrance({ ...config, clock }), (each) => each.close());
    logger.info({ url: entrance.url }, 'listening, and answering 503 until warm');
    if (strategy.network.http2) logger.warn(HTTP2_WARNING);

    const folders = foldersIn(config.dataFolder);
    const spool = own(
      createSpool({
        dir: folders.spool,
        url: entrance.url,
        clock,
        maxBytes: SPOOL_LIMIT_BYTES,
        keepSentBytes: SPOOL_LIMIT_BYTES / 4,
        endpoint: config.otlpEndpoint,
        headers: config.otlpHeaders,
        log: (message) => logger.warn(message),
      }),
      (each) => each.shutdown(),
    );
    const tracing = own(createTracing({ spool, onError, view: config.traceView }), (each) => each.shutdown());
    const world = own(await options.openWorld(), (each) => each.close());
    checkRunnable(strategy, { world: config.world, regions: world.regions });

    if (config.capture !== 'off') makeCaptures(folders.captures);
    const store = createFolderStore(folders.captures);
    const speechCache = openDiskCache(folders.speech, () => clock.epochUs());
    const generations = createGenerations(onError);
    const metrics = createServiceMetrics({
      spool: () => spool.counters(),
      pools: () => world.pools?.() ?? [],
      sessions: () => registry.count(),
      shed: () => doorkeeper.refused(),
      loopDelayMs: () => doorkeeper.delayMs(),
      readLagMs: config.traceView.readLagMs,
    });
    const kept = createKeptSessions({
      facts: { world: config.world, commit, profile, endpoints: world.endpoints },
      strategy,
      level: config.capture,
      withRecords: config.generationRecords,
      clock,
      world,
      store,
      spool,
      speechCache,
      tracing,
      generations,
      projections: [
        metrics.projection,
        { opened: () => undefined, closed: (log, measured) => registry.finished(log, measured) },
      ],
      logger,
      onError,
    });
    own(kept, (each) => each.flushed());
    const registry = createRegistry({ clock, open: kept.open, eraseCapture: kept.erase, onForgotten: kept.forget });
    own(registry, (each) => each.idle());
    // before the wait for turns: those that end in it ask for no more records
    own(generations, (each) => each.stop());

    const { apiKey } = config;
    const readBack = createReadBack(registry, store);
    const tickets = createTickets(clock);
    const onAbandoned = (): void => {
      metrics.uploadAbandoned();
      logger.debug('a client went away before its request was here in whole');
    };
    const memory = createByteBudget(LIMITS.audioBytes.value);
    const doorkeeper = own(createDoorkeeper({ clock, source: options.loopDelay }), (each) => each.close());
    const served = {
      clock,
      registry,
      tickets,
      memory,
      clientOf: createClientOf(config.trustedProxies),
      doorkeeper,
      apiKey,
      onError,
    };
    const app = createServer({ ...served, readBack, metrics, onAbandoned });
    const sockets = own(createSockets(served), (each) => each.close());

    await warmUp(world, strategy);
    const rehearsal = own(new AbortController(), (each) => each.abort(new Error('the service closes')));
    rehearseApologies({ world, strategy, speechCache, signal: rehearsal.signal, onError });
    entrance.open({ request: app, upgrade: sockets.upgrade });
    own(entrance, (each) => each.shut());
    logger.info({ url: entrance.url, world: config.world, capture: config.capture }, 'warm, and serving');

    return {
      url: entrance.url,
      async flushed() {
        await generations.settled();
        await kept.flushed();
      },
      strayed({ error, outcome, turn }) {
        metrics.strayed(outcome);
        const { sessionId, turnIndex, traceId } = turn ?? {};
        const facts = { outcome, error: errorClass(error), at: framesOf(error), sessionId, turnIndex, traceId };
        logger.error(facts, STRAYED[outcome]);
      },
      async drain() {
        entrance.refuseNew();
        sockets.refuseNew();
        const over = new AbortController();
        const limit = clock.sleep(DRAIN_LIMIT_MS, over.signal).catch(() => undefined);
        await Promise.race([registry.idle(), limit]);
        await clock.sleep(DRAINED_MS, over.signal);
        over.abort(NO_LONGER_NEEDED);
      },
      close: owned.giveBack,
    };
  } catch (error) {
    await owned.giveBack();
    throw error;
  }
}

/** Found out when the service starts, not at the first turn. */
function makeCaptures(folder: string): void {
  try {
    makeFoldersSync(folder, 0o700);
  } catch (error) {
    throw new InputError(
      `captures cannot be kept in ${folder} (${diskReason(error)}); set RETAKE_DATA to a folder that this user may write, or RETAKE_CAPTURE=off`,
    );
  }
}

const STRAYED: Readonly<Record<StrayOutcome, string>> = {
  'turn-failed': 'an error that no code awaits: its turn fails',
  'turn-over': 'an error that no code awaits: its turn is over',
  unplaced: 'an error that belongs to no turn: the service ends its running turns and stops',
};

/** Where the error was made. Its message is left out: a library may quote what a user said. */
function framesOf(error: unknown): string[] {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n') : [];
  return lines
    .filter((line) => /^ {4}at /.test(line))
    .slice(0, FRAMES_SHOWN)
    .map((line) => line.trim());
}

function messageFor(error: unknown): string {
  return isDiskError(error) ? 'the turn continued, but its capture could not be written' : 'internal error';
}

/** Synthesizes what failed turns say, off every turn's path; without it a failed turn ends in silence. */
function rehearseApologies(options: {
  world: RunWorld;
  strategy: Strategy;
  speechCache: SpeechCache;
  signal: AbortSignal;
  onError: (error: unknown) => void;
}): void {
  const { world, strategy, speechCache, signal, onError } = options;
  if (!strategy.cache.responses) return;
  const ports = { ...world.ports(strategy, 'apologies', 0), speechCache };
  for (const language of APOLOGY_LANGUAGES) {
    rehearseApology(ports, strategy, language, signal).catch((error: unknown) => {
      if (!signal.aborted) onError(error);
    });
  }
}
