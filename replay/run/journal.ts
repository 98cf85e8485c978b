/**
 * The write-ahead journal of a replay. A turn's beginning is on disk before the first call, and its figures are on disk before the
 * next turn begins. A resumed run never repeats a turn that the journal holds as done. A turn that had only begun is run again, and
 * its calls are possibly paid twice.
 */
import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { makeFoldersSync } from '../../service/base/folders.ts';
import { readInput } from '../../service/base/input-file.ts';
import { isObject, parsedJson } from '../../service/base/json.ts';
import { sum } from '../statistics/estimates.ts';
import type { JournaledTurn } from '../arms/replayed-turn.ts';

export const JOURNAL_FORMAT = 1;

export type JournalLine =
  /** `untilDecided`: the most sessions of such a run, as fixed when it began and as asked for. */
  | {
      line: 'plan';
      format: number;
      key: string;
      runId: string;
      turns: number;
      command?: string;
      world?: string;
      untilDecided?: { sessions: number; asked: number };
    }
  /** Before anything of the turn is sent. `usd`: its estimated price. */
  | { line: 'begin'; turn: string; usd?: number }
  | ({ line: 'done'; turn: string } & JournaledTurn)
  /** The baseline's turn came later, and a turn that is done was compared with it. */
  | { line: 'change'; turn: string; transcriptChange: number }
  /** The pair is run again as a whole; its turns so far no longer count. */
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
  /** Begun and never done: possibly paid twice when the run is resumed. */
  inFlight: readonly string[];
  /** Prices in answers so far; estimates for turns without a price and for turns cut off. */
  spentUsd: number;
  repeated: ReadonlyMap<string, string>;
  finished: boolean;
}

/**
 * A new journal begins with the plan; with `resume`, the journal at `path` keeps its lines. A line is written before its call returns
 * and outlives this process. With `sync` the line is on disk and outlives a crash of the machine.
 */
export function openJournal(
  path: string,
  plan: JournalLine & { line: 'plan' },
  { resume, sync }: { resume: boolean; sync: boolean },
): Journal {
  makeFoldersSync(dirname(path));
  const torn = resume && existsSync(path) && !/(^|\n)$/.test(readInput(path, 'log').toString('utf8'));
  const file = openSync(path, resume ? 'a' : 'w', 0o600);
  const write = (line: JournalLine): void => {
    writeSync(file, `${JSON.stringify(line)}\n`);
    if (sync) fsyncSync(file);
  };
  if (torn) writeSync(file, '\n'); // ends the torn line, which every reader skips
  if (!resume) write(plan);
  return {
    begin: (turn, usd) => write({ line: 'begin', turn, usd }),
    done: (turn, { summary, otlp, text }) => write({ line: 'done', turn, summary, otlp, text }),
    change: (turn, transcriptChange) => write({ line: 'change', turn, transcriptChange }),
    repeat: (pair, why) => write({ line: 'repeat', pair, why }),
    end: () => write({ line: 'end' }),
    close: () => closeSync(file),
  };
}

/** Undefined when there is no journal. A torn line, which a crash leaves, is skipped. Throws `InputError`. */
export function readJournal(path: string): JournalState | undefined {
  if (!existsSync(path)) return undefined;
  let plan: (JournalLine & { line: 'plan' }) | undefined;
  const done = new Map<string, JournaledTurn>();
  /** By turn that is not done: the estimate of each beginning. */
  const begun = new Map<string, number[]>();
  const lost = new Set<string>();
  let spentUsd = 0;
  const repeated = new Map<string, string>();
  let finished = false;
  for (const text of readInput(path, 'log').toString('utf8').split('\n')) {
    const line = journalLine(text);
    if (line === undefined) continue;
    switch (line.line) {
      case 'plan':
        if (line.format !== JOURNAL_FORMAT)
          throw new InputError(
            `${path}: journal format ${line.format}, this Retake reads ${JOURNAL_FORMAT}; write to another folder with -o`,
          );
        plan = line;
        break;
      case 'begin':
        if (begun.has(line.turn)) lost.add(line.turn); // a crash lay between the two beginnings
        begun.set(line.turn, [...(begun.get(line.turn) ?? []), line.usd ?? 0]);
        break;
      case 'done':
        // the last beginning was done; the earlier ones were paid as well
        spentUsd += sum((begun.get(line.turn) ?? []).slice(0, -1));
        spentUsd += line.summary.costUsd ?? begun.get(line.turn)?.at(-1) ?? 0;
        begun.delete(line.turn);
        done.set(line.turn, { summary: line.summary, otlp: line.otlp, text: line.text });
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
      `${path}: its first line, the plan, is damaged; ${done.size} turns in the journal are done and would be run again: repair the line, or write to another folder with -o`,
    );
  for (const usd of begun.values()) spentUsd += sum(usd);
  return { plan, done, inFlight: [...new Set([...lost, ...begun.keys()])], spentUsd, repeated, finished };
}

/**
 * Throws `InputError` where the journal of a live run lies, whose answers were paid for, or that of an unfinished run in `wire`, whose turns
 * took real time.
 */
export function refuseOverwrite(path: string): void {
  const found = readJournal(path);
  if (found === undefined) return;
  const { plan, done, finished } = found;
  // journals before `world` was recorded name it in their command
  const isLive = plan.world === 'live' || plan.command?.includes('--world live') === true;
  if (!isLive && (plan.world !== 'wire' || finished || done.size === 0)) return;
  const state = isLive ? `turns paid${finished ? ', finished' : ''}` : 'turns done';
  throw new InputError(
    `${path} is the journal of ${isLive ? 'a live' : 'an unfinished'} run (${done.size} of ${plan.turns} ${state}); resume the run with --resume, or choose another folder with -o`,
  );
}

function journalLine(text: string): JournalLine | undefined {
  const json = parsedJson(text);
  return isObject(json) && 'line' in json ? (json as unknown as JournalLine) : undefined; // written by this file
}
