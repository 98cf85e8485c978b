/** Experiments of one cell, counted: verdicts, coverage of the interval, broken guards. */
import { intervalOver } from '../../replay/diff/align.ts';
import { differenceOf } from '../../replay/diff/diff-rows.ts';
import { judgeLanes } from '../../replay/diff/diff.ts';
import type { Verdict } from '../../replay/diff/verdict.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { experiment, type Cell, type Change } from './experiments.ts';

export interface Counted {
  runs: number;
  verdicts: Partial<Record<Verdict, number>>;
  /** Intervals that hold the true difference. */
  covered: number;
  /** Runs in which at least one guard broke. */
  broken: number;
  /** Runs in which one session held over half of the turns: a validity rule of its own. */
  lopsided: number;
  /** Mean over runs. */
  marginMs: number;
  /** Standard deviation of the estimates over runs: the true standard error. */
  errorMs: number;
  /** Of the intervals, mean over runs. */
  degrees: number;
}

/** A cell and what B does, counted over so many runs. */
export interface Task {
  cell: Cell;
  change: Change;
  runs: number;
}

export function countRuns({ cell, change, runs }: Task): Counted {
  const random = keyedRandom('statistics', ...Object.values(cell), ...Object.values(change).map(String));
  const counted: Counted = {
    runs,
    verdicts: {},
    covered: 0,
    broken: 0,
    lopsided: 0,
    marginMs: 0,
    errorMs: 0,
    degrees: 0,
  };
  let [sum, squares] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const { a, b } = experiment(cell, change, random);
    const outcome = judgeLanes(a, b);
    if (outcome === undefined) continue;
    const { judged, evidence, primary, pairsOfPrimary, us } = outcome;
    counted.degrees += (intervalOver(pairsOfPrimary, differenceOf(us)).degrees ?? 0) / runs;
    if (evidence.largestShare > 0.5) counted.lopsided++;
    counted.verdicts[judged.verdict] = (counted.verdicts[judged.verdict] ?? 0) + 1;
    const { deltaMs = 0, lowMs = Infinity, highMs = -Infinity } = primary ?? {};
    if (lowMs <= change.laterMs && highMs >= change.laterMs) counted.covered++;
    if (evidence.guards.some(({ state }) => state === 'broken')) counted.broken++;
    counted.marginMs += evidence.marginMs / runs;
    sum += deltaMs;
    squares += deltaMs ** 2;
  }
  counted.errorMs = Math.sqrt(Math.max(0, squares / runs - (sum / runs) ** 2));
  return counted;
}

/** Share of the runs with one of these verdicts, in %. */
export function shareOf({ verdicts, runs }: Counted, ...wanted: readonly Verdict[]): number {
  return (100 * wanted.reduce((total, word) => total + (verdicts[word] ?? 0), 0)) / runs;
}
