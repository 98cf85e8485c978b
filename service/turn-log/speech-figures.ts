/** What a turn's log says of uploads to STT and of interruptions. Pure; docs/metrics.md#other-figures-of-a-turn has the formulas. */
import type { EventKind, TurnEvent } from '../base/events.ts';

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

/** The figures of one turn; what did not happen is absent. */
export function speechFigures(events: readonly TurnEvent[]): SpeechFigures {
  return { ...uploadsOf(events), ...interruptionOf(events) };
}

function interruptionOf(
  events: readonly TurnEvent[],
): Pick<SpeechFigures, 'interrupted' | 'falseInterruptions' | 'heardMs' | 'unheardMs' | 'onsetToLastByteUs'> {
  const resumed = events.filter(({ kind }) => kind === 'interrupt.resumed').length;
  const interrupted = first(events, 'turn.interrupted');
  return {
    ...(resumed === 0 ? {} : { falseInterruptions: resumed }),
    ...(interrupted === undefined ? {} : { interrupted: true as const }),
    ...number('heardMs', interrupted),
    ...number('unheardMs', interrupted),
    ...number('onsetToLastByteUs', interrupted),
  };
}

function uploadsOf(
  events: readonly TurnEvent[],
): Pick<SpeechFigures, 'uploads' | 'uploadedBytes' | 'uploadsWasted' | 'wastedBytes'> {
  const starts = events.filter((event) => event.kind === 'stt.start');
  if (starts.length === 0) return {};
  const used = first(events, 'stt.done');
  const wasted = starts.filter((start) => start.exchange !== used?.exchange);
  const bytesOf = (uploads: readonly TurnEvent[]): number =>
    uploads.reduce((sum, start) => sum + (numberAttr(start, 'uploadBytes') ?? 0), 0);
  return {
    uploads: starts.length,
    uploadedBytes: bytesOf(starts),
    uploadsWasted: wasted.length,
    wastedBytes: bytesOf(wasted),
  };
}

function first(events: readonly TurnEvent[], kind: EventKind): TurnEvent | undefined {
  return events.find((event) => event.kind === kind);
}

/** An attribute under its own name, absent where the event does not have it. */
function number<Key extends string>(key: Key, event: TurnEvent | undefined): { [K in Key]?: number } {
  const value = numberAttr(event, key);
  const object: { [K in Key]?: number } = {};
  if (value !== undefined) object[key] = value;
  return object;
}

function numberAttr(event: TurnEvent | undefined, key: string): number | undefined {
  const value = event?.attrs?.[key];
  return typeof value === 'number' ? value : undefined;
}
