/** Folders that the user named for output. */
import { InputError } from '../../service/base/errors.ts';
import { makeFolders } from '../../service/base/folders.ts';

/** Makes the folder and those above. An existing folder is kept. Throws `InputError`. */
export async function makeFolder(folder: string, mode?: number): Promise<void> {
  try {
    await makeFolders(folder, mode);
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/** For errors of `fs`. */
export function cannotWrite(where: string, cause: unknown): InputError {
  return new InputError(`${where} cannot be written; name another place with -o`, { cause });
}
