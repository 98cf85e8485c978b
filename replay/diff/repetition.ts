/** The baseline against itself: a test of the harness, which must find nothing. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { studentQuantile } from '../statistics/distributions.ts';
import { signed } from '../statistics/rounding.ts';
import { intervalOver, turnsIn, type TurnPair } from './align.ts';

/** Baseline2 − baseline, with a 99 % interval. */
export interface Repetition {
  deltaMs: number;
  lowMs: number;
  highMs: number;
  /** Distinct turns. */
  n: number;
}

/** Undefined with too few turns for an interval, and where all turns took the same time: the same captured times are no repetition. */
export function repetitionOf(
  pairs: readonly TurnPair[],
  us: (turn: TurnSummary) => number | undefined,
): Repetition | undefined {
  const known = pairs.filter(({ a, b }) => us(a) !== undefined && us(b) !== undefined);
  if (known.every(({ a, b }) => us(a) === us(b))) return undefined;
  const { mean, error, degrees } = intervalOver(known, ({ a, b }) => ((us(b) ?? 0) - (us(a) ?? 0)) / 1000);
  if (error === undefined || degrees === undefined) return undefined;
  const half = studentQuantile(0.995, degrees) * error;
  return { deltaMs: mean, lowMs: mean - half, highMs: mean + half, n: turnsIn(known) };
}

/** Why a repetition forbids a verdict: two equal arms differ, and by more than half the margin. */
export function repetitionDoubt(repetition: Repetition | undefined, marginMs: number): string[] {
  if (repetition === undefined) return [];
  const { deltaMs, lowMs, highMs } = repetition;
  if ((lowMs <= 0 && highMs >= 0) || Math.abs(deltaMs) <= marginMs / 2) return [];
  return [
    `the baseline differs from its own repetition by ${signed(deltaMs)} ms (99 % interval [${signed(lowMs)}, ${signed(highMs)}]): the lanes are not alike`,
  ];
}
