/**
 * The write-ahead journal of a replay: what is about to be asked of the providers is on disk before it is asked, and a
 * turn's figures are on disk before the next one begins. After a crash the run goes on from it: a turn that is journaled as
 * done is never run again; one that had begun is run again, and its calls are possibly paid twice.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { readInput } from '../../service/base/input-file.ts';
import { sum } from '../diff/stats.ts';
import type { JournaledTurn } from '../arms/replayed-turn.ts';

export const JOURNAL_FORMAT = 1;

export type JournalLine =
  | { line: 'plan'; format: number; key: string; runId: string; turns: number; command?: string; world?: string }
  /** Before anything of the turn is sent; `usd`: what it is expected to cost. */
  | { line: 'begin'; turn: string; usd?: number }
  | ({ line: 'done'; turn: string } & JournaledTurn)
  /** A turn that is done has its transcript compared with the baseline's, which came after it. */
  | { line: 'change'; turn: string; transcriptChange: number }
  /** The pair's turns so far count no more: it is run again as a whole. */
  | { line: 'repeat'; pair: string; why: string }
  | { line: 'end' };

export interface Journal {
  begin(turn: string, usd?: number): void;
  done(turn: string, result: JournaledTurn): void;
  change(turn: string, transcriptChange: number): void;
  repeat(pair: string, why: string): void;
  end(): void;
  close(): void;
}

export interface JournalState {
  plan: JournalLine & { line: 'plan' };
  done: ReadonlyMap<string, JournaledTurn>;
  /** Begun and never done: possibly paid twice when the run goes on. */
  inFlight: readonly string[];
  /** What was paid for so far: what answers said, else the estimate; for what was under way, the estimate. */
  spentUsd: number;
  repeated: ReadonlyMap<string, string>;
  finished: boolean;
}

/**
 * Opens the journal at `path`: a new one begins with the plan, one to go on with keeps its lines. Every line is written before the
 * call returns, so that it outlives this process; with `sync` it is on disk and outlives the machine.
 */
export function openJournal(
  path: string,
  plan: JournalLine & { line: 'plan' },
  { goOn, sync }: { goOn: boolean; sync: boolean },
): Journal {
  mkdirSync(dirname(path), { recursive: true });
  const torn = goOn && existsSync(path) && !/(^|\n)$/.test(readInput(path, 'log').toString('utf8'));
  const file = openSync(path, goOn ? 'a' : 'w', 0o600);
  const write = (line: JournalLine): void => {
    writeSync(file, `${JSON.stringify(line)}\n`);
    if (sync) fsyncSync(file);
  };
  if (torn) writeSync(file, '\n'); // the torn line ends here and is skipped by every reader
  if (!goOn) write(plan);
  return {
    begin: (turn, usd) => write({ line: 'begin', turn, ...(usd === undefined ? {} : { usd }) }),
    done: (turn, { summary, otlp, text }) =>
      write({ line: 'done', turn, summary, otlp, ...(text === undefined ? {} : { text }) }),
    change: (turn, transcriptChange) => write({ line: 'change', turn, transcriptChange }),
    repeat: (pair, why) => write({ line: 'repeat', pair, why }),
    end: () => write({ line: 'end' }),
    close: () => closeSync(file),
  };
}

/** What a journal says; undefined when there is none. A torn line is what a crash leaves: skipped. Throws `InputError`. */
export function readJournal(path: string): JournalState | undefined {
  if (!existsSync(path)) return undefined;
  let plan: (JournalLine & { line: 'plan' }) | undefined;
  const done = new Map<string, JournaledTurn>();
  /** Not yet done: by turn, what each of its beginnings was expected to cost. */
  const begun = new Map<string, number[]>();
  const lost = new Set<string>();
  let spentUsd = 0;
  const repeated = new Map<string, string>();
  let finished = false;
  for (const text of readInput(path, 'log').toString('utf8').split('\n')) {
    const line = parsed(text);
    if (line === undefined) continue;
    switch (line.line) {
      case 'plan':
        if (line.format !== JOURNAL_FORMAT)
          throw new InputError(`${path}: journal format ${line.format}, this Retake reads ${JOURNAL_FORMAT}`);
        plan = line;
        break;
      case 'begin':
        if (begun.has(line.turn)) lost.add(line.turn); // begun twice: a crash lay between
        begun.set(line.turn, [...(begun.get(line.turn) ?? []), line.usd ?? 0]);
        break;
      case 'done':
        // of several beginnings the last one was done, the others were paid as well
        spentUsd += sum((begun.get(line.turn) ?? []).slice(0, -1));
        spentUsd += line.summary.costUsd ?? begun.get(line.turn)?.at(-1) ?? 0;
        begun.delete(line.turn);
        done.set(line.turn, {
          summary: line.summary,
          otlp: line.otlp,
          ...(line.text === undefined ? {} : { text: line.text }),
        });
        break;
      case 'change': {
        const known = done.get(line.turn);
        if (known === undefined) break;
        const summary = { ...known.summary, transcriptChange: line.transcriptChange };
        done.set(line.turn, { ...known, summary });
        break;
      }
      case 'repeat':
        repeated.set(line.pair, line.why);
        break;
      case 'end':
        finished = true;
        break;
      default:
        line satisfies never;
    }
  }
  if (plan === undefined && done.size === 0 && begun.size === 0) return undefined;
  if (plan === undefined)
    throw new InputError(
      `${path}: its first line, the plan, is damaged; ${done.size} turns in it are done and would be run again: keep the file, or write to another folder with -o`,
    );
  for (const usd of begun.values()) spentUsd += sum(usd);
  return { plan, done, inFlight: [...new Set([...lost, ...begun.keys()])], spentUsd, repeated, finished };
}

/**
 * Refuses to begin anew where the journal of a live run lies: its answers were paid for. Throws `InputError`.
 */
export function refuseOverwrite(path: string): void {
  const found = readJournal(path);
  if (found === undefined) return;
  const { plan, done, finished } = found;
  // journals before `world` was recorded name it in their command
  if (plan.world !== 'live' && plan.command?.includes('--world live') !== true) return;
  throw new InputError(
    `${path} is the journal of a live run (${done.size} of ${plan.turns} turns paid${finished ? ', finished' : ''}); go on with it by --resume, or choose another folder with -o`,
  );
}

function parsed(text: string): JournalLine | undefined {
  if (text === '') return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && 'line' in json ? (json as JournalLine) : undefined; // we wrote it
  } catch {
    return undefined;
  }
}
