/** A turn that was run again, and what two lanes heard of it: compared while both texts are at hand, kept as a share. */
import type { FinishedTurn } from '../../service/turn/observe.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { TurnText } from '../traces/load.ts';
import type { PlannedRun } from './planned.ts';
import { transcriptChange } from './work.ts';

/** A turn as it stands in the journal: figures and spans, no audio. */
export interface JournaledTurn {
  summary: TurnSummary;
  otlp: string;
  /** What was said; only when the reports were asked for text. */
  text?: TurnText;
}

export interface ReplayedTurn extends JournaledTurn {
  planned: PlannedRun;
}

/** A turn as it is told when it is done: what was run just now has its log and words; what a journal held has not. */
export interface ToldTurn extends ReplayedTurn {
  ran?: FinishedTurn;
}

/** Is told of each turn as it is done, of how many. */
export type OnTurn = (turn: ToldTurn, done: number, total: number) => void;

/**
 * Puts the transcript change into the summaries of a pair's lanes on one kind of words, as soon as the baseline's turn and another
 * lane's are both there and were run by this process: no journal need hold text. `later` hears of turns that were
 * journaled without it. Returns the turn.
 */
export function compareTranscripts(
  turn: ToldTurn,
  earlier: readonly ToldTurn[],
  later: (changed: ToldTurn) => void,
): ToldTurn {
  if (turn.planned.lane !== 'baseline') return changedFrom(earlier.find(isBaseline), turn);
  for (const other of earlier) {
    const compared = changedFrom(turn, other);
    if (compared !== other) later(compared);
  }
  return turn;
}

const isBaseline = ({ planned }: ToldTurn): boolean => planned.lane === 'baseline';

function changedFrom(baseline: ToldTurn | undefined, turn: ToldTurn): ToldTurn {
  if (baseline?.ran === undefined || turn.ran === undefined) return turn;
  if (baseline.summary.failure !== undefined || turn.summary.failure !== undefined) return turn;
  const share = transcriptChange(baseline.ran.transcript, turn.ran.transcript);
  if (share === undefined) return turn;
  const summary = { ...turn.summary, transcriptChange: share };
  return { ...turn, summary, ran: { ...turn.ran, summary } };
}
