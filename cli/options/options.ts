/** Options that several commands have, and the parsers of their values. A parser's error becomes one line and exit code 2. */
import { InvalidArgumentError, Option } from 'commander';
import { definedOnly } from '../../service/base/json.ts';
import { DEFAULT_BOUNDS, type Bounds } from '../../replay/diff/verdict.ts';
import { percentText } from '../../replay/statistics/rounding.ts';

/** A whole number from 1. */
export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('Give a whole number from 1.');
  return number;
}

/** A decimal number from 0, without sign or exponent. */
export function amount(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Give a number from 0, such as 0.5.');
  return Number(text);
}

/** A share of all, such as `0.9`, `90` or `90%`, as a number from 0 to 1. */
export function share(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const value = percent === '%' || Number(number) > 1 ? Number(number) / 100 : Number(number);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('Give a share such as 0.9 or 90%.');
  return value;
}

/** All values of an option that may be given several times. */
export const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/** An option that takes one value of a list; the help shows the list. */
export function choice(flags: string, description: string, choices: readonly string[], byDefault?: string): Option {
  return new Option(flags, description).choices(choices).default(byDefault);
}

export const matchedOption = (): Option =>
  new Option(
    '--matched <share>',
    `share of the turns that both sides must have (default: ${percentText(DEFAULT_BOUNDS.matchedShare)})`,
  ).argParser(share);

export const minSessionsOption = (): Option =>
  new Option('--min-sessions <n>', `sessions that a verdict needs (default: ${DEFAULT_BOUNDS.minSessions})`).argParser(
    count,
  );

/** What the two options above set. */
export const boundsOf = ({ matched, minSessions }: { matched?: number; minSessions?: number }): Partial<Bounds> =>
  definedOnly({ matchedShare: matched, minSessions });

export const dataOption = (): Option => new Option('--data <dir>', 'data folder (default: RETAKE_DATA, then ./data)');

export const jsonOption = (description = 'print JSON'): Option => new Option('--json', description);

export const scenarioOption = (): Option =>
  new Option('--scenario <file>', 'faults and switches of the stand-ins (docs/operating.md)');

/** Which captured sessions a command reads: those named, or a sample of so many. */
export const sessionOptions = (sample: number): Option[] => [
  new Option('--sessions <ids>', 'session ids, separated by commas (default: a seeded sample)'),
  new Option('--sample <n>', 'size of the sample').argParser(count).default(sample),
];
