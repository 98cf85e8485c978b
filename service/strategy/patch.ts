/** Strategies out of patches: merged knob by knob, held to the schema and to what can go together. */
import { Ajv } from 'ajv';
import { InputError } from '../base/errors.ts';
import { fieldOf, isObject } from '../base/json.ts';
import { complaint } from './complaint.ts';
import { promptOf } from './prompt-text.ts';
import { impossible } from './rules.ts';
import { StrategySchema } from './schema.ts';
import { DEFAULT_STRATEGY, type Strategy } from './strategy.ts';

const ajv = new Ajv({ allErrors: true, verbose: true }).addVocabulary(['traits']);
const validate = ajv.compile<Strategy>(StrategySchema);

/** The same schema for a part of a strategy: every field is optional. */
const validatePart = ajv.compile(
  JSON.parse(JSON.stringify(StrategySchema, (key, value: unknown) => (key === 'required' ? undefined : value))),
);

/**
 * Part of a strategy, as untrusted JSON: objects merge knob by knob, everything else replaces. A patch can name no
 * file and no host, and only regions that the operator configured. prompt-file.ts reads the operator's own prompt files.
 */
export type StrategyPatch = Readonly<Record<string, unknown>>;

/**
 * A complete strategy from a base and patches, later ones winning.
 * Reads nothing: not even a file that a patch names. Throws `InputError` that names the knob, what is wrong with it, and where
 * (`source`) it came from.
 */
export function resolveStrategy(
  patches: readonly StrategyPatch[],
  source: string,
  base: Strategy = DEFAULT_STRATEGY,
): Strategy {
  let merged: unknown = base;
  for (const patch of patches) {
    checkSize(patch, source);
    merged = merge(merged, patch);
  }
  merged = withPromptNamed(merged, source);
  if (!validate(merged)) throw new InputError(`${source}: ${complaint(validate.errors ?? [])}`);
  const reason = impossible(merged);
  if (reason !== undefined) throw new InputError(`${source}: ${reason}`);
  return merged;
}

/** Throws `InputError` for a knob or value that fits no strategy. Whether it goes with other knobs is seen when it is resolved. */
export function checkPatch(patch: StrategyPatch, source: string): void {
  checkSize(patch, source);
  if (!validatePart(patch)) throw new InputError(`${source}: ${complaint(validatePart.errors ?? [])}`);
}

/** Some rules of the schema compare every two items of a list: what is to be compared is bounded before. */
const VALUES_LIMIT = 2000;

function checkSize(patch: StrategyPatch, source: string): void {
  const open: unknown[] = [patch];
  for (let seen = 0; open.length > 0; seen++) {
    if (seen + open.length > VALUES_LIMIT)
      throw new InputError(`${source}: a strategy of over ${VALUES_LIMIT} values; set only knobs that differ`);
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    for (const key in value) {
      if (open.length > VALUES_LIMIT) break;
      open.push(fieldOf(value, key));
    }
  }
}

/** A prompt's fields belong to one text: they are replaced together. */
const REPLACED_WHOLE = 'llm.systemPrompt';

function merge(base: unknown, patch: unknown, path = ''): unknown {
  if (!isObject(base) || !isObject(patch) || path === REPLACED_WHOLE) return patch;
  // own fields only, and set as such: "__proto__" is a knob that does not exist
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch))
    merged.set(key, merge(merged.get(key), value, path === '' ? key : `${path}.${key}`));
  return Object.fromEntries(merged);
}

/** A prompt that is given as its text is named by its digest too. */
function withPromptNamed(merged: unknown, source: string): unknown {
  const llm = fieldOf(merged, 'llm');
  const prompt = fieldOf(llm, 'systemPrompt');
  if (!isObject(prompt)) return merged;
  if ('file' in prompt)
    throw new InputError(
      `${source}: knob "llm.systemPrompt.file" is for the operator's command line and RETAKE_STRATEGY only; give the text itself as "llm.systemPrompt.text"`,
    );
  const { text, sha256, chars } = prompt;
  if (typeof text !== 'string') return merged;
  if (text.trim() === '')
    throw new InputError(`${source}: knob "llm.systemPrompt.text" is empty; give a text, or leave the knob out`);
  const named = promptOf(text);
  if ((sha256 ?? named.sha256) !== named.sha256 || (chars ?? named.chars) !== named.chars)
    throw new InputError(
      `${source}: knob "llm.systemPrompt.text" is another text than its sha256 and chars say; leave these out`,
    );
  return { ...Object(merged), llm: { ...Object(llm), systemPrompt: { ...prompt, ...named } } };
}
