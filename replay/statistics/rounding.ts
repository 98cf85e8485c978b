/** Figures as text: parts that add up to their printed total, and signs. Pure. */
import { InvariantError } from '../../service/base/errors.ts';
import { sum } from './estimates.ts';

/**
 * Rounds values to `decimals` so that printed values add up to their printed total. Each is rounded down, and the missing units
 * go to the largest remainders (Hamilton's method). Ties go to the earlier value.
 */
export function roundToSum(values: readonly number[], decimals: number): number[] {
  const scale = 10 ** decimals;
  const units = values.map((value) => value * scale);
  const floors = units.map(Math.floor);
  const missing = Math.round(sum(units)) - sum(floors);
  if (missing < 0 || missing > values.length)
    throw new InvariantError(`cannot round ${values.length} values to their sum`);
  const order = units
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of order.slice(0, missing)) floors[index] = (floors[index] ?? 0) + 1;
  return floors.map((value) => value / scale);
}

/** `+1.5`, `−1.5`, and `0.0` for what rounds to 0: a true minus, and never −0.0. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '−'}${text}`;
}

/** A share as a whole percentage; never 100 % for less than all, nor 0 % for more than none. */
export function percentText(share: number): string {
  const rounded = Math.round(share * 100);
  const percent = share < 1 && rounded === 100 ? 99 : share > 0 && rounded === 0 ? 1 : rounded;
  return `${percent} %`;
}
