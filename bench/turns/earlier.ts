/** Compares results with an earlier result folder, arm by arm, with the verdicts of `retake diff`. */
import { join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { readInput, readInputJson } from '../../service/base/input-file.ts';
import { isObject, listIn, parsedJson, textIn } from '../../service/base/json.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { diffLanes } from '../../replay/diff/diff.ts';
import type { Verdict } from '../../replay/diff/verdict.ts';
import type { BenchResult } from './engine.ts';
import { turnsFile } from './folder.ts';

export interface ArmComparison {
  bench: string;
  arm: string;
  verdict: Verdict;
  reasons: readonly string[];
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
}

const NEXT = 'name a folder that "retake bench" wrote';

/** The turns of each bench of an earlier folder. */
export type EarlierTurns = ReadonlyMap<string, readonly TurnSummary[]>;

/**
 * Reads an earlier folder. Throws `InputError` when turns of a bench are missing or damaged, or when the results are of another world
 * or profile.
 */
export function readEarlier(
  folder: string,
  { world, profile }: { world: string; profile?: string },
  benches: readonly string[],
): EarlierTurns {
  const file = join(folder, 'results.json');
  const earlier = readInputJson(file, 'log', { where: `--against: ${file}`, next: NEXT });
  const of = (results: { world?: string; profile?: string }): string =>
    `world ${results.world}${results.profile === undefined ? '' : `, profile ${results.profile}`}`;
  const [then, now] = [
    of({ world: textIn(earlier, 'world'), profile: textIn(earlier, 'profile') }),
    of({ world, profile }),
  ];
  if (then !== now)
    throw new InputError(
      `--against ${folder}: its results are of ${then}, these of ${now}; name a folder of this world and profile`,
    );
  return new Map(benches.map((bench) => [bench, earlierTurns(join(folder, turnsFile(bench)))]));
}

/** A comparison for each arm that both sides have, in the order of the tables. Pure. */
export function compareWithEarlier(earlier: EarlierTurns, results: readonly BenchResult[]): ArmComparison[] {
  return results.flatMap(({ bench, arms, turns }) =>
    arms.flatMap(({ arm }): ArmComparison[] => {
      const now = turns.get(arm) ?? [];
      const then = (earlier.get(bench) ?? []).filter(({ variant }) => variant === arm);
      const diff = diffLanes(then, now);
      if (diff === undefined) return [];
      if (diff.primary === undefined) return [];
      const { deltaMs, lowMs, highMs } = diff.primary;
      return [{ bench, arm, verdict: diff.verdict, reasons: diff.reasons, deltaMs, lowMs, highMs }];
    }),
  );
}

function earlierTurns(file: string): TurnSummary[] {
  const text = readInput(file, 'log', { where: `--against: ${file}`, next: NEXT }).toString('utf8');
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length === 0) throw new InputError(`--against: ${file} holds no turns; ${NEXT}`);
  return lines.map((line, index) => {
    const turn = parsedJson(line);
    if (!isTurn(turn))
      throw new InputError(`--against: ${file}, line ${index + 1} is damaged; run that bench again, or ${NEXT}`);
    return turn;
  });
}

/** Checks the fields that tell a summary; the others are trusted as `retake bench` wrote them. */
function isTurn(value: unknown): value is TurnSummary {
  return (
    isObject(value) &&
    textIn(value, 'variant') !== undefined &&
    textIn(value, 'sessionId') !== undefined &&
    isObject(value['serviceUs']) &&
    listIn(value, 'ledger').every(isObject)
  );
}
