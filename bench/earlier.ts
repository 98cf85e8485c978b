/** A result folder against an earlier one, arm by arm, with the verdicts of `retake diff`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';
import { diffLanes, type Verdict } from '../replay/diff.ts';
import type { BenchResult } from './engine.ts';

export interface ArmComparison {
  bench: string;
  arm: string;
  verdict: Verdict;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
}

/** Throws `InputError` when the folder holds no results of one of the benches, or results of another world: those are never mixed. */
export async function checkEarlier(folder: string, world: string, benches: readonly string[]): Promise<void> {
  const earlier: unknown = JSON.parse(await text(join(folder, 'results.json')));
  const earlierWorld =
    typeof earlier === 'object' && earlier !== null && 'world' in earlier ? earlier.world : undefined;
  if (earlierWorld !== world) {
    throw new InputError(
      `--against ${folder}: its results are from world ${String(earlierWorld)}, these from ${world}; they cannot be compared`,
    );
  }
  for (const bench of benches) await readTurns(join(folder, `turns-${bench}.jsonl`));
}

/** Throws what `checkEarlier` throws. */
export async function compareWithEarlier(
  folder: string,
  { world, results }: { world: string; results: readonly BenchResult[] },
): Promise<ArmComparison[]> {
  await checkEarlier(folder, world, []);
  const comparisons: ArmComparison[] = [];
  for (const { bench, turns } of results) {
    const before = await readTurns(join(folder, `turns-${bench}.jsonl`));
    for (const [arm, now] of turns) {
      const then = before.filter(({ variant }) => variant === arm);
      const diff = diffLanes(then, now);
      if (diff === undefined) continue;
      const { deltaMs, lowMs, highMs } = diff.primary;
      comparisons.push({
        bench,
        arm,
        verdict: diff.verdict,
        deltaMs,
        ...(lowMs === undefined ? {} : { lowMs }),
        ...(highMs === undefined ? {} : { highMs }),
      });
    }
  }
  return comparisons;
}

async function readTurns(file: string): Promise<TurnSummary[]> {
  const lines = (await text(file)).split('\n').filter((line) => line !== '');
  return lines.map((line): TurnSummary => JSON.parse(line));
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new InputError(`--against: ${file} cannot be read; name a folder that "retake bench" wrote`, {
      cause: error,
    });
  }
}
