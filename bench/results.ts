/** A result folder: what it holds, and how it is written. */
import { appendFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../service/errors.ts';
import { EXCHANGES_FILE } from '../sim/exchange-lines.ts';
import type { TargetRow } from '../replay/targets.ts';
import type { ArmComparison } from './earlier.ts';
import type { BenchResult, BenchRun } from './engine.ts';

/** What `results.json` holds. */
export interface BenchResults {
  format: 1;
  basis: 'measured' | 'predicted';
  world: string;
  profile?: string;
  seed: string;
  commit: string;
  environment: {
    node: string;
    cpu: string;
    startedAt: string;
    /** Of what calls the providers. */
    packages: Readonly<Record<string, string>>;
    /** Stage and region of the answers that named one; empty in worlds of stand-ins. */
    servedFrom: readonly string[];
  };
  sessions: number;
  turnsPerSession: number;
  benches: readonly Omit<BenchResult, 'turns' | 'servedFrom'>[];
  targets: readonly TargetRow[];
  against?: readonly ArmComparison[];
}

const SAMPLES = 'samples.jsonl';
/** Each says of which world the folder is; a run that was killed left its samples only. */
const TELLING = ['results.json', SAMPLES, 'history.jsonl'];

/** Throws `InputError` when the folder holds results of another world: figures of providers and of stand-ins never share one. */
export async function refuseOtherWorld(folder: string, world: string): Promise<void> {
  for (const file of TELLING) {
    const text = await readFile(join(folder, file), 'utf8').catch(() => '');
    const found = /"world": ?"(\w+)"/.exec(text)?.[1];
    if (found !== undefined && found !== world)
      throw new InputError(`${folder} holds results of world ${found}; give those of ${world} another folder with -o`);
  }
}

/** Makes the folder this run's own: all but its history goes. Returns the files that grow turn by turn. Throws `InputError`. */
export async function takeFolder(
  folder: string,
  benches: readonly string[],
): Promise<Pick<BenchRun, 'samplesFile' | 'exchangesFile'>> {
  const stale = [...benches.map(turnsFile), 'results.json', 'index.html'];
  try {
    await mkdir(folder, { recursive: true });
    for (const file of stale) await rm(join(folder, file), { force: true });
    const [samplesFile, exchangesFile] = [join(folder, SAMPLES), join(folder, EXCHANGES_FILE)];
    for (const file of [samplesFile, exchangesFile]) await writeFile(file, '');
    return { samplesFile, exchangesFile };
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/** For what `fs` throws: no such place, no right, no room. */
export function cannotWrite(where: string, cause: unknown): InputError {
  return new InputError(`${where} cannot be written; name another folder with -o`, { cause });
}

const turnsFile = (bench: string): string => `turns-${bench}.jsonl`;

/** `index.html`, `results.json`, `turns-<bench>.jsonl`, and a line for each bench in `history.jsonl`, which only grows. Throws `InputError`. */
export async function writeResults(
  folder: string,
  summary: BenchResults,
  page: string,
  results: readonly BenchResult[],
): Promise<void> {
  try {
    await writeFile(join(folder, 'results.json'), `${JSON.stringify(summary, null, 2)}\n`);
    await writeFile(join(folder, 'index.html'), page);
    for (const { bench, turns } of results) {
      const lines = [...turns.values()].flat().map((turn) => `${JSON.stringify(turn)}\n`);
      await writeFile(join(folder, turnsFile(bench)), lines.join(''));
    }
    const { basis, world, profile, seed, commit, environment } = summary;
    for (const { bench, arms } of summary.benches) {
      const medians = arms.map(({ arm, rows }) => [
        arm,
        Object.fromEntries(rows.map(({ metric, median }) => [metric, median])),
      ]);
      const line = {
        at: environment.startedAt,
        basis,
        world,
        profile,
        seed,
        commit,
        bench,
        medians: Object.fromEntries(medians),
      };
      appendFileSync(join(folder, 'history.jsonl'), `${JSON.stringify(line)}\n`);
    }
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}
