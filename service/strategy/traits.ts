/** What a row of schema.ts is made of: traits, and the types that several knobs share. */
import { Type } from 'typebox';
import { literals } from '../base/schema.ts';

/** What a knob is beside its type. Stands as `traits` in schema.ts, on a knob or on the section that holds it; knobs.ts reads it. */
export const TRAITS = [
  'words', // can make a transcript or a reply another one
  'cpu', // its whole gain is our own CPU, which takes no virtual time: a simulation cannot judge it
  'connections', // decides which exchange finds a connection open
  'timeless', // cannot change when anything comes: a simulation gives the same times, to the µs
  'unseen', // can change its stage's times in a way that no other capture shows: a simulation cannot judge it
  'asksCalls', // more of it sends more calls at once than a capture without it has shown
  'asksModel', // can let another model answer
  'asksMethod', // reaches the provider in another way
  'asksSizes', // sends or asks for more or less at a time
  'needsRegions', // acts only where regions are configured
  'needsRouter', // acts only where OpenRouter, or a proxy of it, chooses among providers
  'namesModel', // holds models' names; their suffixes, such as :nitro, are OpenRouter's
  'caches', // decides what of a prompt a provider can have cached
  'operator', // what it sets can end the process: no client of the service may change it
  'uncounted', // adds bets, cached speech or cut silence, which the soak's count of requests and bytes does not know
] as const;
export type Trait = (typeof TRAITS)[number];
interface Annotated {
  traits?: readonly Trait[];
}

/** A knob of a few values, each a literal. */
export const oneOf = <const Values extends readonly (string | number)[]>(
  values: Values,
  description: string,
  more: Annotated = {},
) => literals(values, { description, ...more });
export const WORDS: Annotated = { traits: ['words'] };
export const SIZES: Annotated = { traits: ['asksSizes'] };
export const ROUTED: Annotated = { traits: ['words', 'unseen', 'asksModel', 'needsRouter', 'caches'] };
export const providerNames = (more: Annotated = {}) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 60 }), { minItems: 1, maxItems: 16, ...more });
export const modelId = ({ traits = [] }: Annotated = {}) =>
  Type.String({
    pattern: '^[\\w.~-]+/[\\w.:-]+$',
    maxLength: 200,
    description: 'an OpenRouter model id, author/slug',
    traits: [...traits, 'namesModel'],
  });
