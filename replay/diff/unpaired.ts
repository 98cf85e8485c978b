/**
 * Two production windows that share no turn: means side by side, over sessions. More than the change may differ between two
 * windows. So the comparison is observational and never claims `faster`. Pure.
 */
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { isMeasured, lossesOf, meanOver, unusable } from './align.ts';
import { marginMsOf, type Diff } from './diff.ts';
import type { DiffRow, Figure } from './diff-rows.ts';
import { ledgerKeys, ledgerUs } from './ledger-rows.ts';
import { percentileOf } from './percentiles.ts';
import { DEFAULT_BOUNDS, judge } from './verdict.ts';
import { intervalOf, sum, type Interval } from '../statistics/estimates.ts';

/** Undefined when a lane has no usable turn. Throws `InputError` when the lanes measure from different zeros. */
export function diffUnpaired(a: readonly TurnSummary[], b: readonly TurnSummary[]): Diff | undefined {
  if (![a, b].every((lane) => lane.some((turn) => unusable(turn) === undefined))) return undefined;
  const [left, right] = [a.filter(isMeasured), b.filter(isMeasured)];
  const zeros = new Set([...left, ...right].map(({ zero }) => zero));
  if (zeros.size > 1)
    throw new InputError(
      'A and B measure from different zeros; turns of different zeros are never compared: compare streamed turns with streamed ones',
    );
  const endToEnd = unpairedRow({ stage: 'end to end' }, left, right, (turn) => turn.e2eUs);
  const stages = ledgerKeys([...left, ...right])
    .map((key) => unpairedRow(key, left, right, (turn) => ledgerUs(turn, key)))
    .filter((row) => row !== undefined);
  const sessions = Math.min(...[left, right].map((lane) => new Set(lane.map(({ sessionId }) => sessionId)).size));
  const marginMs = marginMsOf(left.map(({ e2eUs }) => (e2eUs ?? 0) / 1000));
  return {
    ...judge({
      effect: endToEnd,
      marginMs,
      guards: [],
      matchedShare: 0,
      sessions,
      largestShare: 0,
      invalid: [],
      observational: true,
      bounds: DEFAULT_BOUNDS,
    }),
    primary: endToEnd,
    endToEnd,
    stages,
    percentiles: [percentileOf(left, right, 0.5)].filter((each) => each !== undefined),
    marginMs,
    guards: [],
    matched: { share: 0, lost: [...lossesOf('a', a), ...lossesOf('b', b)] },
    pairs: 0,
    turns: 0,
    observational: true,
    sessions,
    generalizes: sessions !== 1,
  };
}

/**
 * Difference of means with Welch's interval (Biometrika 34, 1947); the error of a side is that over its sessions.
 */
function unpairedRow(
  about: Pick<DiffRow, 'stage' | 'phase'>,
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  us: Figure,
): DiffRow | undefined {
  const [left, right] = [valuesOf(a, us), valuesOf(b, us)];
  if (left.length === 0 || right.length === 0) return undefined;
  const [of, other] = [meanOver(left), meanOver(right)];
  const deltaMs = other.mean - of.mean;
  const { low, high } = welch(deltaMs, of, other);
  return {
    ...about,
    aMs: of.mean,
    bMs: other.mean,
    deltaMs,
    lowMs: low,
    highMs: high,
    deltaPct: of.mean > 0 ? (deltaMs / of.mean) * 100 : undefined,
    n: Math.min(left.length, right.length),
  };
}

function welch(delta: number, ...sides: readonly Interval[]): Pick<Interval, 'low' | 'high'> {
  const variances: number[] = [];
  const perDegree: number[] = [];
  for (const { error, degrees } of sides) {
    if (error === undefined || degrees === undefined) return {};
    variances.push(error ** 2);
    perDegree.push(error ** 4 / degrees);
  }
  const variance = sum(variances);
  return intervalOf(delta, Math.sqrt(variance), variance ** 2 / sum(perDegree));
}

function valuesOf(lane: readonly TurnSummary[], us: Figure): { sessionId: string; turnIndex: number; value: number }[] {
  return lane.flatMap((turn) => {
    const { sessionId, turnIndex } = turn;
    const value = us(turn);
    return value === undefined ? [] : [{ sessionId, turnIndex, value: value / 1000 }];
  });
}
