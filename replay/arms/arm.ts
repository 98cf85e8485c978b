/**
 * One arm: runs captured turns again under one strategy. Each (session, lane, run) has a world of its own. So no arm inherits
 * sockets, names, TLS sessions, caches or draws of another. In `sim` an arm lives in the scheduler's process; in `wire` and
 * `live` each arm is a worker process (worker.ts).
 */
import { lowest } from '../../service/base/quantile.ts';
import { InputError } from '../../service/base/errors.ts';
import { createMemoryCache, type SpeechCache } from '../../service/calls/speech-cache.ts';
import type { TurnLog } from '../../service/base/events.ts';
import type { TimesBasis } from '../../service/base/ports.ts';
import { keyedHex } from '../../service/base/random.ts';
import { observeTurn } from '../../service/turn/observe.ts';
import { strategyHash, type Strategy } from '../../service/strategy/strategy.ts';
import { createRealWorld, type ProviderAccess, type RunWorld } from '../../service/world.ts';
import { fitTo, type Fit } from '../../sim/times/fit.ts';
import { redrawnSessions } from '../../sim/times/redraw.ts';
import type { Observation } from '../../sim/times/observed.ts';
import { DRAW_HEADER, type Draws } from '../../sim/times/plan.ts';
import type { Profile } from '../../sim/times/profile.ts';
import type { Scenario } from '../../sim/faults/scenario.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { capturedAudio, speakAgain } from './captured-audio.ts';
import {
  capturedTurnsOf,
  historyBefore,
  outlivesSockets,
  startEpochUs,
  type CapturedSession,
} from '../sessions/captured-session.ts';
import type { Pace, PlannedRun } from './planned.ts';
import { speakersOf, type Words } from './words.ts';

/** What an arm runs against, as data that can be sent to a worker. */
export type ArmWorld =
  | {
      world: 'sim';
      profile: Profile;
      seed: string;
      draws: Draws;
      /** Where times come from if they can: `captured` exchanges, or as if every request differed from its capture, or the profile. */
      source: TimesBasis;
      /** To which times are fitted; by default those of the replayed session alone. */
      observations?: readonly Observation[];
      /** Times are fitted to the observations of sessions drawn anew, by the refit's number, and kinds are at other levels: 1 where none is named. */
      refit?: { number: number; levels: Readonly<Record<string, number>> };
      scenario?: Scenario;
    }
  | { world: 'wire'; access: ProviderAccess; caPem: string; seed: string }
  | { world: 'live'; access: ProviderAccess; seed: string };

export interface TurnTask {
  planned: PlannedRun;
  strategy: Strategy;
  /** Names commit and variant, on every span. */
  arm: string;
  runId: string;
  pace: Pace;
  words: Words;
  /** Ends the system prompt with the lane's key, on the captured words only: a model may say the key, and then the lane has other words. */
  promptNonce?: boolean;
  /** The last turn of the session in this run: its world is closed afterwards. */
  last: boolean;
}

/** A turn that was run. Its log holds no audio. Its text goes into a file only when the user asks for text. */
export interface ArmTurn {
  log: TurnLog;
  transcript: string;
  replyText: string;
}

export interface Arm {
  /** Runs one turn at a time. Rejects when the runner fails. A failure of a provider is in the log. */
  turn(session: CapturedSession, task: TurnTask): Promise<ArmTurn>;
  close(): Promise<void>;
}

interface OwnWorld extends RunWorld {
  run<T>(main: () => Promise<T>): Promise<T>;
}
interface OpenSession {
  world: OwnWorld;
  /** When its first turn would have begun, on the world's clock. */
  beganUs: number;
}

export function createArm(against: ArmWorld, signal?: AbortSignal): Arm {
  const open = new Map<string, OpenSession>();
  /** One a run. A session meets only speech of earlier sessions. */
  const speech = new Map<string, SpeechCache>();
  const cacheOf = ({ lane, variant, run }: PlannedRun): SpeechCache => {
    const key = [lane, variant, run].join('\u0000');
    // its time limit outlasts any replay: the clocks of an arm's worlds need not agree
    const cache = speech.get(key) ?? createMemoryCache(() => 0, { earlierSessionsOnly: true });
    speech.set(key, cache);
    return cache;
  };
  const fit = fitOf(against);
  const close = async (key: string): Promise<void> => {
    const known = open.get(key);
    open.delete(key);
    await known?.world.close();
  };
  return {
    async turn(session, task) {
      const { planned, strategy } = task;
      const key = [planned.sessionId, planned.lane, planned.variant, planned.run].join('\u0000');
      const log = session.turns.find(({ identity }) => identity.turnIndex === planned.turnIndex);
      if (log === undefined)
        throw new InputError(`session ${session.sessionId} has no captured turn ${planned.turnIndex}`);
      if (task.pace === 'fast' && outlivesSockets(session, log, strategy)) await close(key);
      let here = open.get(key);
      if (here === undefined) {
        const world = worldFor(against, session, planned, fit);
        here = { world, beganUs: world.clock.nowUs() };
        open.set(key, here);
      }
      try {
        return await runAgain({ against, ...here, speechCache: cacheOf(planned), session, log, task, signal });
      } finally {
        if (task.last) await close(key);
      }
    },
    async close() {
      await Promise.all([...open.keys()].map(close));
    },
  };
}

