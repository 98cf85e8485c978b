/** Options of a program that is no part of `retake`: `--help`, and one line with exit code 2 for words that it does not know. */
import { Command, InvalidArgumentError } from 'commander';
import { isObject, parsedJson } from '../../service/base/json.ts';

/** A command whose options the caller adds; `words` are what one types to start it. */
export function commandOf(words: string): Command {
  return new Command(words)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .configureOutput({
      outputError: (text, write) =>
        write(`${words}: ${text.replace('error: ', '').trim().replace(/\.$/, '')}; --help lists what there is\n`),
    })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Reads an option that counts something. */
export const wholeFrom =
  (least: number) =>
  (text: string): number => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < least) throw new InvalidArgumentError(`say a whole number from ${least}`);
    return number;
  };

/** Reads an option that is a JSON object. */
export function jsonObject(text: string): Record<string, unknown> {
  const json = parsedJson(text);
  if (!isObject(json)) throw new InvalidArgumentError('say a JSON object, as it was printed');
  return json;
}
