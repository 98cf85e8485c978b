/** JSON Schema of what TypeBox has no row for. */
import { Type } from 'typebox';

/** An object with these fields and no others. */
export const section = <Fields extends Record<string, Type.TSchema>>(fields: Fields, more: object = {}) =>
  Type.Object(fields, { additionalProperties: false, ...more });

/** One of these literals: the schema, and the type that derives from the list. */
export const literals = <const Values extends readonly (string | number)[]>(
  values: Values,
  more: Readonly<Record<string, unknown>> = {},
) => Type.Unsafe<Values[number]>({ enum: values, ...more });
