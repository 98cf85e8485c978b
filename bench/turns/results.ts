/** What a bench leaves in its result folder at its end. */
import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotWrite } from '../../replay/run/out-folder.ts';
import type { TargetRow } from '../../replay/diff/targets.ts';
import type { Report } from '../../replay/report/build.ts';
import type { ArmComparison } from './earlier.ts';
import type { BenchResult } from './engine.ts';
import { turnsFile } from './folder.ts';

/** What `results.json` holds. */
export interface BenchResults {
  format: 1;
  basis: Report['basis'];
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
    /** Who was called, in `live`: stand-ins that an endpoint setting points to are told by their address. */
    endpoints?: readonly string[];
    /** Stage and region of the answers that named one; empty in worlds of stand-ins. */
    servedFrom: readonly string[];
  };
  sessions: number;
  turnsPerSession: number;
  benches: readonly Omit<BenchResult, 'turns' | 'servedFrom'>[];
  targets: readonly TargetRow[];
  against?: readonly ArmComparison[];
}

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
