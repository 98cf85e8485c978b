/** A session in a simulated world, complete as in the service: history, spans, and a bundle in memory. */
import { createBundleWriter } from '../../service/capture/bundle-writer.ts';
import { EXPORTER, FORMAT, type BundleLevel } from '../../service/capture/format.ts';
import { projectTurns } from '../../service/capture/projection.ts';
import type { MeasuredTurn } from '../../service/turn-log/metrics.ts';
import type { Clock, ReplySink, UserAudio } from '../../service/base/ports.ts';
import type { TurnLog } from '../../service/base/events.ts';
import { keyedHex } from '../../service/base/random.ts';
import { createSession } from '../../service/turn/session.ts';
import { type FinishedTurn } from '../../service/turn/observe.ts';
import { REFERENCE_DETECTOR } from '../../service/audio/speech-end.ts';
import { strategyHash, type Strategy } from '../../service/strategy/strategy.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';
import type { SimWorld } from './world.ts';

export interface SimSessionOptions {
  world: SimWorld;
  sessionId: string;
  strategy: Strategy;
  language: string;
  systemPrompt: string;
  profile: string;
  interview?: string;
  level?: BundleLevel;
}

export interface SimTurn extends FinishedTurn {
  measured: MeasuredTurn;
}

export interface SimSession {
  store: MemoryStore;
  /** Runs the next turn and writes its bundle. Throws the errors of projections. */
  turn(request: { audio: (clock: Clock) => UserAudio; reply: ReplySink; signal?: AbortSignal }): Promise<SimTurn>;
}

export function createSimSession(options: SimSessionOptions): SimSession {
  const { world, sessionId, strategy, language, systemPrompt, profile, interview, level = 'full' } = options;
  const store = createMemoryStore();
  const about = { profile, interview };
  const { name, version, thresholdDbfs } = REFERENCE_DETECTOR;
  const bundle = createBundleWriter(store, {
    format: FORMAT,
    exporter: EXPORTER,
    level,
    sessionId,
    startedEpochUs: world.clock.epochUs(),
    world: 'sim',
    commit: 'simulated',
    language,
    ...(level === 'full' ? { systemPrompt, history: [] } : {}),
    systemPromptChars: systemPrompt.length,
    historyChars: [],
    strategy: { ...strategy },
    endpoints: {},
    referenceDetector: { name, version, thresholdDbfs },
    ...about,
  });
  const runId = keyedHex(16, 'simulated', sessionId, strategyHash(strategy));
  let measured: MeasuredTurn | undefined;
  let faults: unknown[] = [];
  let turns = 0;
  const session = createSession({
    id: sessionId,
    language,
    systemPrompt,
    history: [],
    strategy,
    identity: {
      runId,
      world: 'sim',
      lane: 'captured',
      variant: 'captured',
      arm: 'simulated',
      strategyHash: strategyHash(strategy),
      ...about,
    },
    ports: (turnIndex) => world.ports(strategy, sessionId, turnIndex),
    traceIds: () => keyedHex(32, runId, turns++),
    projections: [
      projectTurns({ bundle }),
      { opened: () => undefined, closed: (_log: TurnLog, each: MeasuredTurn) => void (measured = each) },
    ],
    onProjectionError: (error) => faults.push(error),
  });
  return {
    store,
    turn: ({ audio, reply, signal }) =>
      world.clock.run(async () => {
        const turn = await session.turn({ audio: audio(world.clock), reply, signal });
        await bundle.flushed();
        const [fault] = faults;
        faults = [];
        if (fault !== undefined) throw fault;
        return { ...turn, measured: measured ?? { summary: turn.summary } };
      }),
  };
}
