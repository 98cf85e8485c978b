/** The strategy that a configuration names: the defaults, patched by the file of RETAKE_STRATEGY. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { InputError } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { resolveStrategy } from './patch.ts';
import type { Strategy } from './strategy.ts';

/** Throws `InputError` that names the file when it is missing, is not a JSON object, or has a knob that does not exist. */
export function strategyOf({ strategyFile }: Pick<Config, 'strategyFile'>): Strategy {
  if (strategyFile === undefined) return resolveStrategy([], 'defaults');
  let patch: unknown;
  try {
    patch = JSON.parse(readFileSync(strategyFile, 'utf8'));
  } catch (error) {
    throw new InputError(`RETAKE_STRATEGY=${strategyFile}: cannot be read as JSON`, { cause: error });
  }
  if (!isObject(patch)) throw new InputError(`RETAKE_STRATEGY=${strategyFile}: not a JSON object`);
  return resolveStrategy([patch], `RETAKE_STRATEGY=${strategyFile}`);
}
