/**
 * Complete syntheses, kept under the facts that they depend on, within limits of size and time. On disk an entry is one
 * file: a JSON line, then the PCM. A file that is cut short is a miss, reported as broken, and removed.
 */
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFoldersSync } from '../base/folders.ts';
import { readInput, readInputStart } from '../base/input-file.ts';
import { fieldOf, parsedJson } from '../base/json.ts';
import { keyedHex } from '../base/random.ts';

/** The facts that a synthesis depends on. */
export interface SpeechFacts {
  endpoint: string;
  method: string;
  voice: string;
  speed: number;
  format: string;
  rateHz: number;
  language: string;
  text: string;
}

export interface CachedSpeech {
  /** PCM16 little-endian mono. */
  pcm: Uint8Array;
  sampleRateHz: number;
  /** TTFB of the synthesis: a hit saves this much. */
  ttfbUs: number;
}

export interface SpeechCache {
  /** `broken` for an entry that could not be read. Never rejects. */
  get(key: string, sessionId: string): Promise<CachedSpeech | 'broken' | undefined>;
  /** Keeps a complete synthesis. Never rejects. */
  put(key: string, speech: CachedSpeech, sessionId: string): Promise<void>;
  /** Removes the entries of a session; returns their number. */
  erase(sessionId: string): number;
}

export interface CacheLimits {
  maxBytes: number;
  maxEntries: number;
  ttlMs: number;
}

export const CACHE_LIMITS: CacheLimits = { maxBytes: 64e6, maxEntries: 2000, ttlMs: 7 * 24 * 3600e3 };
/** Longer texts are hardly ever said twice. */
export const CACHEABLE_CHARS = 160;

/** The entry's name. Texts that differ only in spacing or Unicode form have the same. */
export function speechKey({ text, ...facts }: SpeechFacts): string {
  return keyedHex(40, JSON.stringify({ ...facts, text: text.normalize('NFC').trim().replace(/\s+/gu, ' ') }));
}

interface Entry {
  sessionId: string;
  storedUs: number;
  bytes: number;
}

/** The entries of any cache, least recently used first. Calls `drop` for an entry that has to go. */
function createIndex(limits: CacheLimits, drop: (key: string) => void) {
  const entries = new Map<string, Entry>();
  let totalBytes = 0;
  const forget = (key: string): void => {
    totalBytes -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  const remove = (key: string): void => {
    if (!entries.has(key)) return;
    forget(key);
    drop(key);
  };
  return {
    remove,
    /** The entry, unless it is too old. Counts as used. */
    use(key: string, nowUs: number): Entry | undefined {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (nowUs - entry.storedUs > limits.ttlMs * 1000) return void remove(key);
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    /** Call after the speech was stored. Replaces an earlier entry of the name. */
    add(key: string, entry: Entry): void {
      forget(key);
      entries.set(key, entry);
      totalBytes += entry.bytes;
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.maxEntries && totalBytes <= limits.maxBytes) return;
        remove(oldest);
      }
    },
    has: (key: string): boolean => entries.has(key),
    erase(sessionId: string): number {
      const own = [...entries].filter(([, entry]) => entry.sessionId === sessionId);
      for (const [key] of own) remove(key);
      return own.length;
    },
  };
}

/**
 * A cache in memory, for simulated worlds and arms of a replay. With `earlierSessionsOnly` a session does not find its
 * own entries: an arm is filled by earlier sessions alone.
 */
export function createMemoryCache(
  epochUs: () => number,
  { limits = CACHE_LIMITS, earlierSessionsOnly = false }: { limits?: CacheLimits; earlierSessionsOnly?: boolean } = {},
): SpeechCache {
  const speeches = new Map<string, CachedSpeech>();
  const index = createIndex(limits, (key) => speeches.delete(key));
  return {
    get: async (key, sessionId) => {
      const entry = index.use(key, epochUs());
      return entry === undefined || (earlierSessionsOnly && entry.sessionId === sessionId)
        ? undefined
        : speeches.get(key);
    },
    put: async (key, speech, sessionId) => {
      if (speeches.has(key) || speech.pcm.byteLength > limits.maxBytes) return;
      speeches.set(key, speech);
      index.add(key, { sessionId, storedUs: epochUs(), bytes: speech.pcm.byteLength });
    },
    erase: (sessionId) => index.erase(sessionId),
  };
}

const SUFFIX = '.speech';
const HEADER_LIMIT_BYTES = 4096;

