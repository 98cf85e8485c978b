/** Folders that the user named for output. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError } from '../../service/base/errors.ts';

/** Makes the folder and those above. An existing folder is kept. Throws `InputError`. */
export async function makeFolder(folder: string, mode?: number): Promise<void> {
  try {
    await makeOneByOne(resolve(folder), mode);
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/** Node's own recursive `mkdir` never ends inside an existing folder that takes no folders, such as /proc. */
async function makeOneByOne(folder: string, mode: number | undefined): Promise<void> {
  try {
    await mkdir(folder, mode);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeOneByOne(dirname(folder), mode);
    await mkdir(folder, mode);
  }
}

/** For errors of `fs`. */
export function cannotWrite(where: string, cause: unknown): InputError {
  return new InputError(`${where} cannot be written; name another place with -o`, { cause });
}
