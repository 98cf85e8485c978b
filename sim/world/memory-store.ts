/** A capture store in memory, for simulated sessions: no file, and no disk to wait for. */
import { InputError } from '../../service/base/errors.ts';
import { linesOf } from '../../service/base/file-lines.ts';
import type { CaptureStore, SessionFiles } from '../../service/capture/store.ts';

export interface MemoryStore extends CaptureStore {
  /** A session's files by name. */
  files(sessionId: string): ReadonlyMap<string, string | Uint8Array>;
}

/** Sessions stay until somebody erases them. */
export function createMemoryStore(): MemoryStore {
  const sessions = new Map<string, Map<string, string | Uint8Array>>();
  const known = (sessionId: string): Map<string, string | Uint8Array> => {
    const files = sessions.get(sessionId);
    if (files === undefined) throw new InputError(`there is no captured session ${sessionId} in memory`);
    return files;
  };
  return {
    files: known,
    create(sessionId) {
      const files = sessions.get(sessionId) ?? new Map<string, string | Uint8Array>();
      sessions.set(sessionId, files);
      return Promise.resolve(filesOf(sessionId, files));
    },
    find: (sessionId) => Promise.resolve(filesOf(sessionId, known(sessionId))),
    list: () => Promise.resolve([...sessions.keys()]),
    erase: (sessionId) => Promise.resolve(sessions.delete(sessionId)),
  };
}

function filesOf(sessionId: string, files: Map<string, string | Uint8Array>): SessionFiles {
  const bytesOf = (content: string | Uint8Array): Uint8Array =>
    typeof content === 'string' ? Buffer.from(content) : content;
  return {
    where: `memory:${sessionId}`,
    append(name, text) {
      const before = files.get(name) ?? '';
      if (typeof before !== 'string')
        throw new InputError(`memory:${sessionId}/${name} holds bytes: text cannot be appended`);
      files.set(name, before + text);
      return Promise.resolve();
    },
    writeOnce(name, bytes) {
      if (!files.has(name)) files.set(name, bytes);
      return Promise.resolve();
    },
    read(name) {
      const content = files.get(name);
      return Promise.resolve(content === undefined ? undefined : bytesOf(content));
    },
    lines: (name) => linesOf(Buffer.from(bytesOf(files.get(name) ?? ''))),
  };
}
