/** Options that several commands have, and the parsers of their values. A parser's error becomes one line and exit code 2. */
import { InvalidArgumentError, Option } from 'commander';

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

/** All values of an option that may be given several times. */
export const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/** An option that takes one value of a list; the help shows the list. */
export function choice(flags: string, description: string, choices: readonly string[], byDefault?: string): Option {
  return new Option(flags, description).choices(choices).default(byDefault);
}

export const dataOption = (): Option => new Option('--data <dir>', 'data folder (default: RETAKE_DATA, then ./data)');

export const jsonOption = (description = 'print JSON'): Option => new Option('--json', description);

export const scenarioOption = (): Option =>
  new Option('--scenario <file>', 'faults and switches of the stand-ins (docs/operating.md)');

/** Which captured sessions a command reads: those named, or a sample of so many. */
export const sessionOptions = (sample: number): Option[] => [
  new Option('--sessions <ids>', 'session ids, separated by commas (default: a seeded sample)'),
  new Option('--sample <n>', 'size of the sample').argParser(count).default(sample),
];
