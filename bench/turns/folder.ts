/** A bench's result folder: refuses those of other worlds, and empties it for a run. */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { readInput } from '../../service/base/input-file.ts';
import { cannotWrite, makeFolder } from '../../replay/run/out-folder.ts';
import { EXCHANGES_FILE } from '../../sim/times/exchange-lines.ts';

const SAMPLES = 'samples.jsonl';
/** Each of these names the folder's world. A killed run leaves its samples only. */
const TELLING = ['results.json', SAMPLES, 'history.jsonl'];

/** Throws `InputError` when the folder holds results of another world: figures of providers and of stand-ins never share a folder. */
export function refuseOtherWorld(folder: string, world: string): void {
  for (const file of TELLING) {
    const path = join(folder, file);
    const text = existsSync(path) ? readInput(path, 'log').toString('utf8') : '';
    const found = /"world": ?"(\w+)"/.exec(text)?.[1];
    if (found !== undefined && found !== world)
      throw new InputError(`${folder} holds results of world ${found}; give those of ${world} another folder with -o`);
  }
}

/** Removes an earlier run's files but the history. Returns the files that grow turn by turn. Throws `InputError` when it cannot write. */
export async function takeFolder(
  folder: string,
  benches: readonly string[],
): Promise<{ samplesFile: string; exchangesFile: string }> {
  const stale = [...benches.map(turnsFile), 'results.json', 'index.html'];
  await makeFolder(folder);
  try {
    for (const file of stale) await rm(join(folder, file), { force: true });
    const [samplesFile, exchangesFile] = [join(folder, SAMPLES), join(folder, EXCHANGES_FILE)];
    for (const file of [samplesFile, exchangesFile]) await writeFile(file, '');
    return { samplesFile, exchangesFile };
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/** The file of a bench's turns, one a line. A later run is compared with them. */
export const turnsFile = (bench: string): string => `turns-${bench}.jsonl`;
