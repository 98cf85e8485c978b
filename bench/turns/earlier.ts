/** A result folder against an earlier one, arm by arm, with the verdicts of `retake diff`. */
import { join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { readInput } from '../../service/base/input-file.ts';
import { isObject, listIn, parsedJson, textIn } from '../../service/base/json.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { diffLanes, type Verdict } from '../../replay/diff/diff.ts';
import type { BenchResult } from './engine.ts';
import { turnsFile } from './folder.ts';

export interface ArmComparison {
  bench: string;
  arm: string;
  verdict: Verdict;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
}

/** The turns of each bench of an earlier folder. */
export type EarlierTurns = ReadonlyMap<string, readonly TurnSummary[]>;

/**
 * Throws `InputError` when the folder holds no turns of one of the benches, when a file of it is damaged, or when its results are
 * of another world or profile: those are never mixed.
 */
export function readEarlier(
  folder: string,
  { world, profile }: { world: string; profile?: string },
  benches: readonly string[],
): EarlierTurns {
  const file = join(folder, 'results.json');
  const earlier = parsedJson(textOf(file));
  if (earlier === undefined) throw damaged(file);
  const of = (results: { world?: string; profile?: string }): string =>
    `world ${results.world}${results.profile === undefined ? '' : `, profile ${results.profile}`}`;
  const [then, now] = [
    of({ world: textIn(earlier, 'world'), profile: textIn(earlier, 'profile') }),
    of({ world, profile }),
  ];
  if (then !== now)
    throw new InputError(`--against ${folder}: its results are of ${then}, these of ${now}; they cannot be compared`);
  const turns = new Map<string, readonly TurnSummary[]>();
  for (const bench of benches) turns.set(bench, readTurns(join(folder, turnsFile(bench))));
  return turns;
}

/** In the order of the tables. Pure. Arms that either side has not are left out. */
export function compareWithEarlier(earlier: EarlierTurns, results: readonly BenchResult[]): ArmComparison[] {
  return results.flatMap(({ bench, arms, turns }) =>
    arms.flatMap(({ arm }): ArmComparison[] => {
      const now = turns.get(arm) ?? [];
      const then = (earlier.get(bench) ?? []).filter(({ variant }) => variant === arm);
      const diff = diffLanes(then, now);
      if (diff === undefined) return [];
      const { deltaMs, lowMs, highMs } = diff.primary;
      return [{ bench, arm, verdict: diff.verdict, deltaMs, lowMs, highMs }];
    }),
  );
}

function readTurns(file: string): TurnSummary[] {
  const lines = textOf(file)
    .split('\n')
    .filter((line) => line !== '');
  if (lines.length === 0) throw new InputError(`--against: ${file} holds no turns; name a folder of a bench that ran`);
  return lines.map((line, index) => {
    const where = `${file}, line ${index + 1}`;
    const turn = parsedJson(line);
    if (!isTurn(turn)) throw damaged(where);
    return turn;
  });
}

/** What a summary is told from; the rest is as `retake bench` wrote it. */
function isTurn(value: unknown): value is TurnSummary {
  return (
    isObject(value) &&
    textIn(value, 'variant') !== undefined &&
    textIn(value, 'sessionId') !== undefined &&
    isObject(value['serviceUs']) &&
    listIn(value, 'ledger').every(isObject)
  );
}

function damaged(where: string): InputError {
  return new InputError(`--against: ${where} is damaged; run that bench again, or name another folder`);
}

function textOf(file: string): string {
  const next = 'name a folder that "retake bench" wrote';
  return readInput(file, 'log', { where: `--against: ${file}`, next }).toString('utf8');
}
