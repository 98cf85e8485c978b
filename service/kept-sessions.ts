/** Sessions whose turns are kept: in a capture, as spans and in the metrics. Opens them, and erases what was kept. */
import type { Logger } from 'pino';
import type { SpeechCache } from './calls/speech-cache.ts';
import type { TurnPorts } from './calls/stage.ts';
import { createBundleWriter, type BundleWriter } from './capture/bundle-writer.ts';
import { eraseSession } from './capture/erase.ts';
import { projectTurns } from './capture/projection.ts';
import type { CaptureStore } from './capture/store.ts';
import { InputError } from './base/errors.ts';
import type { Clock } from './base/ports.ts';
import { unpredictableHex } from './base/random.ts';
import type { Config } from './config.ts';
import { apart, type Generations } from './generations.ts';
import type { NewSession } from './http/registry.ts';
import {
  checkInterview,
  checkRunnable,
  sessionHeaderOf,
  turnIdentityOf,
  sessionLanguageOf,
  strategyOf,
  type ServiceFacts,
} from './session-facts.ts';
import type { Spool } from './spool/spool.ts';
import type { Strategy } from './strategy/strategy.ts';
import type { Tracing } from './telemetry/otel.ts';
import type { Projection } from './turn/observe.ts';
import { createSession, type Session } from './turn/session.ts';
import type { RunWorld } from './world.ts';

export interface KeptSessions {
  /** Throws `InputError` for a strategy that cannot be, or an interview that nobody knows. */
  open(request: NewSession): Session;
  /**
   * Takes the session out of every place. True when something was kept of it. The spool is searched only for a session that is `known`
   * or captured: others cost no search of the disk.
   */
  erase(sessionId: string, known: boolean): Promise<boolean>;
  /** The session is closed; what was kept of it stays. */
  forget(sessionId: string): void;
  /** Resolves when all that the captures were handed is on disk; rejects with the first failure. */
  flushed(): Promise<void>;
}

export interface KeptSessionsOptions {
  facts: ServiceFacts;
  /** Of sessions that ask for no other. */
  strategy: Strategy;
  level: Config['capture'];
  /** Ask for the gateway's records of each turn's answers. */
  withRecords: boolean;
  clock: Clock;
  world: RunWorld;
  store: CaptureStore;
  spool: Spool;
  speechCache: SpeechCache;
  tracing: Tracing;
  generations: Generations;
  /** Further receivers of every turn. */
  projections: readonly Projection[];
  logger: Logger;
  onError: (error: unknown) => void;
}

export function createKeptSessions(options: KeptSessionsOptions): KeptSessions {
  const { facts, level, clock, world, store, spool, speechCache, tracing, generations, logger, onError } = options;
  const runId = unpredictableHex(16);
  const bundles = new Map<string, BundleWriter>();

  const captureOf = (session: Parameters<typeof sessionHeaderOf>[0]): BundleWriter | undefined => {
    if (level === 'off') return undefined;
    const bundle = createBundleWriter(store, sessionHeaderOf(session, facts, level), (what) => logger.warn(what));
    bundles.set(session.sessionId, bundle);
    return bundle;
  };
  const isCaptured = (sessionId: string): Promise<boolean> =>
    store.find(sessionId).then(
      () => true,
      (error: unknown) => {
        if (error instanceof InputError) return false;
        throw error;
      },
    );
  return {
    open(request) {
      checkInterview(request, world.interviews);
      const sessionId = unpredictableHex(20);
      const strategy = strategyOf(request, options.strategy);
      checkRunnable(strategy, { world: facts.world, regions: world.regions });
      const session = { sessionId, startedEpochUs: clock.epochUs(), request, strategy };
      const bundle = captureOf(session);
      const traced = projectTurns({ tracing, bundle });
      const asking = (turnIndex: number): TurnPorts => world.ports(apart(strategy), sessionId, turnIndex);
      return createSession({
        id: sessionId,
        language: sessionLanguageOf(request),
        greeting: request.greeting,
        systemPrompt: request.systemPrompt ?? '',
        history: request.history ?? [],
        strategy,
        identity: turnIdentityOf(session, facts, runId),
        ports: (turnIndex) => ({ ...world.ports(strategy, sessionId, turnIndex), speechCache }),
        traceIds: () => unpredictableHex(32),
        projections: [
          options.withRecords ? generations.before(traced, sessionId, asking) : traced,
          ...options.projections,
          logTurns(logger),
          { opened: () => undefined, closed: () => void bundle?.flushed().catch(onError) },
        ],
        onProjectionError: onError,
      });
    },
    async erase(sessionId, known) {
      await generations.stop(sessionId);
      await bundles.get(sessionId)?.flushed().catch(onError);
      bundles.delete(sessionId);
      if (!known && !(await isCaptured(sessionId))) return false;
      return eraseSession({ captures: store, spool, speech: speechCache }, sessionId);
    },
    forget(sessionId) {
      const bundle = bundles.get(sessionId);
      // kept until it is written, so that a service that closes waits for it
      const written = (): void => void (bundles.get(sessionId) === bundle && bundles.delete(sessionId));
      bundle?.flushed().then(written, (error: unknown) => {
        written();
        onError(error);
      });
    },
    async flushed() {
      await Promise.all([...bundles.values()].map((bundle) => bundle.flushed()));
    },
  };
}

/** A line a turn; no content. */
function logTurns(logger: Logger): Projection {
  return {
    opened: () => undefined,
    closed(_log, { summary: { sessionId, turnIndex, traceId, e2eUs, failure } }) {
      const e2eMs = e2eUs === undefined ? undefined : e2eUs / 1000;
      logger.info({ sessionId, turnIndex, traceId, e2eMs, failure: failure?.kind }, 'turn');
    },
  };
}
