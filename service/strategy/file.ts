/** A strategy from a file of the operator's: the defaults, patched. */
import { InputError } from '../base/errors.ts';
import { readInputJson } from '../base/input-file.ts';
import { isObject } from '../base/json.ts';
import { resolveStrategy } from './patch.ts';
import { operatorPatch } from './prompt-file.ts';
import type { Strategy } from './strategy.ts';

/** The defaults where no file is named. Throws `InputError` that names the file when it is missing, is not a JSON object, or has a knob that does not exist. */
export function strategyFromFile(path: string | undefined): Strategy {
  if (path === undefined) return resolveStrategy([], 'defaults');
  const where = `RETAKE_STRATEGY=${path}`;
  const patch = readInputJson(path, 'settings', { where });
  if (!isObject(patch))
    throw new InputError(`${where}: not a JSON object; write one such as {"llm": {"maxTokens": 200}}`);
  return resolveStrategy([operatorPatch(patch, where)], where);
}
