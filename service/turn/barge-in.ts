/**
 * Barge-in: the user speaks while the reply is heard. An onset pauses playback at once. `minSpeechMs` of speech cancel
 * the reply; after less, a cough, the reply resumes.
 */
import type { Hearer } from './listen.ts';
import type { Piece } from './pieces.ts';
import type { TurnScope } from '../calls/stage.ts';
import { createVad } from '../audio/vad.ts';

/** The reason with which a turn's work is cancelled when the user takes the floor. */
export class Interruption extends Error {
  /** Arrival of the first frame of the interrupting speech. */
  readonly onsetUs: number;
  readonly confirmedId: number;

  constructor(onsetUs: number, confirmedId: number) {
    super('the user interrupted the reply');
    this.name = 'Interruption';
    this.onsetUs = onsetUs;
    this.confirmedId = confirmedId;
  }
}

export interface BargeIn {
  readonly enabled: boolean;
  /** The reply is heard from `firstAudibleUs` on. Speech after that time interrupts. */
  arm(firstAudibleUs: number, firstAudibleId: number): void;
  /** Takes the frames after the end of turn. */
  interrupt: Hearer['interrupt'];
  /** Resolves when playback is not paused. No pause is endless, even if the client sends no more audio. */
  gate(): Promise<void>;
}

/** The playback model, which pauses as the client does. */
export interface Pausable {
  pause(atUs: number): void;
  resume(atUs: number): void;
}

/** Audio before an onset that belongs to the speech: a detector hears speech some frames after it began. */
export const PRE_ROLL_MS = 400;
/** An onset with this much silence behind it was no interruption. */
const FALSE_AFTER_MS = 200;
/** A pause lasts at most `minSpeechMs` and this. */
const PAUSE_SLACK_MS = 1000;

interface Onset {
  id: number;
  atUs: number;
  speechMs: number;
  quietMs: number;
  over: PromiseWithResolvers<undefined>;
}

/** Watches one turn. `cancel` gets an `Interruption`, once, when the user has taken the floor. */
export function createBargeIn(scope: TurnScope, playback: Pausable, cancel: (reason: Interruption) => void): BargeIn {
  const { recorder, input, ports, signal } = scope;
  const { bargeIn } = input.strategy.client;
  const enabled = bargeIn !== 'off' && input.audio.zero === 'audio';
  const minSpeechMs = bargeIn === 'off' ? Infinity : bargeIn.minSpeechMs;
  const vad = createVad({ engine: 'client', silenceMs: 500 }, input.audio.sampleRateHz);
  let armed: { fromUs: number; id: number } | undefined;
  let onset: Onset | undefined;

  const begin = (atUs: number, cause: number): Onset => {
    const id = recorder.record({ kind: 'interrupt.onset', stage: 'deliver', cause, atUs });
    playback.pause(atUs);
    input.reply.control?.('pause');
    return { id, atUs, speechMs: 0, quietMs: 0, over: Promise.withResolvers<undefined>() };
  };
  const resume = (current: Onset): void => {
    onset = undefined;
    recorder.record({ kind: 'interrupt.resumed', stage: 'deliver', cause: current.id });
    playback.resume(ports.clock.nowUs());
    input.reply.control?.('resume');
    current.over.resolve(undefined);
  };

  return {
    enabled,
    arm(fromUs, id) {
      armed = { fromUs, id };
    },
    interrupt(samples, atUs) {
      if (!enabled || signal.aborted) return;
      const { speaking } = vad.push(samples);
      if (armed === undefined || atUs < armed.fromUs) return;
      if (onset === undefined && !speaking) return;
      onset ??= begin(atUs, armed.id);
      const frameMs = (samples.length * 1000) / input.audio.sampleRateHz;
      if (speaking) onset.speechMs += frameMs;
      onset.quietMs = speaking ? 0 : onset.quietMs + frameMs;
      if (onset.speechMs >= minSpeechMs) {
        const confirmedId = recorder.record({ kind: 'interrupt.confirmed', stage: 'deliver', cause: onset.id, atUs });
        input.reply.control?.('stop');
        onset.over.resolve(undefined);
        cancel(new Interruption(onset.atUs, confirmedId));
      } else if (onset.quietMs >= FALSE_AFTER_MS) resume(onset);
    },
    async gate() {
      while (onset !== undefined) {
        const current = onset;
        const timer = new AbortController();
        const late = ports.clock.sleep(minSpeechMs + PAUSE_SLACK_MS, timer.signal).then(
          () => {
            if (onset === current && !signal.aborted) resume(current);
          },
          () => undefined,
        );
        const stop = (): void => current.over.resolve(undefined);
        signal.addEventListener('abort', stop, { once: true });
        await Promise.race([current.over.promise, late]);
        signal.removeEventListener('abort', stop);
        timer.abort(new Error('not paused any more'));
        signal.throwIfAborted();
      }
    },
  };
}

/** A piece's audio, as far as the client got it. */
export interface DeliveredPiece {
  samples: number;
  /** The client got all of it. */
  complete: boolean;
  /** From the speech cache. */
  cached: boolean;
}

/** A usual speaking rate: estimates the text in the audio of a piece that never became complete. */
const CHARS_PER_SECOND = 15;

/** The heard text of each piece: whole pieces, and the last one as far as its audio was heard, to a word's end. */
export function heardTexts(
  texts: readonly Pick<Piece, 'text'>['text'][],
  delivered: readonly Pick<DeliveredPiece, 'samples' | 'complete'>[],
  heardSamples: number,
  sampleRateHz: number,
): string[] {
  let left = heardSamples;
  const heard: string[] = [];
  for (const [index, { samples, complete }] of delivered.entries()) {
    const text = texts[index] ?? '';
    if (complete && left >= samples) heard.push(text);
    else {
      const ofAudio = samples === 0 ? 0 : (text.length * left) / samples;
      const chars = Math.floor(complete ? ofAudio : Math.min(text.length, (CHARS_PER_SECOND * left) / sampleRateHz));
      const part = text.slice(0, chars);
      heard.push(chars >= text.length ? text : part.slice(0, part.search(/\s\S*$/) + 1));
    }
    left -= samples;
    if (left <= 0) break;
  }
  return heard;
}
