/** A run that ends when its verdicts are decided: a look after each session, and the most sessions as its journal fixed them. */
import { InputError } from '../../service/base/errors.ts';
import type { ReplayedTurn } from '../arms/replayed-turn.ts';
import { createLooks, isDecided, type Look } from '../diff/looks.ts';
import type { Verdict } from '../diff/verdict.ts';
import type { ExperimentOptions, ExperimentPlan } from '../plan/plan.ts';
import { readJournal } from './journal.ts';

/**
 * The options with the most sessions of the journal that they resume. The budget may have grown since, and the boundary must not move.
 * Throws `InputError` where other sessions are asked for than when the run began.
 */
export function withJournaledSessions(options: ExperimentOptions): ExperimentOptions {
  const { untilDecided, journal, sessions } = options;
  if (untilDecided === undefined || journal?.resume !== true) return options;
  const begun = readJournal(journal.path)?.plan.untilDecided;
  if (begun === undefined) return options;
  const asked = untilDecided.maxSessions ?? sessions.length;
  if (asked !== begun.asked)
    throw new InputError(
      `${journal.path}: the run began with at most ${begun.asked} sessions, and ${asked} would move its boundary between looks; resume with --max-sessions ${begun.asked}, or begin another run in another folder with -o`,
    );
  return { ...options, untilDecided: { ...untilDecided, fixed: begun.sessions } };
}

export interface Watch {
  /** Called after each session with all turns so far; true once every verdict is decided. */
  isEnough(turns: readonly ReplayedTurn[]): boolean;
  /** The last look. */
  last(): Look;
}

/** Undefined for a run of fixed size. `reportsAt`: a report for each candidate that has measured turns. */
export function createWatch(
  { onLook }: Pick<ExperimentOptions, 'onLook'>,
  { untilDecided, comparisons }: Pick<ExperimentPlan, 'untilDecided' | 'comparisons'>,
  reportsAt: (turns: readonly ReplayedTurn[], look: Look) => readonly { report: { verdict: Verdict } }[],
): Watch | undefined {
  if (untilDecided === undefined) return undefined;
  const lookAfter = createLooks(untilDecided.sessions);
  let last = lookAfter(0, 0);
  return {
    isEnough(turns) {
      last = lookAfter(last.sessions + 1, turns.length);
      if (last.looks === 0) return false;
      const verdicts = reportsAt(turns, last).map(({ report }) => report.verdict);
      onLook?.(last, verdicts);
      return verdicts.length === comparisons.length && verdicts.every(isDecided);
    },
    last: () => last,
  };
}
