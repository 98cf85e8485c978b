/** Foreign JSON, read without trust: a field that is missing or of another type is undefined. */

/** A parsed value takes up to about 100 bytes, however short its text is. No exporter writes as many into one line. */
export const VALUES_LIMIT = 5_000_000;

/** What is said of a document that holds more. */
export const TOO_MANY_VALUES = `more than ${VALUES_LIMIT.toLocaleString('en')} values in one document`;
/** The same of a trace. */
export const TOO_MUCH_JSON = `${TOO_MANY_VALUES}; write smaller export requests, or compare a shorter time`;

/** 1 for each character before a value: its list, its object, or the comma after the last one. Inside a text they count too. */
const BEFORE_VALUE = new Uint8Array(256);
for (const character of '[{,') BEFORE_VALUE[character.charCodeAt(0)] = 1;

/** Whether the text may hold more values than fit into memory. */
export function isTooMuchJson(text: string): boolean {
  if (text.length <= VALUES_LIMIT) return false;
  let values = 0;
  // without a branch: the text may have 256 MB
  for (let index = 0; index < text.length; index++) values += BEFORE_VALUE[text.charCodeAt(index) & 0xff] ?? 0;
  return values > VALUES_LIMIT;
}

/** The text's JSON value; undefined where the text is not JSON, or too much of it. */
export function parsedJson(text: string): unknown {
  if (isTooMuchJson(text)) return undefined;
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
