/** Named variants: one JSON file each in `variants/`, a patch of a strategy with what it should change and can hurt. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { operatorPatch } from '../../service/strategy/prompt-file.ts';

const VariantSchema = Type.Object(
  {
    title: Type.String({ minLength: 1 }),
    patch: Type.Record(Type.String(), Type.Unknown()),
    effect: Type.String({ minLength: 1 }),
    risk: Type.String({ minLength: 1 }),
    primary: Type.Unsafe<'first-audible' | 'first-content-audible' | 'reply-end'>({
      enum: ['first-audible', 'first-content-audible', 'reply-end'],
    }),
  },
  { additionalProperties: false },
);
export type Variant = Static<typeof VariantSchema> & { name: string };

const FOLDER = new URL('./', import.meta.url);
const validate = new Ajv().compile<Static<typeof VariantSchema>>(VariantSchema);

/** All named variants, by name; every patch is checked against the strategy's schema. */
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

/** Between the names of variants that are on together. */
export const COMBINED_BY = '+';

/** The patches of a variant, or of several as one: `a+b`. Throws `InputError` with the names there are. */
export function patchesOf(name: string): StrategyPatch[] {
  return name.split(COMBINED_BY).map((each) => variantPatch(each.trim()));
}

/** The variant's patch; throws `InputError` with the names there are. */
export function variantPatch(name: string): StrategyPatch {
  const variants = namedVariants();
  const variant = variants.find((each) => each.name === name);
  if (variant === undefined) {
    const names = variants.map((each) => each.name).join(', ');
    throw new InputError(`there is no variant "${name}"; variants: ${names}`);
  }
  return variant.patch;
}
