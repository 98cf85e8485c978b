/** Lines of files that have no bound but the disk's: one at a time, of regular files. */
import type { FileHandle } from 'node:fs/promises';
import { InputError } from './errors.ts';
import { isMissing, openOwn, type FileKind } from './input-file.ts';

const NEWLINE = 0x0a;

/** A line of a file, without its newline. */
export interface FileLine {
  bytes: Buffer;
  /** Where the next line begins. */
  endBytes: number;
  /** The file ends without a newline. */
  torn: boolean;
}

const WINDOW_BYTES = 256 * 1024;
/** A longer line is no line of ours. */
const LINE_LIMIT_BYTES = 64_000_000;

/** The lines of bytes that are in memory, as `linesOwn` gives those of a file. */
export function* linesOf(bytes: Buffer): Generator<FileLine, undefined> {
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    yield { bytes: bytes.subarray(start, end), endBytes: end + 1, torn: false };
    start = end + 1;
  }
  if (start < bytes.length) yield { bytes: bytes.subarray(start), endBytes: bytes.length, torn: true };
}

/**
 * The lines of a regular file of such a folder from a place on, as far as the file reached when it was opened. Holds one window and one
 * line at a time. Nothing where there is no such file. Throws `InputError` for what is no regular file, and for a line that has no end.
 */
export async function* linesOwn(
  path: string,
  { kind, fromBytes = 0 }: { kind?: FileKind; fromBytes?: number } = {},
): AsyncGenerator<FileLine, undefined> {
  let file: FileHandle;
  try {
    file = await openOwn(path, { kind });
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  try {
    const { size } = await file.stat();
    let begun: Buffer[] = [];
    let lineAt = fromBytes;
    for (let at = fromBytes; at < size;) {
      const window = Buffer.alloc(Math.min(WINDOW_BYTES, size - at));
      const { bytesRead } = await file.read(window, 0, window.length, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      const read = window.subarray(0, bytesRead);
      let start = 0;
      for (let end = read.indexOf(NEWLINE); end >= 0; end = read.indexOf(NEWLINE, start)) {
        const tail = read.subarray(start, end);
        const bytes = begun.length === 0 ? tail : Buffer.concat([...begun, tail]);
        begun = [];
        start = end + 1;
        lineAt += bytes.length + 1;
        yield { bytes, endBytes: lineAt, torn: false };
      }
      if (start < bytesRead) begun.push(read.subarray(start));
      if (at - lineAt > LINE_LIMIT_BYTES)
        throw new InputError(
          `${path}: cannot be read (a line has over ${LINE_LIMIT_BYTES.toLocaleString('en')} bytes)`,
        );
    }
    if (begun.length > 0) {
      const bytes = Buffer.concat(begun);
      yield { bytes, endBytes: lineAt + bytes.length, torn: true };
    }
  } finally {
    await file.close();
  }
}
