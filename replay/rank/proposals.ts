/** Live replays that would settle a prediction: their pairs, their detectable effect, their price. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { isGain, perTurn, type Ranked } from './rank.ts';
import { COMBINED_BY } from '../variants/variants.ts';

/** Correlation of both arms on one turn. Unknown before a live run; 0.5 is the middle of what planning tables assume. */
export const ASSUMED_CORRELATION = 0.5;

/** 1.960 + 0.842: two-sided 5 %, 80 % power. */
const QUANTILES = 1.96 + 0.842;
const FEWEST_PAIRS = 2;

/** s·√(2(1−ρ)), s the captured turns' standard deviation of ln(end to end); undefined for fewer than two turns. */
function spreadOf(captured: readonly TurnSummary[]): number | undefined {
  const logs = captured.flatMap(({ e2eUs }) => (e2eUs === undefined ? [] : [Math.log(e2eUs)]));
  if (logs.length < 2) return undefined;
  const middle = logs.reduce((sum, each) => sum + each, 0) / logs.length;
  const s = Math.sqrt(logs.reduce((sum, each) => sum + (each - middle) ** 2, 0) / (logs.length - 1));
  return s * Math.sqrt(2 * (1 - ASSUMED_CORRELATION));
}

/**
 * Pairs for 80 % power at two-sided 5 %: ⌈((1.960 + 0.842) · s · √(2(1−ρ)) / ln(1 − reduction))²⌉, the usual sample size of a paired
 * difference of logs; ρ assumed. Undefined without a reduction.
 */
export function pairsFor(captured: readonly TurnSummary[], reduction: number): number | undefined {
  const spread = spreadOf(captured);
  if (spread === undefined || reduction <= 0 || reduction >= 1) return undefined;
  return Math.max(FEWEST_PAIRS, Math.ceil(((QUANTILES * spread) / Math.log(1 - reduction)) ** 2));
}

/** The same formula the other way: the share of end to end that so many pairs find with 80 % power. */
export function detectableReduction(captured: readonly TurnSummary[], pairs: number): number | undefined {
  const spread = spreadOf(captured);
  return spread === undefined || pairs < FEWEST_PAIRS
    ? undefined
    : 1 - Math.exp((-QUANTILES * spread) / Math.sqrt(pairs));
}

export interface Proposal {
  name: string;
  /** Turn pairs for 80 % power at what is predicted. */
  pairs: number;
  /** The least effect that so many pairs find with 80 % power, in % and ms of the baseline's end to end. */
  detectablePct: number;
  detectableMs: number;
  /** Of the LLM, both arms; absent where the captured turns or the variant's have no price. */
  usd?: number;
  /** To be synthesized, both arms; no price is known for them. */
  ttsCharacters: number;
  command: string;
}

/** For the best variants that gain, and for the best combination. None with fewer than two captured turns. */
export function proposalsFor(ranked: readonly Ranked[], captured: readonly TurnSummary[], most: number): Proposal[] {
  const usd = perTurn(captured, 'costUsd');
  const characters = perTurn(captured, 'characters') ?? 0;
  const gaining = ranked.filter(isGain);
  const combined = gaining.filter(({ name }) => name.includes(COMBINED_BY));
  const worth = gaining.filter((each) => each === combined[0] || !combined.includes(each)).slice(0, most);
  return worth.flatMap(({ name, primary, usdPerTurn, charactersPerTurn }): Proposal[] => {
    const pairs = pairsFor(captured, -primary.deltaMs / primary.aMs);
    const detectable = pairs === undefined ? undefined : detectableReduction(captured, pairs);
    if (pairs === undefined || detectable === undefined) return [];
    return [
      {
        name,
        pairs,
        detectablePct: 100 * detectable,
        detectableMs: detectable * primary.aMs,
        usd: usd === undefined || usdPerTurn === undefined ? undefined : pairs * (2 * usd + usdPerTurn),
        ttsCharacters: Math.round(pairs * (2 * characters + charactersPerTurn)),
        command: `npx retake replay --variant ${name} --world live`,
      },
    ];
  });
}
