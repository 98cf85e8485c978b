/**
 * Runs programs by name for `npm run verify`, `npm run bench` and `npm run docs`. Each has a table of programs. They run one after
 * another, and a summary compares the minutes that each took with the minutes of its row.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../service/base/errors.ts';
import { currentCommit } from '../../replay/arms/checkout.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** How long an interrupted program may take to end. */
const GRACE_MS = 10_000;
const EXIT = { ok: 0, failed: 1, input: 2, interrupted: 130 } as const;
/** Measured, or estimated from the CPU time of a busy machine. */
export const BASES = ['measured', 'estimated'] as const;

export interface Program {
  name: string;
  /** What the program shows or writes, in one sentence. */
  sentence: string;
  /** On 2 cores that do nothing else. */
  minutes: number;
  basis: (typeof BASES)[number];
  /** From the repository's root, then its arguments. Arguments of the command line follow them. */
  run: readonly [file: string, ...args: string[]];
  nodeFlags?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** A program that runs before: the demo that a check judges. */
  first?: readonly [file: string, ...args: string[]];
  /** Why a failure may be repeated once, `first` included. */
  repeatBecause?: string;
}

export interface Named<P extends Program = Program> {
  /** As one types it: `npm run verify`. */
  command: string;
  /** What one program is called: a check. */
  kind: string;
  programs: readonly P[];
  /** Words that stand for several programs. */
  groups: Readonly<Record<string, readonly P[]>>;
}

/** Programs and arguments that a command line asks for. Throws `InputError` in one line. */
export function chosenBy<P extends Program>(
  words: readonly string[],
  { kind, programs, groups }: Named<P>,
): { chosen: P[]; args: string[] } {
  const of = (word: string): readonly P[] =>
    Object.hasOwn(groups, word) ? (groups[word] ?? []) : programs.filter(({ name }) => name === word);
  const known = words.findIndex((word) => of(word).length === 0);
  const names = known < 0 ? words : words.slice(0, known);
  const [next, ...rest] = words.slice(names.length);
  const chosen = [...new Set(names.flatMap(of))];
  if (next === undefined) return { chosen, args: [] };
  if (chosen.length === 1) return { chosen, args: next === '--' ? rest : [next, ...rest] };
  if (chosen.length > 1 && next.startsWith('-')) throw new InputError(`arguments go to one ${kind}; name one`);
  const all = [...programs.map(({ name }) => name), ...Object.keys(groups)];
  throw new InputError(`no ${kind} is called ${next}; say one of ${all.join(', ')}`);
}

/** The table as text. */
export function listOf({ command, programs, groups }: Named): string {
  const width = Math.max(...programs.map(({ name }) => name.length));
  const row = (program: Program): string =>
    `  ${program.name.padEnd(width)} ${minutesText(program).padStart(6)} min  ${program.sentence}`;
  const about = Object.entries(groups).map(([name, some]) => {
    const sum = some.reduce((all, { minutes }) => all + minutes, 0);
    const names = some.length === programs.length ? 'every one of them' : some.map((each) => each.name).join(', ');
    return `  ${name.padEnd(width)} ${sum.toFixed(0).padStart(6)} min  ${names}`;
  });
  return [
    `${command} -- NAME…          one after another`,
    `${command} -- NAME ARGUMENT… one, with arguments of its own (--help lists them)`,
    '',
    ...programs.map(row),
    '',
    ...about,
    '',
    'Minutes are for 2 cores; ~ where they are estimated.',
  ].join('\n');
}

const minutesText = ({ minutes, basis }: Program): string => `${basis === 'estimated' ? '~' : ''}${minutes.toFixed(1)}`;

interface Ended {
  program: Program;
  code: number;
  minutes: number;
  repeated: boolean;
}

/** Runs what the words ask for, or lists what there is. Returns the exit code; Ctrl-C ends what runs. */
export async function runNamed(words: readonly string[], named: Named): Promise<number> {
  if (words.length === 0 || words[0] === '--help' || words[0] === '-h') {
    console.log(listOf(named));
    return EXIT.ok;
  }
  let asked;
  try {
    asked = chosenBy(words, named);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(`${named.command}: ${error.message}`);
    return EXIT.input;
  }
  const { chosen, args } = asked;
  const commit = currentCommit();
  const runner = createRunner();
  const [only] = chosen;
  if (only !== undefined && args.some((arg) => arg === '--help' || arg === '-h'))
    return runner.run({ ...only, first: undefined }, args);
  const ended: Ended[] = [];
  for (const [index, program] of chosen.entries()) {
    console.log(`[${index + 1} of ${chosen.length}] ${program.name}, ${minutesText(program)} min: ${program.sentence}`);
    const began = performance.now();
    let code = await runner.run(program, args);
    const repeated = code === EXIT.failed && program.repeatBecause !== undefined && !runner.interrupted();
    if (repeated) {
      console.log(`${program.name} failed and is repeated once: ${program.repeatBecause}`);
      code = await runner.run(program, args);
    }
    if (runner.interrupted()) break;
    ended.push({ program, code, minutes: (performance.now() - began) / 60_000, repeated });
  }
  if (chosen.length === 1 && ended[0]?.code === EXIT.input) return EXIT.input;
  console.log(summaryText(ended, chosen, named, commit));
  if (runner.interrupted()) return EXIT.interrupted;
  return ended.every(({ code }) => code === EXIT.ok) ? EXIT.ok : EXIT.failed;
}

function summaryText(
  ended: readonly Ended[],
  chosen: readonly Program[],
  { command, kind }: Named,
  commit: string,
): string {
  const rows = ended.map(({ program, code, minutes, repeated }) => [
    program.name,
    `${code === EXIT.ok ? 'ok' : `FAILED (exit code ${code})`}${repeated ? ', repeated once' : ''}`,
    minutes.toFixed(1),
    minutesText(program),
  ]);
  const left = chosen.slice(ended.length).map(({ name }) => [name, 'not run to its end', '', '']);
  const table = [[kind, 'result', 'minutes', 'stated'], ...rows, ...left];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const failed = ended.filter(({ code }) => code !== EXIT.ok).map(({ program }) => program.name);
  const tookMin = ended.reduce((sum, { minutes }) => sum + minutes, 0);
  return [
    '',
    ...lines,
    `${ended.length - failed.length} of ${chosen.length} ok in ${tookMin.toFixed(1)} minutes, commit ${commit}`,
    ...(failed.length === 0 ? [] : [`again: ${command} -- ${failed.join(' ')}`]),
  ].join('\n');
}

/** Runs one program after another, each in a process group of its own: one signal ends the program and all that it has started. */
function createRunner(): { run(program: Program, args: readonly string[]): Promise<number>; interrupted(): boolean } {
  let child: ChildProcess | undefined;
  let interrupted = false;
  const end = (signal: NodeJS.Signals): void => {
    try {
      if (child?.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // gone already
    }
  };
  const stop = (): void => {
    end(interrupted ? 'SIGKILL' : 'SIGINT');
    interrupted = true;
    setTimeout(() => end('SIGKILL'), GRACE_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const start = (words: readonly string[], env: Program['env']): Promise<number> =>
    new Promise((resolve, reject) => {
      child = spawn(process.execPath, words, {
        cwd: ROOT,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
      });
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? EXIT.failed));
    });
  return {
    interrupted: () => interrupted,
    async run({ run, nodeFlags = [], env, first }, args) {
      const before = first === undefined ? EXIT.ok : await start(first, env);
      return before === EXIT.ok && !interrupted ? start([...nodeFlags, ...run, ...args], env) : before;
    },
  };
}
