/** Strategies out of patches: merged knob by knob, held to the schema and to what can go together. */
import { Ajv } from 'ajv';
import { InputError } from '../base/errors.ts';
import { isObject, parsedJson } from '../base/json.ts';
import { readPromptFile } from './prompt-file.ts';
import { complaint } from './complaint.ts';
import { impossible } from './rules.ts';
import { StrategySchema } from './schema.ts';
import { DEFAULT_STRATEGY, type Strategy } from './strategy.ts';

const ajv = new Ajv({ allErrors: true, verbose: true }).addVocabulary(['traits']);
const validate = ajv.compile<Strategy>(StrategySchema);

/** The same schema for a part of a strategy: what is there has to be right, nothing has to be there. */
const validatePart = ajv.compile(
  JSON.parse(JSON.stringify(StrategySchema, (key, value: unknown) => (key === 'required' ? undefined : value))),
);

/** Part of a strategy, as untrusted JSON: objects merge knob by knob, everything else replaces. */
export type StrategyPatch = Readonly<Record<string, unknown>>;

/**
 * A complete strategy from a base and patches, later ones winning.
 * Throws `InputError` that names the knob, what is wrong with it, and where (`source`) it came from.
 */
export function resolveStrategy(
  patches: readonly StrategyPatch[],
  source: string,
  base: Strategy = DEFAULT_STRATEGY,
): Strategy {
  let merged: unknown = base;
  for (const patch of patches) merged = withPromptRead(merge(merged, patch), source);
  if (!validate(merged)) throw new InputError(`${source}: ${complaint(validate.errors ?? [])}`);
  const reason = impossible(merged);
  if (reason !== undefined) throw new InputError(`${source}: ${reason}`);
  return merged;
}

/**
 * A patch from `llm.model=openai/gpt-4o-mini`: values are JSON where they parse as JSON, else text. Throws `InputError` that begins with
 * the flag, for a knob or value that fits no strategy. Whether it goes with other knobs is seen when it is resolved.
 */
export function patchFromSet(assignment: string, flag = '--set'): StrategyPatch {
  const source = `${flag} ${assignment}`;
  const [, path, text] = /^([\w.]+)=(.*)$/s.exec(assignment) ?? [];
  if (path === undefined || text === undefined)
    throw new InputError(`${source}: expected knob=value, for example ${flag} llm.maxTokens=200`);
  const json = parsedJson(text);
  const value = json === undefined ? text : json;
  const patch = path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  if (!validatePart(patch)) throw new InputError(`${source}: ${complaint(validatePart.errors ?? [])}`);
  return withPromptRead(patch, source) as StrategyPatch;
}

function merge(base: unknown, patch: unknown): unknown {
  if (!isObject(base) || !isObject(patch)) return patch;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) merged[key] = key in base ? merge(base[key], value) : value;
  return merged;
}

/** A prompt file that is named without its digest is read now, so that the strategy says which text it meant. */
function withPromptRead(merged: unknown, source: string): unknown {
  if (!isObject(merged) || !isObject(merged['llm'])) return merged;
  const prompt = merged['llm']['systemPrompt'];
  if (!isObject(prompt) || typeof prompt['file'] !== 'string' || prompt['sha256'] !== undefined) return merged;
  const { sha256 } = readPromptFile(prompt['file'], `${source}: knob "llm.systemPrompt.file"`);
  return { ...merged, llm: { ...merged['llm'], systemPrompt: { file: prompt['file'], sha256 } } };
}
