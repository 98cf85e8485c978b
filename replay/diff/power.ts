/** What a planned comparison will find, and how many sessions would settle an open one: asked of the verdict's own rule. Pure. */
import { bisected, chiSquareQuantile, normalQuantile, studentT975 } from '../statistics/distributions.ts';
import { wordOf } from './verdict.ts';

/** How far an estimate strays: its standard error in ms, estimated with so many degrees of freedom. */
export interface Spread {
  errorMs: number;
  degrees: number;
}

const POWER = 0.8;
/** More sessions than this are no plan. */
const MOST_SESSIONS = 100_000;

/** Midpoints of equal slices of probability. */
const midpoints = (count: number): number[] => Array.from({ length: count }, (_, index) => (index + 0.5) / count);
const Z = midpoints(400).map(normalQuantile);

/** Standard errors that experiments estimate, over the true one. A search asks for the same ones again and again. */
function errorFactors(degrees: number): readonly number[] {
  if (FACTORS.degrees !== degrees) {
    FACTORS.degrees = degrees;
    FACTORS.of = midpoints(64).map((p) => Math.sqrt(chiSquareQuantile(p, degrees) / degrees));
  }
  return FACTORS.of;
}
const FACTORS: { degrees: number; of: readonly number[] } = { degrees: 0, of: [] };

/**
 * The chance that the verdict's margin rule gives one of `words` where the true difference is `effectMs`: the mean over estimates drawn from
 * a normal distribution, and over standard errors drawn from their own (χ²).
 */
export function chanceOf(
  words: readonly ('same' | 'slower' | 'faster')[],
  effectMs: number,
  marginMs: number,
  { errorMs, degrees }: Spread,
): number {
  const t = studentT975(degrees);
  const errors = errorMs === 0 ? [0] : errorFactors(degrees).map((factor) => factor * errorMs);
  let found = 0;
  for (const error of errors) {
    for (const z of Z) {
      const deltaMs = effectMs + z * errorMs;
      const word = wordOf({ deltaMs, lowMs: deltaMs - t * error, highMs: deltaMs + t * error }, marginMs);
      if (word !== undefined && words.includes(word)) found++;
    }
  }
  return found / (errors.length * Z.length);
}

/** The least true difference, in ms, that is called `slower` in 80 of 100 experiments with this spread. */
export function detectableMs(spread: Spread, marginMs: number): number {
  const isMissed = (effectMs: number): boolean => chanceOf(['slower'], effectMs, marginMs, spread) < POWER;
  let high = Math.max(marginMs, 1e-6) + spread.errorMs;
  while (isMissed(high)) high *= 2;
  return bisected(isMissed, 0, high);
}

/**
 * The fewest sessions after which 80 of 100 experiments are decided, if the true difference is `effectMs`. Undefined where more than
 * 100,000 would not do: the difference is as large as the margin.
 */
export function sessionsToSettle(effectMs: number, sdOfSessionsMs: number, marginMs: number): number | undefined {
  const isOpen = (sessions: number): boolean =>
    chanceOf(['same', 'slower', 'faster'], effectMs, marginMs, spreadOf(sdOfSessionsMs, sessions)) < POWER;
  let [low, high] = [1, 2];
  while (isOpen(high)) {
    [low, high] = [high, high * 2];
    if (high > MOST_SESSIONS) return undefined;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (isOpen(middle)) low = middle;
    else high = middle;
  }
  return high;
}

function spreadOf(sdOfSessionsMs: number, sessions: number): Spread {
  return { errorMs: sdOfSessionsMs / Math.sqrt(sessions), degrees: sessions - 1 };
}
