/**
 * Who owns a folder. The lock is the kernel's and dies with its process: SQLite locks a file, since Node has no `flock`. What
 * `owner.json` says is for people; no decision is made by it. Why: docs/adr/0011-one-owner.md.
 */
import { lstatSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { InputError } from '../base/errors.ts';
import { readInputJson } from '../base/input-file.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import { FILE_MODE, replaceFile } from './files.ts';

export interface Holder {
  pid: number;
  host: string;
  /** ISO 8601. */
  since: string;
  /** Where its service answers. */
  url?: string;
}

export interface FolderLock {
  release(): void;
}

const OWNER_FILE = 'owner.json';
const BUSY = 5; // SQLITE_BUSY

/**
 * Locks the folder, which must exist. Undefined while another process, or this one, holds the lock. Throws the disk's error, and `InputError`
 * where the file system cannot lock.
 */
export function lockFolder(dir: string, holder: Holder): FolderLock | undefined {
  const path = join(dir, 'lock');
  makeLockFile(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
    replaceFile(join(dir, OWNER_FILE), `${JSON.stringify(holder)}\n`);
  } catch (error) {
    database.close();
    const code = fieldOf(error, 'errcode');
    if (code === BUSY) return undefined;
    if (code === undefined) throw error;
    throw new InputError(
      `${path} cannot be locked (${textIn(error, 'errstr') ?? 'no reason given'}); use a data folder on a local disk that this user may write`,
    );
  }
  return {
    release() {
      rmSync(join(dir, OWNER_FILE), { force: true });
      database.close();
    },
  };
}

/** An open file of a process that closes it again loses the process's lock: so a file that is there is not opened. */
function makeLockFile(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    try {
      writeFileSync(path, '', { mode: FILE_MODE, flag: 'wx' });
    } catch (error) {
      if (fieldOf(error, 'code') !== 'EEXIST') throw error;
    }
  } else if (!stats.isFile()) throw new InputError(`${path} is no regular file; remove it`);
}

/** Whoever holds the folder, in words: `process 4711 on host-1 since 2026-11-30T08:00:00.000Z, http://127.0.0.1:8080`. */
export function holderOf(dir: string): { words: string; url?: string } {
  let owner: unknown;
  try {
    owner = readInputJson(join(dir, OWNER_FILE), 'settings');
  } catch {
    // the other process has just begun, or ended
  }
  const [pid, host, since, url] = [
    numberIn(owner, 'pid'),
    textIn(owner, 'host'),
    textIn(owner, 'since'),
    textIn(owner, 'url'),
  ];
  if (pid === undefined) return { words: 'another process' };
  const where = url === undefined ? '' : `, ${url}`;
  return { words: `process ${pid} on ${host ?? 'this machine'} since ${since ?? 'a while'}${where}`, url };
}
