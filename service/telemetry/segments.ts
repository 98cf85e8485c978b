/**
 * The spool's files: `NNN.otlp.jsonl` segments, appended to and read in order, and `sent.json`, how far they were sent.
 * One process at a time. A process never appends to a segment that another one began, so a torn last line stays alone.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

const SEGMENT_NAME = /^(\d{3,})\.otlp\.jsonl$/;
const FILE_MODE = 0o600;
const DIR_MODE = 0o700;
const NEWLINE = 0x0a;

interface Segment {
  number: number;
  path: string;
  /** Bytes on disk. */
  bytes: number;
  /** Where the first line that was not sent begins. */
  sentBytes: number;
  /** Length of each line that was not sent, newline included. */
  lineBytes: number[];
  gone: boolean;
}

/** The oldest line that was not sent. */
export interface SpoolLine {
  segment: Segment;
  bytes: number;
}

export interface Segments {
  /** Writes one line; returns how many unsent lines had to leave the disk for it. Throws what the disk says. */
  append(line: Buffer): number;
  oldest(): SpoolLine | undefined;
  /** The line's bytes without its newline; undefined when the disk no longer has them. */
  read(line: SpoolLine): Promise<Buffer | undefined>;
  /** Records that the line left; false when it had been dropped meanwhile. */
  markSent(line: SpoolLine): boolean;
  pending(): number;
  /** Takes all lines off the disk that hold `text`, sent or not; returns how many of them were not sent. */
  erase(text: string): number;
  /** Lines found on opening, and lines found torn. */
  readonly recovered: number;
  readonly torn: number;
  close(): void;
}