function fitOf(against: ArmWorld): Fit | undefined {
  if (against.world !== 'sim' || against.observations === undefined) return undefined;
  const { observations, profile, seed, refit } = against;
  if (refit === undefined) return fitTo(observations, profile);
  const levelOf = (kind: string): number => refit.levels[kind] ?? 1;
  return fitTo(observations, profile, { ...redrawnSessions(observations, seed, refit.number), levelOf });
}

interface RunOptions extends OpenSession {
  against: ArmWorld;
  speechCache: SpeechCache;
  session: CapturedSession;
  /** The captured turn. */
  log: TurnLog;
  task: TurnTask;
  signal?: AbortSignal;
}

async function runAgain(options: RunOptions): Promise<ArmTurn> {
  const { against, world, beganUs, speechCache, session, log, task, signal } = options;
  const { planned, strategy, arm, runId, pace } = task;
  const { sessionId, turnIndex, lane, variant, run } = planned;
  const key = keyedHex(16, runId, sessionId, lane, variant, run);
  const { log: replayed, ...texts } = await world.run(async () => {
    if (pace === 'captured') {
      // the captured gaps between turns age connections as they did then
      const firstUs = lowest(session.turns.map(startEpochUs));
      const earlyUs = beganUs + (startEpochUs(log) - firstUs) - world.clock.nowUs();
      if (earlyUs > 0) await world.clock.sleep(earlyUs / 1000, signal);
    }
    const audible = Promise.withResolvers<number>();
    const ports = { ...world.ports(strategy, sessionId, turnIndex), speechCache };
    return observeTurn(
      against.world === 'sim' ? ports : { ...ports, ...speakersOf(task, ports, log, key) },
      {
        identity: {
          sessionId,
          turnIndex,
          traceId: keyedHex(32, runId, sessionId, turnIndex, lane, variant, run),
          runId,
          world: against.world,
          lane,
          variant,
          arm,
          strategyHash: strategyHash(strategy),
          linkedTraceId: log.identity.traceId,
          interview: session.interview,
          profile: session.profile,
        },
        strategy,
        conversation: {
          systemPrompt: session.systemPrompt,
          history: historyBefore(session, turnIndex),
        },
        language: session.language,
        audio: speakAgain(capturedAudio(log, { shaped: against.world === 'sim' }), world.clock, audible.promise),
        reply: { audio: () => Promise.resolve() },
        sinks: [({ kind, atUs }) => kind === 'deliver.first_audible' && audible.resolve(atUs)],
        onSinkError: (error) => {
          throw error;
        },
        signal,
      },
      [],
    );
  });
  return { transcript: texts.transcript, replyText: texts.replyText, log: withoutAudio(replayed) };
}

function worldFor(against: ArmWorld, session: CapturedSession, { run }: PlannedRun, fit: Fit | undefined): OwnWorld {
  switch (against.world) {
    case 'sim': {
      const world = createSimWorld({
        profile: against.profile,
        scenario: against.scenario,
        seed: run === 0 ? against.seed : `${against.seed}/${run}`,
        draws: against.draws,
        captured: {
          turns: capturedTurnsOf(session),
          strategy: session.strategy,
          source: against.source,
          fit,
        },
      });
      return { ...world, run: (main) => world.clock.run(main) };
    }
    case 'wire': {
      const { access, caPem, seed } = against;
      const headersFor: NonNullable<Parameters<typeof createRealWorld>[0]['headersFor']> = ({
        traceId: _traceId,
        ...context
      }) => ({
        // a repetition has draws of its own
        [DRAW_HEADER]: JSON.stringify(
          run === 0 ? context : { ...context, sessionId: `${context.sessionId}/${String(run)}` },
        ),
      });
      return { ...createRealWorld({ access, caPem, seed, headersFor }), run: (main) => main() };
    }
    case 'live':
      return { ...createRealWorld({ access: against.access, seed: against.seed }), run: (main) => main() };
    default:
      return against satisfies never;
  }
}

function withoutAudio(log: TurnLog): TurnLog {
  return {
    ...log,
    events: log.events.map(({ content, ...event }) =>
      content?.text === undefined ? event : { ...event, content: { text: content.text } },
    ),
  };
}
