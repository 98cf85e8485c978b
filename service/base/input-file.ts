/** Files that the user named. Every error names the file, says why it cannot be used, and what to do. */
import { readFileSync } from 'node:fs';
import { diskReason, InputError, isDiskError } from './errors.ts';

/** `x.json: cannot be read (ENOENT: does not exist); try y`. `next` says what to do. */
export function cannotRead(where: string, cause: unknown, next?: string): InputError {
  return new InputError(withNext(`${where}: cannot be read (${diskReason(cause)})`, next));
}

/** For `catch`: what the disk refuses is an `InputError`; other errors go on as they are. `where` stands in where the disk names no path. */
export function whenUnreadable(where: string): (error: unknown) => never {
  return (error) => {
    if (!isDiskError(error)) throw error;
    throw cannotRead('path' in error && typeof error.path === 'string' ? error.path : where, error);
  };
}

/** A whole file. Throws `InputError` that begins with `where`, by default the path. */
export function readInput(path: string, { where = path, next }: { where?: string; next?: string } = {}): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw cannotRead(where, error, next);
  }
}

/** The JSON in a file. Throws as `readInput` does, and where the text is not JSON. */
export function readInputJson(path: string, { where = path, next }: { where?: string; next?: string } = {}): unknown {
  const text = readInput(path, { where, next }).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(withNext(`${where}: not JSON (${diskReason(error)})`, next));
  }
}

const withNext = (text: string, next: string | undefined): string => (next === undefined ? text : `${text}; ${next}`);
