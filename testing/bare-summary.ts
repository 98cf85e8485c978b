import type { TurnSummary } from '../service/turn-log/metrics.ts';

/** A turn of which nothing was measured, for tests that give the figures they are about. */
export const BARE_SUMMARY: TurnSummary = {
  sessionId: 's-1',
  turnIndex: 0,
  traceId: '0'.repeat(32),
  lane: 'baseline',
  variant: 'baseline',
  world: 'sim',
  zero: 'audio',
  ledger: [],
  serviceUs: {},
  premature: false,
};
