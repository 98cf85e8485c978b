/**
 * The one place where a strategy leads to a file. Only what the operator wrote comes here: the command line, RETAKE_STRATEGY, variants.
 * `tidy.test.ts` holds who may import this. Every other strategy is data, and `resolveStrategy` refuses one that names a file.
 */
import { InputError } from '../base/errors.ts';
import { readInput } from '../base/input-file.ts';
import { fieldOf, isObject, textIn } from '../base/json.ts';
import type { StrategyPatch } from './patch.ts';

/**
 * The operator's patch as data: a prompt that it names by `{"file": …}` is read and stands there as its text. Throws `InputError` that
 * begins with `where`.
 */
export function operatorPatch(patch: StrategyPatch, where: string): StrategyPatch {
  const prompt = fieldOf(patch['llm'], 'systemPrompt');
  const file = textIn(prompt, 'file');
  if (!isObject(prompt) || file === undefined) return patch;
  const { file: _file, ...rest } = prompt;
  return { ...patch, llm: { ...Object(patch['llm']), systemPrompt: { ...rest, text: readPrompt(file, where) } } };
}

function readPrompt(path: string, where: string): string {
  const named = `${where}: knob "llm.systemPrompt.file": ${path}`;
  const bytes = readInput(path, 'prompt', { where: named });
  let text: string;
  try {
    // a text that is not kept to the byte has another digest
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${named} is not UTF-8 text; save it as UTF-8`);
  }
  if (text.trim() === '') throw new InputError(`${named} is empty; write the prompt into it`);
  return text;
}
