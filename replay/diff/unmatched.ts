/** Turns that one lane lacks, or lacks the primary figure of, or cuts off: their share, and the worst that they could hide. Pure. */
import { highest } from '../../service/base/quantile.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { intervalOver, isMeasured, type Alignment, type Lost, type TurnPair } from './align.ts';
import { differenceOf, isTime, pairsWith, type Figure } from './diff-rows.ts';
import type { Effect, WorstCase } from './verdict.ts';

/** Turns of both lanes that are compared, and those that are not. */
export interface Matched {
  /**
   * Of each lane's turns, those that both lanes ran and measured or failed, with the primary figure where either has it; the smaller of both
   * shares, 0–1.
   */
  share: number;
  lost: readonly Lost[];
}

/**
 * The matched share of the primary figure, which a turn may lack that was measured: one that A has and B has not is as good as missing. Turns
 * that have it in neither lane are no turns of this comparison.
 */
export function matchedBy({ pairs, both }: Alignment, us: Figure, turns: Readonly<Record<'a' | 'b', number>>): Matched {
  const lacks = (turn: TurnSummary): boolean => !isTime(us(turn));
  const [lackedByA, lackedByB] = [pairs.filter(({ a }) => lacks(a)), pairs.filter(({ b }) => lacks(b))];
  const neither = lackedByA.filter(({ b }) => lacks(b)).length;
  const inEither = Math.max(turns.a, turns.b) - neither;
  const inBoth = both.length - (lackedByA.length + lackedByB.length - neither);
  const lost: Lost[] = [
    { lane: 'a', cause: 'no primary figure', turns: lackedByA.length },
    { lane: 'b', cause: 'no primary figure', turns: lackedByB.length },
  ];
  return { share: inEither === 0 ? 0 : inBoth / inEither, lost: lost.filter((each) => each.turns > 0) };
}

/**
 * The effect if every unmatched turn of B had waited as long as the slowest turn seen. Unmatched are turns that B lacks, and those that B alone
 * cut off: B's time there is not that of an answer to what the user said (docs/adr/0013-cut-off-turns.md).
 */
export function worstCaseOf({ pairs, onlyA }: Alignment, us: Figure, level: number): WorstCase | undefined {
  const has = (turn: TurnSummary): boolean => isMeasured(turn) && isTime(us(turn));
  const isCutOff = ({ a, b }: TurnPair): boolean => b.premature === true && a.premature !== true;
  const known = pairs.filter(({ a }) => has(a));
  const matched = pairsWith(
    known.filter((pair) => !isCutOff(pair)),
    us,
  );
  const cutOff = known.filter(isCutOff).map(({ a }) => a);
  const lacking = [...onlyA.filter(has), ...known.filter((pair) => !has(pair.b) && !isCutOff(pair)).map(({ a }) => a)];
  if (lacking.length + cutOff.length === 0) return undefined;
  const slowestUs = highest([...pairs.flatMap(({ a, b }) => [a, b]), ...lacking].map((turn) => us(turn) ?? 0));
  const slowest = [...lacking, ...cutOff].map((a): TurnPair => ({
    a,
    b: { ...a, e2eUs: slowestUs, firstContentAudibleUs: slowestUs, replyEndUs: slowestUs },
  }));
  const effectOf = (some: readonly TurnPair[]): Effect => {
    const { mean, low, high } = intervalOver(some, differenceOf(us), level);
    return { deltaMs: mean, lowMs: low, highMs: high };
  };
  return {
    ...effectOf([...matched, ...slowest]),
    ...{ lacking: lacking.length, cutOff: cutOff.length },
    withoutCutOff: cutOff.length === 0 || matched.length === 0 ? undefined : effectOf(matched),
  };
}
