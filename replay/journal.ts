/**
 * The write-ahead journal of a replay: what is about to be asked of the providers is on disk before it is asked, and a
 * turn's figures are on disk before the next one begins. After a crash the run goes on from it: a turn that is journaled as
 * done is never run again; one that had begun is run again, and its calls are possibly paid twice.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';

export const JOURNAL_FORMAT = 1;

/** A turn as it stands in the journal: figures and spans, no text and no audio. */
export interface JournaledTurn {
  summary: TurnSummary;
  otlp: string;
}

export type JournalLine =
  | { line: 'plan'; format: number; key: string; runId: string; turns: number; command?: string }
  /** Before anything of the turn is sent. */
  | { line: 'begin'; turn: string }
  | ({ line: 'done'; turn: string } & JournaledTurn)
  /** A turn that is done has its transcript compared with the baseline's, which came after it. */
  | { line: 'change'; turn: string; transcriptChange: number }
  /** The pair's turns so far count no more: it is run again as a whole. */
  | { line: 'repeat'; pair: string; why: string }
  | { line: 'end' };

export interface Journal {
  begin(turn: string): void;
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
  const torn = goOn && existsSync(path) && !/(^|\n)$/.test(readFileSync(path, 'utf8'));
  const file = openSync(path, goOn ? 'a' : 'w', 0o600);
  const write = (line: JournalLine): void => {
    writeSync(file, `${JSON.stringify(line)}\n`);
    if (sync) fsyncSync(file);
  };
  if (torn) writeSync(file, '\n'); // the torn line ends here and is skipped by every reader
  if (!goOn) write(plan);
  return {
    begin: (turn) => write({ line: 'begin', turn }),
    done: (turn, { summary, otlp }) => write({ line: 'done', turn, summary, otlp }),
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
  const begun = new Set<string>();
  const repeated = new Map<string, string>();
  let finished = false;
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    const line = parsed(text);
    if (line === undefined) continue;
    switch (line.line) {
      case 'plan':
        if (line.format !== JOURNAL_FORMAT)
          throw new InputError(`${path}: journal format ${line.format}, this Retake reads ${JOURNAL_FORMAT}`);
        plan = line;
        break;
      case 'begin':
        begun.add(line.turn);
        break;
      case 'done':
        begun.delete(line.turn);
        done.set(line.turn, { summary: line.summary, otlp: line.otlp });
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
  return plan === undefined ? undefined : { plan, done, inFlight: [...begun], repeated, finished };
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
