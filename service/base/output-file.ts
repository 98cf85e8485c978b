/** Files written into a folder whose contents may come from elsewhere. */
import { rename, rm, writeFile } from 'node:fs/promises';

/**
 * Writes a whole file or leaves what is there: the text goes to `PATH.part` first. A link in the place of the file is replaced, never
 * followed. Throws errors of `fs`.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  await rm(part, { force: true });
  await writeFile(part, text, { flag: 'wx' });
  await rename(part, path);
}
