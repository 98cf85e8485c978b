/** The files that a bench writes at its end. */
import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotWrite } from '../../replay/run/out-folder.ts';
import type { TargetRow } from '../../replay/diff/targets.ts';
import type { Report } from '../../replay/report/build.ts';
import type { ArmComparison } from './earlier.ts';
import type { BenchResult } from './engine.ts';
import { turnsFile } from './folder.ts';

/** The content of `results.json`. */
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
    /** Versions of the packages that call the providers. */
    packages: Readonly<Record<string, string>>;
    /** Hosts that were called in `live`: an endpoint setting may point to stand-ins. */
    endpoints?: readonly string[];
    /** Stage and region of the answers that named a region; stand-ins name none. */
    servedFrom: readonly string[];
  };
  sessions: number;
  turnsPerSession: number;
  benches: readonly Omit<BenchResult, 'turns' | 'servedFrom'>[];
  targets: readonly TargetRow[];
  against?: readonly ArmComparison[];
}

/** Writes `index.html`, `results.json` and `turns-<bench>.jsonl`, and appends a line a bench to `history.jsonl`. Throws `InputError` when it cannot. */
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
