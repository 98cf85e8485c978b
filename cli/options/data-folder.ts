/** The data folder that a command reads. A mistyped folder is an error: it would look like an empty one. */
import { statSync } from 'node:fs';
import type { CommandContext } from '../../replay/report/context.ts';
import { diskReason, InputError, isDiskError } from '../../service/base/errors.ts';
import { dataFolderOf } from '../../service/config.ts';

/**
 * The folder of `--data`, else of RETAKE_DATA, else ./data. Throws `InputError` when a named folder does not exist. ./data may be
 * absent: the first capture makes it.
 */
export function existingDataFolder({ env }: Pick<CommandContext, 'env'>, named?: string): string {
  const folder = dataFolderOf(env, named);
  const isDefault = named === undefined && (env['RETAKE_DATA'] ?? '') === '';
  const why = whyUnreadable(folder, isDefault);
  if (why === undefined) return folder;
  const where = named === undefined ? `RETAKE_DATA=${folder}` : `--data ${folder}`;
  throw new InputError(`${where}: ${why}; name the folder that the service writes to (by default ./data)`);
}

function whyUnreadable(folder: string, mayBeAbsent: boolean): string | undefined {
  try {
    return statSync(folder).isDirectory() ? undefined : 'this is a file, not a data folder';
  } catch (error) {
    if (!isDiskError(error)) throw error;
    if (error.code === 'ENOENT') return mayBeAbsent ? undefined : 'there is no such folder';
    return `the folder cannot be read (${diskReason(error)})`;
  }
}
