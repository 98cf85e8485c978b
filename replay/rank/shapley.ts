/**
 * What each of several strategies contributes to their joint effect. Pure.
 *
 * Shapley's value (L. S. Shapley, "A value for n-person games", 1953) is the mean gain of switching a strategy on, over all orders of
 * switching all of them on. The contributions add up to the joint effect. Here they do so exactly: all sums are integers until the
 * last division by n!.
 */
import { InputError } from '../../service/base/errors.ts';

export interface Attribution {
  /** In the unit of `value`, divided by `shares`: contribution i is `contributions[i] / shares`. */
  contributions: readonly number[];
  /** n!: what the integers above are parts of. */
  shares: number;
  /** Everything on − nothing on. Σ contributions = together × shares, exactly. */
  together: number;
  /** Each strategy on by itself − nothing on. */
  alone: readonly number[];
  /** Of each pair: both on − one − the other + nothing; negative where they save the same time twice. */
  interactions: readonly { pair: readonly [number, number]; value: number }[];
}

/** More strategies need more than 256 replays. */
export const SHAPLEY_LIMIT = 8;

/** `value` gets a set of strategies as bits and returns an integer, so that sums are exact. It is called 2^count times. */
export function shapley(count: number, value: (set: number) => number): Attribution {
  if (!Number.isInteger(count) || count < 1 || count > SHAPLEY_LIMIT)
    throw new InputError(`Shapley values need 1 to ${SHAPLEY_LIMIT} strategies, not ${count}`);
  const values = Array.from({ length: 1 << count }, (_, set) => value(set));
  const at = (set: number): number => values[set] ?? Number.NaN;
  if (!values.every(Number.isSafeInteger)) throw new InputError('Shapley values are taken of integers only');
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  const contributions = Array.from({ length: count }, (_, player) => {
    let sum = 0;
    for (let set = 0; set < 1 << count; set++) {
      if ((set & (1 << player)) !== 0) continue;
      const before = bits(set);
      sum += factorial(before) * factorial(count - before - 1) * (at(set | (1 << player)) - at(set));
    }
    return sum;
  });
  const pairs = contributions.flatMap((_, first) =>
    contributions.slice(first + 1).map((_each, more): readonly [number, number] => [first, first + 1 + more]),
  );
  return {
    contributions,
    shares: factorial(count),
    together: at((1 << count) - 1) - at(0),
    alone: contributions.map((_, player) => at(1 << player) - at(0)),
    interactions: pairs.map((pair) => {
      const [a, b] = [1 << pair[0], 1 << pair[1]];
      return { pair, value: at(a | b) - at(a) - at(b) + at(0) };
    }),
  };
}

function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest > 0; rest &= rest - 1) count++;
  return count;
}
