/** Runs a plan: captured turns again, lane by lane, each arm in a world of its own. */
import { createMemoryCache, type SpeechCache } from '../service/cache.ts';
import { InputError } from '../service/errors.ts';
import type { Lane, Message, TurnEvent, TurnLog, World } from '../service/ports.ts';
import { keyedHex } from '../service/random.ts';
import { observeTurn, type FinishedTurn, type Projection } from '../service/session.ts';
import { strategyHash, type Strategy } from '../service/strategy.ts';
import type { RunWorld } from '../service/world.ts';
import { capturedAudio, speakAgain } from './audio.ts';
import { planRuns, type PlannedLane, type PlannedRun } from './plan.ts';

/** One captured session as a replay needs it; read from a bundle. */
export interface CapturedSession {
  sessionId: string;
  language: string;
  /** `timing` captures hold no text and no audio. */
  level: 'full' | 'timing';
  commit: string;
  systemPrompt: string;
  /** What was said before the session's first captured turn. */
  history: readonly Message[];
  interview?: string;
  profile?: string;
  strategy: Strategy;
  turns: readonly TurnLog[];
}

export interface ReplayLane extends PlannedLane {
  /** The session's captured strategy → the one that this lane runs under. */
  strategyOf(captured: Strategy): Strategy;
  /** Commit and strategy of the arm, by name. */
  arm: string;
}

