/**
 * Files that the user named: regular files only, of a bounded size. Nothing else is even opened: to open a pipe waits for ever, and
 * `/dev/zero` has no end. Every error names the file, says why it cannot be used, and what to do.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { diskReason, InputError, isDiskError } from './errors.ts';
import { isObject, isTooMuchJson, TOO_MANY_VALUES } from './json.ts';

/** Kinds of files, with the most bytes of each: a larger file is refused before a byte is read. */
export const FILE_LIMITS = {
  prompt: { what: 'a prompt file', maxBytes: 256_000 },
  /** A strategy, regions, a scenario, a profile. */
  settings: { what: 'a settings file', maxBytes: 4_000_000 },
  /** `session.json` of a bundle, `sessions.json` of an import. */
  sessions: { what: 'a file about sessions', maxBytes: 64_000_000 },
  /** Audio of one turn: 5 minutes of 48 kHz stereo are 58 MB. */
  recording: { what: 'a recording', maxBytes: 64_000_000 },
  /** Events, journals, reports, turns of a bench. A text in Node holds 536,870,888 characters. */
  log: { what: 'a log or a report', maxBytes: 500_000_000 },
  /** A segment of the spool is an eighth of it. */
  segment: { what: 'a segment of the spool', maxBytes: 500_000_000 },
} as const;
export type FileKind = keyof typeof FILE_LIMITS;

interface Naming {
  /** Stands before the reason in errors; the path by default. */
  where?: string;
  /** The remedy, such as `name another file`. */
  next?: string;
}

/** `x.json: cannot be read (ENOENT: does not exist); try y`. `next` says what to do. */
export function cannotRead(where: string, cause: unknown, next?: string): InputError {
  return new InputError(withNext(`${where}: cannot be read (${diskReason(cause)})`, next));
}

/** For `catch`: an error of the disk becomes an `InputError`, others stay. `where` stands in where the disk names no path; `next` says what to do. */
export function whenUnreadable(where: string, next?: string): (error: unknown) => never {
  return (error) => {
    if (!isDiskError(error)) throw error;
    throw cannotRead('path' in error && typeof error.path === 'string' ? error.path : where, error, next);
  };
}

// without it, to open a pipe that took the place of a file waits for somebody to write
const READ = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * A whole regular file, as long as it says it is: files of `/proc` say 0 bytes. Throws `InputError` that begins with `where`, by
 * default the path.
 */
export function readInput(path: string, kind: FileKind, { where = path, next }: Naming = {}): Buffer {
  return readRegular(path, (stats) => against(stats, kind), Infinity, { where, next }).start;
}

/** The first bytes of a regular file, at most so many, and the size of all. Throws as `readInput` does. */
export function readInputStart(path: string, maxBytes: number): { start: Buffer; size: number } {
  return readRegular(path, oddity, maxBytes, {});
}

function readRegular(
  path: string,
  complaint: (stats: Stats) => string | undefined,
  maxBytes: number,
  { where = path, next }: Naming,
): { start: Buffer; size: number } {
  try {
    refuse(complaint(statSync(path))); // before it is opened: to open a device may do something
    const file = openSync(path, READ);
    try {
      const stats = fstatSync(file);
      refuse(complaint(stats));
      const bytes = Buffer.alloc(Math.min(stats.size, maxBytes));
      let size = 0;
      for (let read = -1; read !== 0 && size < bytes.length; size += read)
        read = readSync(file, bytes, size, bytes.length - size, size);
      return { start: bytes.subarray(0, size), size: stats.size };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw error instanceof Unusable
      ? new InputError(withNext(`${where}: cannot be read (${error.message})`, next))
      : cannotRead(where, error, next);
  }
}

/**
 * The JSON in a file. Throws as `readInput` does, and where the text is not JSON or holds more values than `VALUES_LIMIT`; the error quotes
 * none of the text.
 */
export function readInputJson(path: string, kind: FileKind, { where = path, next }: Naming = {}): unknown {
  const text = readInput(path, kind, { where, next }).toString('utf8');
  if (isTooMuchJson(text))
    throw new InputError(withNext(`${where}: ${TOO_MANY_VALUES}`, next ?? 'name a smaller file'));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(withNext(`${where}: not JSON (${jsonReason(error)})`, next));
  }
}

/** The complaint of `JSON.parse`, without its quotation: the text may be a secret. */
function jsonReason(error: unknown): string {
  return diskReason(error).replace(/, (?:\.\.\.)?".*$/s, '');
}

/**
 * The same without waiting for the disk, for files of a folder that somebody else may have filled: a symbolic link is refused too. Undefined
 * where there is no such file.
 */
export async function readOwn(path: string, kind: FileKind): Promise<Buffer | undefined> {
  try {
    await using file = await openOwn(path, { kind });
    const bytes = Buffer.alloc((await file.stat()).size);
    let size = 0;
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = (await file.read(bytes, size, bytes.length - size, size)).bytesRead;
    return bytes.subarray(0, size);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Opens a regular file of such a folder, to be read, or with `write` to be changed in place. Throws `InputError` for anything else that is there. */
export async function openOwn(
  path: string,
  { kind, write = false }: { kind?: FileKind; write?: boolean } = {},
): Promise<FileHandle> {
  const check = (stats: Stats): void => refuse(kind === undefined ? oddity(stats) : against(stats, kind));
  try {
    check(await lstat(path));
    const file = await open(path, (write ? constants.O_RDWR : READ) | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      check(await file.stat());
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw error instanceof Unusable ? new InputError(`${path}: cannot be read (${error.message})`) : error;
  }
}

/** There is no such file. */
export const isMissing = (error: unknown): boolean => isObject(error) && error['code'] === 'ENOENT';

/** Throws `InputError` unless the path leads to a regular file. For files of any size, which are read piece by piece. */
export function checkRegular(path: string): void {
  try {
    refuse(oddity(statSync(path)));
  } catch (error) {
    throw error instanceof Unusable
      ? new InputError(`${path}: cannot be read (${error.message})`)
      : cannotRead(path, error);
  }
}

/** Why the file was not read. */
class Unusable extends Error {}

function refuse(reason: string | undefined): void {
  if (reason !== undefined) throw new Unusable(reason);
}

function against(stats: Stats, kind: FileKind): string | undefined {
  const { what, maxBytes } = FILE_LIMITS[kind];
  const large = `has ${stats.size.toLocaleString('en')} bytes; ${what} has at most ${maxBytes.toLocaleString('en')}`;
  return oddity(stats) ?? (stats.size > maxBytes ? large : undefined);
}

/** Names anything but a regular file. */
function oddity(stats: Stats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'EISDIR: is a folder';
  const what = stats.isFIFO()
    ? 'a pipe'
    : stats.isSocket()
      ? 'a socket'
      : stats.isSymbolicLink()
        ? 'a symbolic link'
        : 'a device';
  return `is ${what}; only regular files are read`;
}

const withNext = (text: string, next: string | undefined): string => (next === undefined ? text : `${text}; ${next}`);
