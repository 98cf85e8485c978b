/** The identity of a turn in tests of what a turn leaves. */
import type { TurnIdentity } from '../service/base/events.ts';

/** The first turn of session `s` in virtual time, but for what a test says. */
export function identityOf(more: Partial<TurnIdentity> = {}): TurnIdentity {
  return {
    sessionId: 's',
    turnIndex: 0,
    traceId: '1'.repeat(32),
    runId: 'r',
    world: 'sim',
    lane: 'captured',
    variant: 'captured',
    arm: 'a',
    strategyHash: 'h',
    ...more,
  };
}
