/** The knobs as the schema lists them, and what each is beside its type. */
import { isDeepStrictEqual } from 'node:util';
import { fieldOf, isObject, listIn } from '../base/json.ts';
import type { StrategyPatch } from './patch.ts';
import { StrategySchema } from './schema.ts';
import type { Strategy } from './strategy.ts';
import { TRAITS, type Trait } from './traits.ts';

interface Knob {
  /** `llm.maxTokens`. */
  path: string;
  traits: readonly Trait[];
}

const fieldsOf = (schema: unknown): [name: string, schema: unknown][] => {
  const fields = fieldOf(schema, 'properties');
  return isObject(fields) ? Object.entries(fields) : [];
};
const traitsOf = (schema: unknown): Trait[] => TRAITS.filter((trait) => listIn(schema, 'traits').includes(trait));

/** Every knob that there is: the schema's fields down to those that hold a value or have several shapes. */
export const KNOBS: readonly Knob[] = knobsBelow(StrategySchema, '', []);

function knobsBelow(schema: unknown, path: string, inherited: readonly Trait[]): Knob[] {
  const traits = [...inherited, ...traitsOf(schema)];
  const fields = fieldsOf(schema);
  if (fields.length === 0) return [{ path, traits }];
  return fields.flatMap(([name, inner]) => knobsBelow(inner, path === '' ? name : `${path}.${name}`, traits));
}

/** Paths of the knobs with a trait. */
export function knobsWith(trait: Trait): string[] {
  return KNOBS.filter(({ traits }) => traits.includes(trait)).map(({ path }) => path);
}

/** Whether a patch sets anything with the trait. Looks into knobs of several shapes: a hedge changes words only where it names a model. */
export function touches(patch: StrategyPatch, trait: Trait): boolean {
  const within = (schema: unknown, value: unknown, inherited: boolean): boolean => {
    const has = inherited || traitsOf(schema).includes(trait);
    if (!isObject(value)) return has;
    const fields = [schema, ...listIn(schema, 'anyOf')].flatMap(fieldsOf).filter(([name]) => name in value);
    return fields.length === 0
      ? has && Object.keys(value).length > 0
      : fields.some(([name, inner]) => within(inner, value[name], has));
  };
  return within(StrategySchema, patch, false);
}

/** Paths of the knobs with a trait whose values differ between two strategies. */
export function differingKnobs(a: Strategy, b: Strategy, trait: Trait): string[] {
  return knobsWith(trait).filter((path) => !isDeepStrictEqual(valueAt(a, path), valueAt(b, path)));
}

/** A strategy's values of the knobs with a trait, as one text: equal texts, equal values. */
export function valuesWith(strategy: Strategy, trait: Trait): string {
  return JSON.stringify(knobsWith(trait).map((path) => valueAt(strategy, path)));
}

const valueAt = (strategy: Strategy, path: string): unknown => path.split('.').reduce<unknown>(fieldOf, strategy);
