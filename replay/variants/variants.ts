/** Named variants, one JSON file each in this folder: a patch of a strategy with its expected effect and its risk. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { didYouMean } from '../../service/base/edits.ts';
import { InputError } from '../../service/base/errors.ts';
import { literals } from '../../service/base/schema.ts';
import { PRIMARY_METRICS } from '../diff/diff.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { operatorPatch } from '../../service/strategy/prompt-file.ts';

const VariantSchema = Type.Object(
  {
    title: Type.String({ minLength: 1 }),
    patch: Type.Record(Type.String(), Type.Unknown()),
    effect: Type.String({ minLength: 1 }),
    risk: Type.String({ minLength: 1 }),
    primary: literals(PRIMARY_METRICS),
  },
  { additionalProperties: false },
);
export type Variant = Static<typeof VariantSchema> & { name: string };

const FOLDER = new URL('./', import.meta.url);
const validate = new Ajv().compile<Static<typeof VariantSchema>>(VariantSchema);

/** All named variants, sorted by name. Throws `InputError` for a patch that fits no strategy. */
export function namedVariants(): Variant[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const variant: unknown = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
      const where = `replay/variants/${file}`;
      if (!validate(variant)) {
        const { instancePath, message } = validate.errors?.[0] ?? {};
        throw new InputError(`${where}: ${instancePath} ${message}`);
      }
      const patch = operatorPatch(variant.patch, where);
      resolveStrategy([patch], where);
      return { ...variant, name: file.replace(/\.json$/, ''), patch };
    });
}

/** Joins the names of variants that are on together. */
export const COMBINED_BY = '+';

/** The patches of a variant, or of a combination `a+b`. Throws `InputError` that lists the variants. */
export function patchesOf(name: string): StrategyPatch[] {
  return name.split(COMBINED_BY).map((each) => variantPatch(each.trim()));
}

/** Throws `InputError` that lists the variants. */
export function variantPatch(name: string): StrategyPatch {
  const variants = namedVariants();
  const variant = variants.find((each) => each.name === name);
  if (variant === undefined) {
    const names = variants.map((each) => each.name);
    throw new InputError(`there is no variant "${name}"${didYouMean(name, names)}; variants: ${names.join(', ')}`);
  }
  return variant.patch;
}
