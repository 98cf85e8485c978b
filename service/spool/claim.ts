/**
 * The spools of one data folder: `spool`, `spool-2`, … Each process that runs a service owns one of them, so that services that share
 * a data folder, as in a rolling restart, never write to the same files. Why: docs/adr/0011-one-owner.md.
 */
import { existsSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { InputError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { makeSpoolFolder, readSent, segmentsIn, sentPathIn } from './files.ts';
import { holderOf, lockFolder, type FolderLock, type Holder } from './lock.ts';

/** Services at once on one data folder. */
const SPOOLS_LIMIT = 16;

/** Every place that a spool may have, `first` being `spool`. */
function placesOf(first: string): string[] {
  return Array.from({ length: SPOOLS_LIMIT }, (_, index) => (index === 0 ? first : `${first}-${index + 1}`));
}

/** The spools that are there, `first` being `spool`. */
export function spoolsBeside(first: string): string[] {
  return placesOf(first).filter((dir) => existsSync(dir));
}

/** This process, for those who find its spool taken. */
export function holderHere(clock: Clock, url?: string): Holder {
  return { pid: process.pid, host: hostname(), since: new Date(clock.epochUs() / 1000).toISOString(), url };
}

/** Owns the first spool that nobody owns, made where it is missing. Throws `InputError` when all are owned, and the disk's error. */
export function claimSpool(first: string, holder: Holder): { dir: string; lock: FolderLock } {
  for (const dir of placesOf(first)) {
    makeSpoolFolder(dir);
    const lock = lockFolder(dir, holder);
    if (lock !== undefined) return { dir, lock };
  }
  const { words } = holderOf(first);
  throw new InputError(
    `${SPOOLS_LIMIT} services run on this data folder, and that is the limit (one is ${words}); stop one, or set RETAKE_DATA to another folder`,
  );
}

/** Owns every spool that is there, while a command changes what the data folder holds. Throws `InputError` that says who owns one. */
export function claimAll(
  first: string,
  holder: Holder,
  refusal: (owner: { words: string; url?: string }) => string,
): FolderLock {
  const locks: FolderLock[] = [];
  const release = (): void => {
    for (const lock of locks) lock.release();
  };
  try {
    for (const dir of spoolsBeside(first)) {
      const lock = lockFolder(dir, holder);
      if (lock === undefined) throw new InputError(refusal(holderOf(dir)));
      locks.push(lock);
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

/** Whether a spool holds lines that were not sent, by the sizes of its files alone. */
export function holdsUnsent(dir: string): boolean {
  const sent = readSent(sentPathIn(dir));
  return segmentsIn(dir).some(({ number, path }) => {
    const sentBytes = number < sent.segment ? Infinity : number === sent.segment ? sent.bytes : 0;
    return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > sentBytes;
  });
}
