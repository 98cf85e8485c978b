/** Where captured sessions live: a local folder. Erasing a session leaves nothing of it. */
import { lstat, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../base/errors.ts';
import { makeFolders } from '../base/folders.ts';
import { linesOwn, type FileLine } from '../base/file-lines.ts';
import { readOwn } from '../base/input-file.ts';
import { SESSION_ID } from './format.ts';

/** One captured session's files, by name relative to its folder. */
export interface SessionFiles {
  /** The folder, for messages. */
  readonly where: string;
  /** Appends to a file; with `durable`, resolves only when the file's data would survive a crash of the machine. */
  append(name: string, text: string, durable?: 'durable'): Promise<void>;
  /** Writes a whole file; one that is there already is left alone. */
  writeOnce(name: string, bytes: Uint8Array | string): Promise<void>;
  /** The file's bytes, or undefined when there is none. Throws `InputError` for what is no regular file, or is too large. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** The file's lines, held one at a time; none when there is no such file. Throws as `read` does. */
  lines(name: string): AsyncIterable<FileLine> | Iterable<FileLine>;
}

export interface CaptureStore {
  /** Begins a session's folder, which stands under the day of `startedEpochUs`. */
  create(sessionId: string, startedEpochUs: number): Promise<SessionFiles>;
  /** The session's files; throws `InputError` when there is no such session. */
  find(sessionId: string): Promise<SessionFiles>;
  /** Ids of all sessions, oldest folder first. */
  list(): Promise<string[]>;
  /** True when there was such a session. */
  erase(sessionId: string): Promise<boolean>;
}

const IS_SESSION_ID = new RegExp(SESSION_ID);

/** Throws `InputError` unless the id is safe to name a folder with. */
export function checkSessionId(sessionId: string): void {
  if (!IS_SESSION_ID.test(sessionId)) {
    throw new InputError(
      `session id ${JSON.stringify(sessionId.slice(0, 60))} cannot be used; an id has letters, digits, . _ and - only`,
    );
  }
}

/** A store in `<root>/YYYY/MM/DD/<session-id>/`, folders 0700, files 0600. */
export function createFolderStore(root: string): CaptureStore {
  /** Where `list` found each session, so that opening many listed sessions takes one look, not one each. */
  let lastSeen: ReadonlyMap<string, string> = new Map();
  /** Folders in a folder, by name. */
  const below = async (folder: string): Promise<string[]> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if (isCode(error, 'ENOENT')) return [];
      throw error; // a file in its place, or a folder that may not be read, is not "no sessions"
    });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  };
  /** The days' folders, oldest first. */
  const days = async (): Promise<string[]> => {
    let folders = [root];
    for (let depth = 0; depth < 3; depth++) {
      const found: string[] = [];
      for (const folder of folders)
        found.push(...(await below(folder)).filter((name) => /^\d{2,4}$/.test(name)).map((name) => join(folder, name)));
      folders = found;
    }
    return folders;
  };
  /** The session's folders, the newest first: one look a day, however many sessions there are. */
  async function* foldersOf(sessionId: string): AsyncGenerator<string, undefined> {
    checkSessionId(sessionId);
    for (const day of (await days()).reverse()) {
      const folder = join(day, sessionId);
      const isFolder = await lstat(folder).then(
        (stats) => stats.isDirectory(),
        () => false,
      );
      if (isFolder) yield folder;
    }
  }
  return {
    async create(sessionId, startedEpochUs) {
      checkSessionId(sessionId);
      const [day = ''] = new Date(startedEpochUs / 1000).toISOString().split('T');
      const folder = join(root, ...day.split('-'), sessionId);
      await makeFolders(join(folder, 'audio'), 0o700);
      return filesIn(folder);
    },
    async find(sessionId) {
      checkSessionId(sessionId);
      const seen = lastSeen.get(sessionId);
      if (seen !== undefined && existsSync(seen)) return filesIn(seen);
      for await (const folder of foldersOf(sessionId)) return filesIn(folder);
      throw new InputError(`there is no captured session ${sessionId} in ${root}`);
    },
    async list() {
      const seen = new Map<string, string>();
      const ids: string[] = [];
      for (const day of await days())
        for (const id of await below(day)) {
          ids.push(id);
          seen.set(id, join(day, id));
        }
      lastSeen = seen;
      return ids;
    },
    async erase(sessionId) {
      let erased = false;
      for await (const folder of foldersOf(sessionId)) {
        await rm(folder, { recursive: true, force: true });
        erased = true;
      }
      return erased;
    },
  };
}

// a pipe or a link in the file's place is an error at once
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The files of one bundle folder, wherever it lies. */
export function filesIn(folder: string): SessionFiles {
  const path = (name: string): string => join(folder, name);
  /** Whether `audio` is a folder, and no link to one. */
  let checked: Promise<boolean> | undefined;
  return {
    where: folder,
    async append(name, text, durable) {
      const handle = await open(path(name), APPEND, 0o600);
      try {
        if (!(await handle.stat()).isFile()) throw new InputError(`${path(name)} is no regular file; remove it`);
        await handle.appendFile(text);
        if (durable !== undefined) await handle.datasync();
      } finally {
        await handle.close();
      }
    },
    async writeOnce(name, bytes) {
      let handle: FileHandle;
      try {
        handle = await open(path(name), 'wx', 0o600);
      } catch (error) {
        if (isCode(error, 'EEXIST')) return;
        throw error;
      }
      try {
        await handle.writeFile(bytes);
      } catch (error) {
        await rm(path(name), { force: true }); // half a file would be left alone by the next attempt
        throw error;
      } finally {
        await handle.close();
      }
    },
    async read(name) {
      const [first = '', ...below] = name.split('/');
      if (below.length === 0) return readOwn(path(name), first === 'session.json' ? 'sessions' : 'log');
      checked ??= lstat(path(first)).then(
        (stats) => stats.isDirectory(),
        () => false,
      );
      return (await checked) ? readOwn(path(name), 'recording') : undefined;
    },
    lines: (name) => linesOwn(path(name), { kind: 'log' }),
  };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
