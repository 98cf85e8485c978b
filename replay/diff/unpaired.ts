/**
 * Two production windows that share no turn: means side by side, over sessions. More than the change may differ between two
 * windows. So the comparison is observational and never claims `faster`. Pure.
 */
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { isMeasured, lossesOf } from './align.ts';
import { marginMsOf, type Diff } from './diff.ts';
import { type DiffRow } from './diff-rows.ts';
import { ledgerKeys, ledgerUs } from './ledger-rows.ts';
import { percentileOf } from './percentiles.ts';
import { DEFAULT_BOUNDS, judge } from './verdict.ts';
import { clusteredMean } from '../statistics/estimates.ts';
import { studentT975 } from '../statistics/distributions.ts';

type Figure = (turn: TurnSummary) => number | undefined;

/** Undefined when a lane measured no turn. Throws `InputError` when the lanes measure from different zeros. */
export function diffUnpaired(a: readonly TurnSummary[], b: readonly TurnSummary[]): Diff | undefined {
  const [left, right] = [a.filter(isMeasured), b.filter(isMeasured)];
  const zeros = new Set([...left, ...right].map(({ zero }) => zero));
  if (zeros.size > 1)
    throw new InputError(
      'A and B measure from different zeros; turns of different zeros are never compared: compare streamed turns with streamed ones',
    );
  const endToEnd = unpairedRow({ stage: 'end to end' }, left, right, (turn) => turn.e2eUs);
  if (endToEnd === undefined) return undefined;
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
    generalizes: sessions > 1,
  };
}

/** Difference of means with Welch's interval (Welch 1947); the variance of a side is that between its sessions. */
function unpairedRow(
  about: Pick<DiffRow, 'stage' | 'phase'>,
  a: readonly TurnSummary[],
  b: readonly TurnSummary[],
  us: Figure,
): DiffRow | undefined {
  const [left, right] = [laneMean(a, us), laneMean(b, us)];
  if (left === undefined || right === undefined) return undefined;
  const deltaMs = right.meanMs - left.meanMs;
  const variance = left.variance + right.variance;
  const degrees =
    variance ** 2 / (left.variance ** 2 / (left.clusters - 1) + right.variance ** 2 / (right.clusters - 1));
  const half =
    left.clusters < 2 || right.clusters < 2
      ? undefined
      : variance === 0
        ? 0
        : studentT975(degrees) * Math.sqrt(variance);
  return {
    ...about,
    aMs: left.meanMs,
    bMs: right.meanMs,
    deltaMs,
    lowMs: half === undefined ? undefined : deltaMs - half,
    highMs: half === undefined ? undefined : deltaMs + half,
    deltaPct: left.meanMs > 0 ? (deltaMs / left.meanMs) * 100 : undefined,
    n: Math.min(left.n, right.n),
  };
}

function laneMean(
  lane: readonly TurnSummary[],
  us: Figure,
): { meanMs: number; variance: number; clusters: number; n: number } | undefined {
  const known = lane.flatMap((turn) => {
    const value = us(turn);
    return value === undefined ? [] : [{ sessionId: turn.sessionId, ms: value / 1000 }];
  });
  if (known.length === 0) return undefined;
  const bySession = [...Map.groupBy(known, ({ sessionId }) => sessionId).values()].map((turns) =>
    turns.map(({ ms }) => ms),
  );
  const clusters = bySession.length > 1 ? bySession : known.map(({ ms }) => [ms]);
  const { mean: meanMs, error = 0 } = clusteredMean(clusters);
  return { meanMs, variance: error ** 2, clusters: clusters.length, n: known.length };
}
