/** A turn that was run again, and how far two lanes' transcripts of it differ. */
import type { FinishedTurn } from '../../service/turn/observe.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { TurnText } from '../traces/load.ts';
import type { PlannedRun } from './planned.ts';
import { transcriptChange } from './work.ts';

/** A turn as the journal holds it: figures and spans, no audio. */
export interface JournaledTurn {
  summary: TurnSummary;
  otlp: string;
  /** What was said, only when the user asked for text. */
  text?: TurnText;
}

export interface ReplayedTurn extends JournaledTurn {
  planned: PlannedRun;
}

export interface ToldTurn extends ReplayedTurn {
  /** With log and words. Absent for a turn that the journal held. */
  ran?: FinishedTurn;
}

/** Called for each finished turn. */
export type OnTurn = (turn: ToldTurn, done: number, total: number) => void;

/**
 * Puts the transcript change into the summaries of lanes on one kind of words, once the baseline's turn and another lane's have run.
 * Both must have run in this process, so that no journal needs to hold text. `later` gets turns that were journaled before. Returns
 * the turn.
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
