/** What is wrong with a strategy, as one line that names the knob, out of what the schema's validator says. */
import type { ErrorObject } from 'ajv';
import { didYouMean } from '../base/edits.ts';
import { isObject, jsonStart } from '../base/json.ts';

/** The complaint to give first: a union's own, a knob that is not there, then the first one. */
export function complaint(errors: readonly ErrorObject[]): string {
  const union = errors.find((error) => error.keyword === 'anyOf');
  if (union !== undefined) return complaintOfUnion(union, errors);
  const unknownKnob = errors.find((error) => error.keyword === 'additionalProperties');
  if (unknownKnob !== undefined) {
    const name = String(unknownKnob.params['additionalProperty']);
    const known = Object.keys(
      isObject(unknownKnob.parentSchema?.['properties']) ? unknownKnob.parentSchema['properties'] : {},
    );
    return `there is no knob "${knob(unknownKnob, name)}"${didYouMean(name, known)}; ${unknownKnob.instancePath === '' ? 'sections' : 'knobs there'}: ${known.join(', ')}`;
  }
  const [error] = errors;
  return error === undefined ? 'not a strategy' : complaintOfValue(error);
}

/** A knob of several shapes: what is wrong inside the shape that was meant, else what shapes there are. */
function complaintOfUnion(union: ErrorObject, errors: readonly ErrorObject[]): string {
  const shapes: unknown = union.schema;
  const known = Array.isArray(shapes) ? shapes.flatMap((shape) => Object.keys(shape?.properties ?? {})) : [];
  const own = errors.filter((error) => error.instancePath === union.instancePath);
  const stranger = own.map(strangerIn).find((name) => name !== undefined && !known.includes(name));
  if (stranger !== undefined) {
    return `there is no knob "${knob(union, stranger)}"${didYouMean(stranger, known)}; knobs there: ${known.join(', ')}`;
  }
  const inside = errors.find((error) => error.instancePath.startsWith(`${union.instancePath}/`));
  if (inside !== undefined) return complaintOfValue(inside);
  const bound = own.find(({ keyword }) => keyword === 'minimum' || keyword === 'maximum');
  if (bound !== undefined) return complaintOfValue(bound);
  const names = Array.isArray(shapes) ? shapes.map(shapeName) : [];
  return `knob "${knob(union)}" must be ${names.join(' or ')}, not ${jsonStart(union.data)}`;
}

function strangerIn({ keyword, params }: ErrorObject): string | undefined {
  return keyword === 'additionalProperties' ? String(params['additionalProperty']) : undefined;
}

function shapeName(schema: unknown): string {
  if (!isObject(schema)) return 'something else';
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (!isObject(schema['properties'])) return String(schema['type']);
  const fields = Object.entries(schema['properties']).map(([name, inner]) =>
    isObject(inner) && isObject(inner['properties']) ? `"${name}":${shapeName(inner)}` : `"${name}":…`,
  );
  return `{${fields.join(',')}}`;
}

function complaintOfValue(error: ErrorObject): string {
  const allowed: unknown = error.params['allowedValues'];
  const meant: unknown = error.parentSchema?.['description'];
  const detail = Array.isArray(allowed)
    ? `must be one of ${allowed.join(', ')}`
    : error.keyword === 'pattern' && typeof meant === 'string'
      ? `must be: ${meant}`
      : error.message;
  return `knob "${knob(error)}" ${detail}, not ${jsonStart(error.data)}`;
}

function knob(error: ErrorObject, name?: string): string {
  const path = error.instancePath.split('/').slice(1);
  return [...path, ...(name === undefined ? [] : [name])].join('.');
}
