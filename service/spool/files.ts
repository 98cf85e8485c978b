/**
 * The spool's files: `NNN.otlp.jsonl` segments, appended to and read in order, and `sent.json`, which says how far they were sent.
 * Reading is safe while a service writes.
 */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFoldersSync } from '../base/folders.ts';
import { numberIn } from '../base/json.ts';
import { openOwn, readInputJson } from '../base/input-file.ts';

export const FILE_MODE = 0o600;
const SEGMENT_NAME = /^(\d{3,})\.otlp\.jsonl$/;
const DIR_MODE = 0o700;
const NEWLINE = 0x0a;

export interface SentState {
  /** All segments below this number were sent wholly, this one up to `bytes`. */
  segment: number;
  bytes: number;
}

export function sentPathIn(dir: string): string {
  return join(dir, 'sent.json');
}

export function segmentPathIn(dir: string, number: number): string {
  return join(dir, `${String(number).padStart(3, '0')}.otlp.jsonl`);
}

export function makeSpoolFolder(dir: string): void {
  makeFoldersSync(dir, DIR_MODE);
}

/** The folder's segments, oldest first. */
export function segmentsIn(dir: string): { number: number; path: string }[] {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => {
      const { name } = entry;
      const number = SEGMENT_NAME.exec(name)?.[1];
      return number === undefined || !entry.isFile() ? [] : [{ number: Number(number), path: join(dir, name) }];
    })
    .sort((left, right) => left.number - right.number);
}

/** An erased line is an empty export, padded to its old length so that the other lines keep their places. */
const ERASED = '{}';
/** Segments are searched in windows, so that other work gets its turn. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * Overwrites every line that holds `text`, sent or not, torn or whole, by an empty export of the same length. A service that
 * reads and appends meanwhile is not disturbed. A last line without its newline may be torn, or is being appended: it is torn
 * if it has not grown after `settled`. The process that appends needs no wait, since it appends in one step; any other does.
 * Returns the number of lines.
 */
export async function eraseInPlace(
  dir: string,
  text: string,
  settled: () => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  if (!existsSync(dir)) return 0;
  let erased = 0;
  for (const { path } of segmentsIn(dir)) {
    const file = await openOwn(path, { write: true }).catch(() => undefined);
    if (file === undefined) continue; // its owner removed it since the listing
    try {
      erased += await eraseLines(file, Buffer.from(text), settled);
    } finally {
      await file.close();
    }
  }
  return erased;
}

async function eraseLines(file: FileHandle, text: Buffer, settled: () => Promise<void>): Promise<number> {
  let buffer = Buffer.alloc(WINDOW_BYTES);
  let erased = 0;
  let at = 0;
  let restBytes = 0;
  let waited = false;
  for (;;) {
    // a line that is longer than the window makes the window longer
    if (restBytes > buffer.length / 2) buffer = Buffer.concat([buffer], buffer.length * 2);
    const { bytesRead } = await file.read(buffer, restBytes, buffer.length - restBytes, at + restBytes);
    if (bytesRead === 0) {
      if (!buffer.subarray(0, restBytes).includes(text)) return erased;
      if (waited) {
        await file.write(ERASED.padEnd(restBytes), at);
        return erased + 1;
      }
      await settled();
    }
    waited = bytesRead === 0;
    const content = buffer.subarray(0, restBytes + bytesRead);
    const end = content.lastIndexOf(NEWLINE) + 1;
    for (let hit = content.indexOf(text); hit >= 0 && hit < end;) {
      const from = content.lastIndexOf(NEWLINE, hit) + 1;
      const to = content.indexOf(NEWLINE, hit);
      await file.write(ERASED.padEnd(to - from), at + from);
      erased++;
      hit = content.indexOf(text, to);
    }
    at += end;
    restBytes = content.length - end;
    buffer.copyWithin(0, end, content.length);
  }
}

/** With or without its newline. */
export function isErased(line: Buffer): boolean {
  return line.toString('latin1').trimEnd() === ERASED;
}

/** A state that is absent or torn means that everything is sent again: twice is harmless, not at all is a loss. */
export function readSent(path: string): SentState {
  try {
    const state = readInputJson(path, 'settings');
    const [segment, bytes] = [numberIn(state, 'segment'), numberIn(state, 'bytes')];
    if (Number.isSafeInteger(segment) && Number.isSafeInteger(bytes))
      return { segment: segment ?? 0, bytes: bytes ?? 0 };
  } catch {
    // absent on the first start, or torn
  }
  return { segment: 0, bytes: 0 };
}

/** Writes a file beside its place, then moves it there. What lies where it is written is removed, not opened. */
export function replaceFile(path: string, text: string): void {
  rmSync(`${path}.tmp`, { force: true });
  writeFileSync(`${path}.tmp`, text, { mode: FILE_MODE, flag: 'wx' });
  renameSync(`${path}.tmp`, path);
}

export function writeSent(path: string, state: SentState): void {
  replaceFile(path, JSON.stringify(state));
}