export interface ReplayOptions {
  sessions: readonly CapturedSession[];
  lanes: readonly ReplayLane[];
  world: Exclude<World, 'live'>;
  /** A world for one arm on one session: its own clock (in `sim`), connections and draws. */
  worldFor(
    session: CapturedSession,
    lane: ReplayLane,
    run: number,
  ): RunWorld & { run<T>(main: () => Promise<T>): Promise<T> };
  runs: number;
  seed: string;
  runId: string;
  projections: readonly Projection[];
  onTurn?: (turn: FinishedTurn, planned: PlannedRun, done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface ReplayedTurn {
  planned: PlannedRun;
  turn: FinishedTurn;
}

/** Runs every planned turn and returns them in plan order. Turns that fail are turns: they are in the result. */
export async function runReplay(options: ReplayOptions): Promise<ReplayedTurn[]> {
  const { sessions, lanes } = options;
  const plan = planRuns({
    sessions: sessions.map(({ sessionId, turns }) => ({
      sessionId,
      turns: turns.map((log) => log.identity.turnIndex),
    })),
    lanes: lanes.map(({ lane, variant }) => ({ lane, variant })),
    runs: options.runs,
    seed: options.seed,
  });
  const armed = new Map<string, ArmOnSession>();
  /** One an arm and run, met by later sessions only: what an arm says first in a session it has not said before. */
  const speech = new Map<string, SpeechCache>();
  const cacheOf = ({ lane, variant, run }: PlannedRun): SpeechCache => {
    const key = [lane, variant, run].join('\u0000');
    // its time limit outlasts any replay: the clocks of an arm's worlds need not agree
    const cache = speech.get(key) ?? createMemoryCache(() => 0, { earlierSessionsOnly: true });
    speech.set(key, cache);
    return cache;
  };
  const replayed: ReplayedTurn[] = [];
  try {
    for (const planned of plan) {
      options.signal?.throwIfAborted();
      const key = [planned.sessionId, planned.lane, planned.variant, planned.run].join('\u0000');
      const arm = armed.get(key) ?? armFor(options, planned, cacheOf(planned));
      armed.set(key, arm);
      const turn = await arm.turn(planned.turnIndex);
      replayed.push({ planned, turn });
      options.onTurn?.(turn, planned, replayed.length, plan.length);
    }
  } finally {
    await Promise.all([...armed.values()].map((arm) => arm.close()));
  }
  return replayed;
}

interface ArmOnSession {
  turn(turnIndex: number): Promise<FinishedTurn>;
  close(): Promise<void>;
}

function armFor(options: ReplayOptions, planned: PlannedRun, speechCache: SpeechCache): ArmOnSession {
  const session = options.sessions.find((each) => each.sessionId === planned.sessionId);
  const lane = options.lanes.find((each) => each.lane === planned.lane && each.variant === planned.variant);
  if (session === undefined || lane === undefined)
    throw new InputError(`session ${planned.sessionId} is not in this replay`);
  const world = options.worldFor(session, lane, planned.run);
  const strategy = lane.strategyOf(session.strategy);
  const captured = new Map(session.turns.map((log) => [log.identity.turnIndex, log]));
  const firstUs = Math.min(...session.turns.map(startEpochUs));
  const beganUs = world.clock.nowUs();

  return {
    close: () => world.close(),
    turn: (turnIndex) =>
      world.run(async () => {
        const log = captured.get(turnIndex);
        if (log === undefined) throw new InputError(`session ${session.sessionId} has no captured turn ${turnIndex}`);
        // the captured gaps between turns age connections as they did then
        const earlyUs = beganUs + (startEpochUs(log) - firstUs) - world.clock.nowUs();
        if (earlyUs > 0) await world.clock.sleep(earlyUs / 1000, options.signal);
        return observeTurn(
          { ...world.ports(strategy, session.sessionId, turnIndex), speechCache },
          {
            identity: {
              sessionId: session.sessionId,
              turnIndex,
              traceId: keyedHex(32, options.runId, session.sessionId, turnIndex, lane.lane, lane.variant, planned.run),
              runId: options.runId,
              world: options.world,
              lane: lane.lane,
              variant: lane.variant,
              arm: lane.arm,
              strategyHash: strategyHash(strategy),
              linkedTraceId: log.identity.traceId,
              ...(session.interview === undefined ? {} : { interview: session.interview }),
              ...(session.profile === undefined ? {} : { profile: session.profile }),
            },
            strategy,
            conversation: { systemPrompt: session.systemPrompt, history: historyBefore(session, turnIndex) },
            language: session.language,
            audio: speakAgain(capturedAudio(log, { shaped: options.world === 'sim' }), world.clock),
            reply: { audio: () => Promise.resolve() },
            sinks: [],
            onSinkError: (error) => {
              throw error;
            },
            ...(options.signal === undefined ? {} : { signal: options.signal }),
          },
          options.projections,
        );
      }),
  };
}

/**
 * The captured conversation up to a turn: the same history for every lane, whatever the lanes' own models said. Where the
 * capture keeps no text, as much of nothing: the prompt has its captured size.
 */
function historyBefore(session: CapturedSession, turnIndex: number): Message[] {
  const said = (log: TurnLog, kind: TurnEvent['kind']): string | undefined => {
    const event = log.events.find((each) => each.kind === kind);
    const chars = event?.attrs?.['chars'];
    return event?.content?.text ?? (typeof chars === 'number' ? 'x'.repeat(chars) : undefined);
  };
  const earlier = session.turns.filter((log) => log.identity.turnIndex < turnIndex);
  return [
    ...session.history,
    ...earlier.flatMap((log): Message[] => {
      const transcript = said(log, 'stt.done');
      const reply = said(log, 'llm.done');
      return [
        ...(transcript === undefined ? [] : [{ role: 'user' as const, content: transcript }]),
        ...(reply === undefined ? [] : [{ role: 'assistant' as const, content: reply }]),
      ];
    }),
  ];
}

function startEpochUs(log: TurnLog): number {
  return log.anchorUs + (log.events.find((event) => event.kind === 'speech.start')?.atUs ?? 0);
}

/** Lanes whose summaries a report compares. */
export function summariesOf(replayed: readonly ReplayedTurn[], lane: Lane, variant: string): FinishedTurn['summary'][] {
  return replayed
    .filter(({ planned }) => planned.lane === lane && planned.variant === variant)
    .map(({ turn }) => turn.summary);
}
