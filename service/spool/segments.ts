/**
 * The spool's segments, owned by one process at a time (claim.ts). No process appends to a segment that another one began, so that a torn
 * last line stays alone. What was sent stays on disk up to a limit, for `retake spool resend`.
 */
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { linesOf } from '../base/file-lines.ts';
import { openOwn, readInput } from '../base/input-file.ts';
import { FILE_MODE, makeSpoolFolder, readSent, segmentPathIn, segmentsIn, sentPathIn, writeSent } from './files.ts';

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
  /** Writes one line. Returns how many unsent lines had to leave the disk for it. Throws the disk's errors. */
  append(line: Buffer): number;
  oldest(): SpoolLine | undefined;
  /** The line without its newline; undefined where it is no longer on disk. */
  read(line: SpoolLine): Promise<Buffer | undefined>;
  /** Notes that the line was sent; false where it has been dropped meanwhile. */
  markSent(line: SpoolLine): boolean;
  pending(): number;
  /** On disk, sent and unsent. */
  bytes(): number;
  /** Lines that an earlier process left, whole and torn. */
  readonly recovered: number;
  readonly torn: number;
  close(): void;
}

/**
 * Opens the folder, or creates it, and counts what an earlier process left. Segments that were sent wholly stay while they have at
 * most `keepSentBytes` together. All segments have at most `maxBytes`.
 */
export function openSegments(dir: string, maxBytes: number, keepSentBytes = 0): Segments {
  makeSpoolFolder(dir);
  const sentPath = sentPathIn(dir);
  const segmentBytes = Math.max(1, Math.floor(maxBytes / 8));
  const found = segmentsIn(dir);
  let sent = readSent(sentPath);
  const segments: Segment[] = [];
  let torn = 0;
  for (const { number, path } of found) {
    const scanned = number < sent.segment ? sentWholly(number, path) : scan(number, path, sent);
    torn += scanned.torn;
    segments.push(scanned.segment);
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

  const noteSent = (state: { segment: number; bytes: number }): void => writeSent(sentPath, (sent = state));
  /** Removes segments that were sent, oldest first, until the others are within their limit. */
  const trim = (): void => {
    const done = segments.filter(({ lineBytes }) => lineBytes.length === 0);
    let keptBytes = done.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const segment of done) {
      if (segment === current?.segment || (keptBytes <= keepSentBytes && segment.bytes > 0)) return;
      keptBytes -= segment.bytes;
      remove(segment);
    }
  };
  const closeCurrent = (): void => {
    if (current !== undefined) closeSync(current.fd);
    current = undefined;
  };

  const currentFor = (bytes: number): { segment: Segment; fd: number } => {
    if (current !== undefined && current.segment.bytes > 0 && current.segment.bytes + bytes > segmentBytes) {
      closeCurrent();
      trim();
    }
    if (current === undefined) {
      const number = nextNumber++;
      const path = segmentPathIn(dir, number);
      const segment: Segment = { number, path, bytes: 0, sentBytes: 0, lineBytes: [], gone: false };
      current = { segment, fd: openSync(path, 'ax', FILE_MODE) };
      segments.push(segment);
    }
    return current;
  };

  trim();
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
      try {
        for (let written = 0; written < line.length;) written += writeSync(fd, line, written);
      } catch (error) {
        // the torn line stays alone at the end of its segment
        closeCurrent();
        throw error;
      }
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
        await using file = await openOwn(segment.path);
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
      noteSent({ segment: segment.number, bytes: segment.sentBytes });
      trim();
      return true;
    },
    pending: () => countLines(segments),
    bytes: () => totalBytes,
    recovered,
    torn,
    close() {
      closeCurrent();
      trim();
    },
  };
}

function countLines(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.lineBytes.length, 0);
}

function scan(
  number: number,
  path: string,
  sent: { segment: number; bytes: number },
): { segment: Segment; torn: number } {
  const content = readInput(path, 'segment');
  const from = number === sent.segment ? Math.min(sent.bytes, content.length) : 0;
  const lines = [...linesOf(content.subarray(from))];
  const torn = lines.at(-1)?.torn === true;
  const lineBytes = lines.filter((line) => !line.torn).map(({ bytes }) => bytes.length + 1);
  const segment = { number, path, bytes: content.length, sentBytes: from, lineBytes, gone: false };
  return { segment, torn: torn ? 1 : 0 };
}

/** Not read: its lines were all sent. */
function sentWholly(number: number, path: string): { segment: Segment; torn: number } {
  const bytes = statSync(path).size;
  return { segment: { number, path, bytes, sentBytes: bytes, lineBytes: [], gone: false }, torn: 0 };
}
