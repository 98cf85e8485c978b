/** Ledgers summed by stage and phase, in the order of the pipeline. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { LEDGER_STAGES, PHASES, type LedgerStage, type Phase } from '../../service/base/events.ts';

/** A part of a ledger. Without a phase: the total of the stage. */
export interface LedgerKey {
  stage: LedgerStage;
  phase?: Phase;
}

/** The time of a part in one turn; 0 where the turn has no such part. */
export function ledgerUs({ ledger }: Pick<TurnSummary, 'ledger'>, { stage, phase }: LedgerKey): number {
  let sumUs = 0;
  for (const part of ledger)
    if (part.stage === stage && (phase === undefined || part.phase === phase)) sumUs += part.us;
  return sumUs;
}

/** The parts of all turns: the total of a stage, then its phases. */
export function ledgerKeys(turns: Iterable<Pick<TurnSummary, 'ledger'>>): LedgerKey[] {
  const seen = new Set<string>();
  for (const { ledger } of turns) for (const { stage, phase, us } of ledger) if (us > 0) seen.add(`${stage}/${phase}`);
  return LEDGER_STAGES.flatMap((stage): LedgerKey[] => {
    const phases = PHASES.filter((phase) => seen.has(`${stage}/${phase}`));
    return phases.length === 0 ? [] : [{ stage }, ...phases.map((phase) => ({ stage, phase }))];
  });
}
