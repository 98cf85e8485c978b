/** What a turn's log says of uploads to STT and of interruptions. Pure; docs/metrics.md#other-figures-of-a-turn has the formulas. */
import { firstOf, numberOf, type TurnEvent } from '../base/events.ts';

export interface SpeechFigures {
  /** The user took the floor while the reply was heard. */
  interrupted?: true;
  /** Onsets that paused the reply and were none. */
  falseInterruptions?: number;
  /** Reply audio heard, and handed over but not heard, of an interrupted reply. */
  heardMs?: number;
  unheardMs?: number;
  onsetToLastByteUs?: number;
  /** STT uploads, all attempts of one counted once, and their audio's bytes. */
  uploads?: number;
  uploadedBytes?: number;
  /** Those whose text was not used: early uploads after which the user went on, or that failed. */
  uploadsWasted?: number;
  wastedBytes?: number;
}

/** The figures of one turn, undefined where nothing of the kind happened. */
export function speechFigures(events: readonly TurnEvent[]): SpeechFigures {
  return { ...uploadsOf(events), ...interruptionFigures(events) };
}

function interruptionFigures(
  events: readonly TurnEvent[],
): Pick<SpeechFigures, 'interrupted' | 'falseInterruptions' | 'heardMs' | 'unheardMs' | 'onsetToLastByteUs'> {
  const resumed = events.filter(({ kind }) => kind === 'interrupt.resumed').length;
  const interrupted = firstOf(events, 'turn.interrupted');
  return {
    falseInterruptions: resumed === 0 ? undefined : resumed,
    interrupted: interrupted === undefined ? undefined : true,
    heardMs: numberOf(interrupted, 'heardMs'),
    unheardMs: numberOf(interrupted, 'unheardMs'),
    onsetToLastByteUs: numberOf(interrupted, 'onsetToLastByteUs'),
  };
}

function uploadsOf(
  events: readonly TurnEvent[],
): Pick<SpeechFigures, 'uploads' | 'uploadedBytes' | 'uploadsWasted' | 'wastedBytes'> {
  const starts = events.filter((event) => event.kind === 'stt.start');
  if (starts.length === 0) return {};
  const used = firstOf(events, 'stt.done');
  const wasted = starts.filter((start) => start.exchange !== used?.exchange);
  const bytesOf = (uploads: readonly TurnEvent[]): number =>
    uploads.reduce((sum, start) => sum + (numberOf(start, 'uploadBytes') ?? 0), 0);
  return {
    uploads: starts.length,
    uploadedBytes: bytesOf(starts),
    uploadsWasted: wasted.length,
    wastedBytes: bytesOf(wasted),
  };
}
