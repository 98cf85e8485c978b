/** A session whose turns nothing keeps, and what its user says: for tests and checks that look at turns themselves. */
import { postedAudio } from '../service/audio/posted.ts';
import type { Clock, UserAudio } from '../service/base/ports.ts';
import type { World } from '../service/base/events.ts';
import type { TurnPorts } from '../service/calls/stage.ts';
import type { Strategy } from '../service/strategy/strategy.ts';
import { strategyHash } from '../service/strategy/strategy.ts';
import type { Projection } from '../service/turn/observe.ts';
import { createSession, type Session } from '../service/turn/session.ts';

const RATE_HZ = 16_000;
const TONE = Int16Array.from({ length: RATE_HZ }, (_, index) => 8000 * Math.sin(index / 5));

/** One second of a tone, posted whole. */
export const toneUpload = (clock: Clock): UserAudio => postedAudio(clock, TONE, RATE_HZ);

/** A projection that fails fails the test. */
export function bareSession(options: {
  id: string;
  world: World;
  strategy: Strategy;
  ports: (turnIndex: number) => TurnPorts;
  /** The script that the stand-ins follow; without one they answer anything. */
  interview?: { name: string; language: string; systemPrompt: string };
  projections?: readonly Projection[];
}): Session {
  const { id, world, strategy, ports, interview, projections = [] } = options;
  let traces = 0;
  return createSession({
    id,
    language: interview?.language ?? 'en',
    systemPrompt: interview?.systemPrompt ?? 'Ask.',
    history: [],
    strategy,
    identity: {
      ...{ runId: id, world, lane: 'captured', variant: 'captured', arm: id },
      strategyHash: strategyHash(strategy),
      interview: interview?.name,
    },
    ports,
    traceIds: () => String(++traces).padStart(32, '0'),
    projections,
    onProjectionError: (error) => {
      throw error;
    },
  });
}