/** Opens the folder, creating it, and takes stock of what an earlier process left. */
export function openSegments(dir: string, maxBytes: number): Segments {
  mkdirSync(dir, { recursive: true, mode: DIR_MODE });
  const sentPath = join(dir, 'sent.json');
  const segmentBytes = Math.max(1, Math.floor(maxBytes / 8));
  const found = readdirSync(dir)
    .flatMap((name) => {
      const number = SEGMENT_NAME.exec(name)?.[1];
      return number === undefined ? [] : [{ number: Number(number), path: join(dir, name) }];
    })
    .sort((left, right) => left.number - right.number);
  const sent = readSent(sentPath);
  const segments: Segment[] = [];
  let torn = 0;
  for (const { number, path } of found) {
    const sentBytes = number < sent.segment ? Infinity : number === sent.segment ? sent.bytes : 0;
    const scanned = scan(number, path, sentBytes);
    torn += scanned.torn;
    if (scanned.segment.lineBytes.length > 0) segments.push(scanned.segment);
    else rmSync(path, { force: true });
  }
  const recovered = countLines(segments);
  let nextNumber = Math.max(sent.segment, ...found.map(({ number }) => number)) + 1;
  let current: { segment: Segment; fd: number } | undefined;
  let totalBytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);

  const remove = (segment: Segment): number => {
    const lost = segment.lineBytes.length;
    if (current?.segment === segment) closeCurrent();
    segment.gone = true;
    segments.splice(segments.indexOf(segment), 1);
    totalBytes -= segment.bytes;
    rmSync(segment.path, { force: true });
    return lost;
  };

  const rewrite = (segment: Segment, kept: readonly Buffer[]): void => {
    const content = Buffer.concat(kept);
    // first the state, then the file: a crash in between sends lines twice, and loses none
    if (segment.sentBytes > 0) writeSent(sentPath, { segment: segment.number, bytes: 0 });
    writeFileSync(`${segment.path}.tmp`, content, { mode: FILE_MODE });
    renameSync(`${segment.path}.tmp`, segment.path);
    const lineBytes = kept.map((line) => line.length);
    const { number, path } = segment;
    segments[segments.indexOf(segment)] = { number, path, bytes: content.length, sentBytes: 0, lineBytes, gone: false };
    totalBytes += content.length - segment.bytes;
    // a line that is on its way out right now belonged to the old file: it is sent again
    segment.gone = true;
  };

  const closeCurrent = (): void => {
    if (current !== undefined) closeSync(current.fd);
    current = undefined;
  };

  const currentFor = (bytes: number): { segment: Segment; fd: number } => {
    if (current !== undefined && current.segment.bytes > 0 && current.segment.bytes + bytes > segmentBytes) {
      const { segment } = current;
      closeCurrent();
      if (segment.lineBytes.length === 0) remove(segment);
    }
    if (current === undefined) {
      const number = nextNumber++;
      const path = join(dir, `${String(number).padStart(3, '0')}.otlp.jsonl`);
      const segment: Segment = { number, path, bytes: 0, sentBytes: 0, lineBytes: [], gone: false };
      current = { segment, fd: openSync(path, 'ax', FILE_MODE) };
      segments.push(segment);
    }
    return current;
  };

  return {
    append(line) {
      if (line.length > maxBytes) return 1;
      let lost = 0;
      for (
        let oldest = segments[0];
        oldest !== undefined && totalBytes + line.length > maxBytes;
        oldest = segments[0]
      ) {
        lost += remove(oldest);
      }
      const { segment, fd } = currentFor(line.length);
      for (let written = 0; written < line.length;) written += writeSync(fd, line, written);
      segment.bytes += line.length;
      segment.lineBytes.push(line.length);
      totalBytes += line.length;
      return lost;
    },
    oldest() {
      const segment = segments.find((candidate) => candidate.lineBytes.length > 0);
      const bytes = segment?.lineBytes[0];
      return segment === undefined || bytes === undefined ? undefined : { segment, bytes };
    },
    async read({ segment, bytes }) {
      try {
        await using file = await open(segment.path, 'r');
        const line = Buffer.alloc(bytes - 1);
        const { bytesRead } = await file.read(line, 0, line.length, segment.sentBytes);
        return bytesRead === line.length ? line : undefined;
      } catch {
        return undefined;
      }
    },
    markSent({ segment, bytes }) {
      if (segment.gone) return false;
      segment.lineBytes.shift();
      segment.sentBytes += bytes;
      if (segment.lineBytes.length === 0 && segment !== current?.segment) remove(segment);
      writeSent(sentPath, { segment: segment.number, bytes: segment.sentBytes });
      return true;
    },
    pending: () => countLines(segments),
    erase(text) {
      closeCurrent();
      let unsent = 0;
      for (const segment of [...segments]) {
        const content = readFileSync(segment.path);
        if (!content.includes(text)) continue;
        const { lines } = linesOf(content.subarray(segment.sentBytes));
        const kept = lines.filter((line) => !line.includes(text));
        unsent += lines.length - kept.length;
        if (kept.length === 0) remove(segment);
        else rewrite(segment, kept);
      }
      return unsent;
    },
    recovered,
    torn,
    close() {
      const segment = current?.segment;
      closeCurrent();
      if (segment?.lineBytes.length === 0) remove(segment);
    },
  };
}

function countLines(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.lineBytes.length, 0);
}

function scan(number: number, path: string, sentBytes: number): { segment: Segment; torn: number } {
  const content = readFileSync(path);
  const from = Math.min(sentBytes, content.length);
  const { lines, torn } = linesOf(content.subarray(from));
  const lineBytes = lines.map((line) => line.length);
  const segment = { number, path, bytes: content.length, sentBytes: from, lineBytes, gone: false };
  return { segment, torn: torn ? 1 : 0 };
}

/** Whole lines, newline included; `torn` when something without one follows them. */
function linesOf(content: Buffer): { lines: Buffer[]; torn: boolean } {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = content.indexOf(NEWLINE); end >= 0; end = content.indexOf(NEWLINE, start)) {
    lines.push(content.subarray(start, end + 1));
    start = end + 1;
  }
  return { lines, torn: start < content.length };
}

/** A state that cannot be read means that everything is sent again: at least once, never not at all. */
function readSent(path: string): { segment: number; bytes: number } {
  try {
    const state: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof state === 'object' && state !== null && 'segment' in state && 'bytes' in state) {
      const { segment, bytes } = state;
      if (Number.isSafeInteger(segment) && Number.isSafeInteger(bytes)) {
        return { segment: Number(segment), bytes: Number(bytes) };
      }
    }
  } catch {
    // absent on the first start, or torn
  }
  return { segment: 0, bytes: 0 };
}

function writeSent(path: string, state: { segment: number; bytes: number }): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(state), { mode: FILE_MODE });
  renameSync(`${path}.tmp`, path);
}