interface Header {
  version: 1;
  sampleRateHz: number;
  ttfbUs: number;
  bytes: number;
  sha256: string;
  sessionId: string;
  storedUs: number;
}

/** The cache in a folder, made when missing. Removes files that cannot be read. What another process puts there is erased, but not found. */
export function openDiskCache(folder: string, epochUs: () => number, limits: CacheLimits = CACHE_LIMITS): SpeechCache {
  makeFoldersSync(folder, 0o700);
  const pathOf = (key: string): string => join(folder, `${key}${SUFFIX}`);
  const index = createIndex(limits, (key) => rmSync(pathOf(key), { force: true, recursive: true }));
  const keysOnDisk = (): string[] =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(SUFFIX))
      .map(({ name }) => name.slice(0, -SUFFIX.length));
  const found = keysOnDisk()
    .map((key) => ({ key, usedMs: statSync(pathOf(key), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => a.usedMs - b.usedMs);
  for (const { key } of found) {
    const header = headerAt(pathOf(key));
    if (header === undefined) rmSync(pathOf(key), { force: true });
    else index.add(key, { sessionId: header.sessionId, storedUs: header.storedUs, bytes: header.bytes });
  }
  return {
    async get(key) {
      if (index.use(key, epochUs()) === undefined) return undefined;
      const file = read(pathOf(key));
      const speech = file === undefined ? undefined : speechOf(file);
      if (speech === undefined) index.remove(key);
      return file === undefined ? undefined : (speech ?? 'broken');
    },
    async put(key, { pcm, sampleRateHz, ttfbUs }, sessionId) {
      if (pcm.byteLength > limits.maxBytes) return;
      const storedUs = epochUs();
      const facts = { sampleRateHz, ttfbUs, bytes: pcm.byteLength, sha256: sha256Of(pcm), sessionId, storedUs };
      const header: Header = { version: 1, ...facts };
      const temporary = `${pathOf(key)}.${keyedHex(8, storedUs, sessionId)}`;
      try {
        await writeFile(temporary, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), pcm]), { mode: 0o600 });
        await rename(temporary, pathOf(key));
        index.add(key, { sessionId, storedUs, bytes: pcm.byteLength });
      } catch {
        // a full or read-only disk costs a later hit, not this turn
        await rm(temporary, { force: true }).catch(() => undefined);
      }
    },
    erase(sessionId) {
      const ofOthers = keysOnDisk().filter((key) => !index.has(key) && headerAt(pathOf(key))?.sessionId === sessionId);
      for (const key of ofOthers) rmSync(pathOf(key), { force: true });
      return index.erase(sessionId) + ofOthers.length;
    },
  };
}

/** Removes every entry of the cache in `folder`; returns their number. */
export function purgeCache(folder: string): number {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => name.includes(SUFFIX));
  } catch {
    return 0; // there never was a cache
  }
  for (const name of names) rmSync(join(folder, name), { force: true });
  return names.length;
}

/** Synchronous: an entry is short, and the turn waits for it. Undefined for a missing file. */
function read(path: string): Buffer | undefined {
  try {
    return readInput(path, 'recording');
  } catch {
    return undefined;
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Of a file of `size` bytes, by its first ones. */
function headerOf({ start, size }: { start: Buffer; size: number }): Header | undefined {
  const end = start.indexOf(10);
  if (end < 0) return undefined;
  const header = parsedJson(start.toString('utf8', 0, end));
  return isHeader(header) && size - end - 1 === header.bytes ? header : undefined;
}

/** Undefined also for what is no regular file. */
function headerAt(path: string): Header | undefined {
  try {
    return headerOf(readInputStart(path, HEADER_LIMIT_BYTES));
  } catch {
    return undefined;
  }
}

function speechOf(file: Buffer): CachedSpeech | undefined {
  const header = headerOf({ start: file, size: file.length });
  if (header === undefined) return undefined;
  const pcm = new Uint8Array(file.subarray(file.indexOf(10) + 1));
  const { sampleRateHz, ttfbUs } = header;
  return sha256Of(pcm) === header.sha256 ? { pcm, sampleRateHz, ttfbUs } : undefined;
}

function isHeader(value: unknown): value is Header {
  if (fieldOf(value, 'version') !== 1) return false;
  return (
    ['sampleRateHz', 'ttfbUs', 'bytes', 'storedUs'].every((name) => Number.isSafeInteger(fieldOf(value, name))) &&
    ['sha256', 'sessionId'].every((name) => typeof fieldOf(value, name) === 'string')
  );
}
