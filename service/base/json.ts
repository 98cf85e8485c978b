/** Foreign JSON, read without trust: a field that is missing or of another type is undefined. */

/** The text's JSON value; undefined where the text is not JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A copy without the keys whose value is undefined, for formats in which the unknown is absent. */
export function definedOnly<T extends object>(object: T): T;
export function definedOnly(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

/** An object with fields: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field of an object or an item of a list. */
export function fieldOf(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

export function textIn(value: unknown, key: string): string | undefined {
  const field = fieldOf(value, key);
  return typeof field === 'string' ? field : undefined;
}

export function numberIn(value: unknown, key: string): number | undefined {
  const field = fieldOf(value, key);
  return typeof field === 'number' && Number.isFinite(field) ? field : undefined;
}

/** The items of a field that is a list; none when it is not. */
export function listIn(value: unknown, key: string): unknown[] {
  const field = fieldOf(value, key);
  return Array.isArray(field) ? field : [];
}

/** How a value begins as JSON, to be quoted in an error. A value may be nested deeper than JSON can be written. */
export function jsonStart(value: unknown, chars = 80): string {
  try {
    return (JSON.stringify(value) ?? 'undefined').slice(0, chars);
  } catch (error) {
    if (error instanceof RangeError) return 'a value that is nested too deep';
    throw error;
  }
}
