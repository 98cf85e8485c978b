/** Feeds damaged samples to parsers and judges what comes of it: a value or a declared error, within a time, and nothing else. */
import { describeError } from '../../service/base/errors.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { mutated } from './mutate.ts';

/** A parser under test, with samples that it reads. */
export interface ParserRow {
  name: string;
  samples: readonly Uint8Array[];
  parse(bytes: Uint8Array): unknown;
  /** Whether the parser may throw this. */
  isDeclared(error: unknown): boolean;
  /** The longest that a case may take; by default `CASE_LIMIT_MS`. */
  limitMs?: number;
  /** The row has a turn in one of so many rounds; by default in each. For slow parsers. */
  everyRounds?: number;
}

export interface Finding {
  index: number;
  row: string;
  what: string;
}

/** A case that takes longer is measured again, and is a finding when the quickest of three is too slow. */
export const CASE_LIMIT_MS = 250;
/** A parser that has not answered by then never will. */
const HANGS_MS = 20_000;

/** The row and the input of a case: from the seed and its number alone. Undefined where the case belongs to a row that has no turn. */
export function caseOf(
  rows: readonly ParserRow[],
  seed: string,
  index: number,
): { row: ParserRow; bytes: Uint8Array } | undefined {
  const row = rows[index % rows.length];
  if (row === undefined || Math.floor(index / rows.length) % (row.everyRounds ?? 1) !== 0) return undefined;
  const random = keyedRandom(seed, row.name, index);
  const sample = row.samples[Math.floor(random() * row.samples.length)];
  return sample && { row, bytes: mutated(sample, row.samples, random) };
}

/** What is wrong with a parser on these bytes; undefined when nothing is. */
export async function complaintOf(row: ParserRow, bytes: Uint8Array): Promise<string | undefined> {
  const limitMs = row.limitMs ?? CASE_LIMIT_MS;
  let quickestMs = Infinity;
  for (let run = 0; run < 3; run++) {
    const beganMs = performance.now();
    const complaint = await complaintOfRun(row, bytes);
    if (complaint !== undefined) return complaint;
    quickestMs = Math.min(quickestMs, performance.now() - beganMs);
    if (quickestMs <= limitMs) return undefined;
  }
  return `takes ${quickestMs.toFixed(0)} ms, more than ${limitMs}`;
}

async function complaintOfRun({ parse, isDeclared }: ParserRow, bytes: Uint8Array): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const outcome = parse(bytes);
    if (!(outcome instanceof Promise)) return undefined;
    const hangs = new Promise<string>((resolve) => (timer = setTimeout(() => resolve('does not end'), HANGS_MS)));
    const ended: unknown = await Promise.race([outcome.then(() => undefined), hangs]);
    return typeof ended === 'string' ? ended : undefined;
  } catch (error) {
    if (isDeclared(error)) return undefined;
    const where =
      error instanceof Error ? (error.stack ?? '').split('\n').slice(1, 4).join(' ').replace(/\s+/g, ' ') : '';
    return `throws ${error instanceof Error ? error.name : typeof error}: ${describeError(error)} ${where}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs cases until `isOver`, at most one finding a row and kind. `every` is told after each case. */
export async function fuzz(
  rows: readonly ParserRow[],
  seed: string,
  {
    isOver,
    every = () => undefined,
    from = 0,
  }: { isOver(done: number): boolean; every?: (done: number) => void; from?: number },
): Promise<{ cases: number; findings: Finding[] }> {
  const findings = new Map<string, Finding>();
  let cases = 0;
  for (let index = from; !isOver(cases); index++) {
    const drawn = caseOf(rows, seed, index);
    if (drawn === undefined) continue;
    const { row, bytes } = drawn;
    const what = await complaintOf(row, bytes);
    cases++;
    every(cases);
    // the same fault with other numbers is one finding
    const key = `${row.name} ${what?.replace(/\d+/g, '') ?? ''}`;
    if (what !== undefined && !findings.has(key)) findings.set(key, { index, row: row.name, what });
  }
  return { cases, findings: [...findings.values()] };
}
