/**
 * Folders that are made with those above them, one by one. Node's own recursive `mkdir` never ends below a folder that takes no
 * folders, such as /proc/1.
 */
import { mkdirSync, statSync, type Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isObject } from './json.ts';

/** Makes the folder where there is none. Throws the disk's error, also where a file stands in its place. */
export async function makeFolders(folder: string, mode?: number): Promise<void> {
  const path = resolve(folder);
  try {
    await mkdir(path, mode);
  } catch (error) {
    if (isThere(error)) return checkFolder(await stat(path), error);
    const above = missingAbove(path, error);
    await makeFolders(above, mode);
    await mkdir(path, mode).catch(async (again: unknown) => {
      if (!isThere(again)) throw again;
      checkFolder(await stat(path), again);
    });
  }
}

/** The same at once, for what a process opens when it starts. */
export function makeFoldersSync(folder: string, mode?: number): void {
  const path = resolve(folder);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (isThere(error)) return checkFolder(statSync(path), error);
    const above = missingAbove(path, error);
    makeFoldersSync(above, mode);
    try {
      mkdirSync(path, mode);
    } catch (again) {
      if (!isThere(again)) throw again;
      checkFolder(statSync(path), again);
    }
  }
}

const codeOf = (error: unknown): unknown => (isObject(error) ? error['code'] : undefined);
const isThere = (error: unknown): boolean => codeOf(error) === 'EEXIST';

/** The folder above, where `mkdir` failed because that one is missing. */
function missingAbove(path: string, error: unknown): string {
  if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
  return dirname(path);
}

function checkFolder(stats: Stats, error: unknown): void {
  if (!stats.isDirectory()) throw error;
}
