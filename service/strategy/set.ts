/** Knobs on the command line: `--set llm.maxTokens=200`. */
import { InputError } from '../base/errors.ts';
import { parsedJson } from '../base/json.ts';
import { checkPatch, type StrategyPatch } from './patch.ts';
import { operatorPatch } from './prompt-file.ts';

/**
 * A patch from `llm.model=openai/gpt-4o-mini`: values are JSON where they parse as JSON, else text; a prompt file is read. Throws
 * `InputError` that begins with the flag, for a knob or value that fits no strategy.
 */
export function patchFromSet(assignment: string, flag = '--set'): StrategyPatch {
  const source = `${flag} ${assignment}`;
  const [, path = '', key, text] = /^((?:\w+\.)*)(\w+)=(.*)$/s.exec(assignment) ?? [];
  if (key === undefined || text === undefined)
    throw new InputError(`${source}: expected knob=value, for example ${flag} llm.maxTokens=200`);
  const json = parsedJson(text);
  const value: StrategyPatch = { [key]: json === undefined ? text : json };
  const sections = path.split('.').slice(0, -1);
  const given = sections.reduceRight<StrategyPatch>((inner, section) => ({ [section]: inner }), value);
  const patch = operatorPatch(given, source);
  checkPatch(patch, source);
  return patch;
}
