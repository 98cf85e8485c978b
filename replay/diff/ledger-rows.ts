/** Ledgers of turns summed by stage and phase, in the order of the pipeline. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';

export const STAGE_ORDER: readonly LedgerStage[] = ['endpointing', 'stt', 'llm', 'chunk', 'tts', 'deliver', 'our code'];
/** A key for each phase, so that one that is missing here does not compile: its part would be missing in every sum. */
const PHASES = {
  detect: 0,
  backoff: 1,
  slot: 2,
  hedge: 3,
  queue: 4,
  dns: 5,
  connect: 6,
  tls: 7,
  send: 8,
  wait: 9,
  poll: 10,
  body: 11,
  hold: 12,
  silence: 13,
  stall: 14,
  'our code': 15,
} as const satisfies Record<Phase, number>;
const isPhase = (text: string): text is Phase => text in PHASES;
export const PHASE_ORDER: readonly Phase[] = Object.keys(PHASES).filter(isPhase);

/** A ledger's part, or a stage's total where there is no phase. */
export interface LedgerKey {
  stage: LedgerStage;
  phase?: Phase;
}

/** What a part took in one turn; 0 where the turn has no such part. */
export function ledgerUs({ ledger }: Pick<TurnSummary, 'ledger'>, { stage, phase }: LedgerKey): number {
  let sumUs = 0;
  for (const part of ledger)
    if (part.stage === stage && (phase === undefined || part.phase === phase)) sumUs += part.us;
  return sumUs;
}

/** The parts that any of the turns has: a stage's total, then its phases. */
export function ledgerKeys(turns: Iterable<Pick<TurnSummary, 'ledger'>>): LedgerKey[] {
  const seen = new Set<string>();
  for (const { ledger } of turns) for (const { stage, phase, us } of ledger) if (us > 0) seen.add(`${stage}/${phase}`);
  return STAGE_ORDER.flatMap((stage): LedgerKey[] => {
    const phases = PHASE_ORDER.filter((phase) => seen.has(`${stage}/${phase}`));
    return phases.length === 0 ? [] : [{ stage }, ...phases.map((phase) => ({ stage, phase }))];
  });
}
