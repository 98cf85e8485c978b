/** Captured sessions for tests and checks of replays: uploads of a second, so that a replay in real time is short too. */
import { postedAudio } from '../service/audio/posted.ts';
import type { TurnLog } from '../service/base/events.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { FEW_INTERVIEWS, loadInterviews, runFixtureTurn } from '../sim/world/fixtures.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { createSimWorld } from '../sim/world/world.ts';
import type { ArmWorld } from '../replay/arms/arm.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import type { ExperimentOptions } from '../replay/plan/plan.ts';

const RATE_HZ = 16_000;
/** A second of a loud tone. The stand-ins answer by interview and turn, whatever was said. */
const SAID = Int16Array.from({ length: RATE_HZ }, (_, index) => Math.round(8000 * Math.sin(index / 5)));

/** Sessions `session-0` …, each `turns` uploads of one second, captured under `profile` with draws of their own. */
export async function uploadSessions(options: {
  sessions: number;
  turns: number;
  profile?: string;
  seed?: string;
}): Promise<CapturedSession[]> {
  const { profile = 'seed', seed = 'capture' } = options;
  const interviews = loadInterviews(FEW_INTERVIEWS);
  const captured: CapturedSession[] = [];
  for (let index = 0; index < options.sessions; index++) {
    const interview = interviews[index % interviews.length];
    if (interview === undefined) break;
    const sessionId = `session-${index}`;
    const world = createSimWorld({ profile: loadProfile(profile), seed, interviews });
    const turns: TurnLog[] = [];
    for (let turnIndex = 0; turnIndex < options.turns; turnIndex++) {
      const { log } = await world.clock.run(() =>
        runFixtureTurn(world, interview, turnIndex, {
          strategy: DEFAULT_STRATEGY,
          audio: (clock) => postedAudio(clock, SAID, RATE_HZ),
          profile,
          sessionId,
        }),
      );
      turns.push(log);
    }
    await world.close();
    captured.push({
      sessionId,
      language: interview.language,
      level: 'full',
      commit: 'test',
      systemPrompt: interview.systemPrompt,
      history: [],
      interview: interview.name,
      profile,
      strategy: DEFAULT_STRATEGY,
      turns,
    });
  }
  return captured;
}

/** The session as if others had kept its connections warm: no pool of its own would find them open. */
export function ofBusyService(session: CapturedSession): CapturedSession {
  const turns = session.turns.map((log) => ({
    ...log,
    events: log.events.map((event) =>
      event.kind === 'http.queued' ? { ...event, attrs: { ...event.attrs, reused: true } } : event,
    ),
  }));
  return { ...session, turns };
}

/** The session as the same stand-ins' servers would have given it: on loopback, in `wire`. */
export function asInWire(session: CapturedSession): CapturedSession {
  const turns = session.turns.map((log) => ({
    ...log,
    identity: { ...log.identity, world: 'wire' as const },
    events: log.events.map((event) =>
      event.kind === 'http.start' ? { ...event, attrs: { ...event.attrs, url: 'https://localhost:4433/x' } } : event,
    ),
  }));
  return { ...session, turns };
}

/** The options that most tests of experiments share: virtual time, profile `seed`, common draws, no refits. */
export const SIM_EXPERIMENT = {
  baseline: [],
  world: 'sim',
  profile: 'seed',
  seed: '1',
  draws: 'common',
  runs: 1,
  refits: 0,
  commit: 'test',
} as const satisfies Partial<ExperimentOptions>;

/** An arm's world by the rules of `wire` in which nobody listens: for arms that a test makes itself. */
export const NOBODY: ArmWorld = {
  world: 'wire',
  access: {
    endpoints: { falRunUrl: '', falQueueUrl: '', falRestUrl: '', openRouterUrl: '' },
    falKey: '',
    openRouterKey: '',
    audioHosts: [],
  },
  caPem: '',
  seed: '1',
};
