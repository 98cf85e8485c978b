/** A strategy from a file of the operator's: the defaults, patched. */
import { readFileSync } from 'node:fs';
import { InputError } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { resolveStrategy } from './patch.ts';
import type { Strategy } from './strategy.ts';

/** The defaults where no file is named. Throws `InputError` that names the file when it is missing, is not a JSON object, or has a knob that does not exist. */
export function strategyFromFile(path: string | undefined): Strategy {
  if (path === undefined) return resolveStrategy([], 'defaults');
  let patch: unknown;
  try {
    patch = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InputError(`RETAKE_STRATEGY=${path}: cannot be read as JSON`, { cause: error });
  }
  if (!isObject(patch)) throw new InputError(`RETAKE_STRATEGY=${path}: not a JSON object`);
  return resolveStrategy([patch], `RETAKE_STRATEGY=${path}`);
}
