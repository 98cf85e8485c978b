/** What an arm's turns come to as a whole: the mean ledger, whose parts add up, and its bets. Pure. */
import { totalBets, type BetTotals } from '../service/turn-log/bets.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import type { LedgerStage } from '../service/base/events.ts';
import { ledgerUs, STAGE_ORDER } from '../replay/diff/ledger-rows.ts';
import { mean, roundToSum } from '../replay/diff/stats.ts';

/** What 100 ms are worth in the break-even rate of a bet: an assumption, docs/metrics.md#bets. */
const WORTH_USD_PER_100_MS = 0.001;

export interface LedgerMean {
  stage: LedgerStage;
  /** Mean contribution to the wait, over the turns that were heard. */
  meanMs: number;
}

/** In the order of the pipeline; a stage that none of the turns waited for is left out. Σ meanMs is the mean first audible. */
export function meanLedger(turns: readonly TurnSummary[]): LedgerMean[] {
  const heard = turns.filter(({ e2eUs }) => e2eUs !== undefined);
  const waited = new Set(heard.flatMap(({ ledger }) => ledger.map(({ stage }) => stage)));
  return STAGE_ORDER.filter((stage) => waited.has(stage)).map((stage) => ({
    stage,
    meanMs: mean(heard.map((turn) => ledgerUs(turn, { stage }))) / 1000,
  }));
}

/** Of the arms that bet at all. */
export function betTotals(turns: readonly TurnSummary[]): BetTotals[] {
  return totalBets(
    turns.map(({ bets = [] }) => bets),
    WORTH_USD_PER_100_MS,
  );
}

/** `endpointing 500.0 + stt 740.2 + … = 2990.3`, rounded so that it adds up. */
export function ledgerText(ledger: readonly LedgerMean[]): string {
  const rounded = roundToSum(
    ledger.map(({ meanMs }) => meanMs),
    1,
  );
  const total = ledger.reduce((sum, { meanMs }) => sum + meanMs, 0);
  return `${ledger.map(({ stage }, index) => `${stage} ${(rounded[index] ?? 0).toFixed(1)}`).join(' + ')} = ${total.toFixed(1)}`;
}

/** Hits and waste of one kind of bet. */
export function betText(bet: BetTotals): string {
  const { attempts, turns, hits, misses, refused } = bet;
  const money =
    bet.wastedUsd === undefined ? '' : `, $${bet.wastedUsd.toFixed(6)}${bet.estimated ? ' (estimated)' : ''}`;
  return `${attempts} attempts in ${turns} turns, ${hits} hits, ${misses} misses, ${refused} refused; wasted ${bet.wastedTokens} tokens, ${bet.wastedChars} characters${money}`;
}
