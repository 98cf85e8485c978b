/**
 * Barge-in: the user speaks while the reply is heard. An onset pauses playback at once; `minSpeechMs` of speech cancel the
 * reply, less was a cough and the reply goes on.
 */
import type { Hearer } from './listen.ts';
import type { Piece } from './pieces.ts';
import type { TurnScope } from '../calls/stage.ts';
import { createVad } from '../audio/vad.ts';

/** Why a turn's work was cancelled: the user took the floor. */
export class Interruption extends Error {
  /** When the interrupting speech was first heard, and its events. */
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
  /** The reply is heard from `firstAudibleUs` on: what the user says then is an interruption. */
  arm(firstAudibleUs: number, firstAudibleId: number): void;
  /** Frames after the end of turn. */
  interrupt: Hearer['interrupt'];
  /** Resolves when playback is not paused; pauses are bounded, also when the client sends nothing any more. */
  gate(): Promise<void>;
}

/** What pauses and shifts with the client's playback. */
export interface Pausable {
  pause(atUs: number): void;
  resume(atUs: number): void;
}

/** Audio before an onset that belongs to the speech: a detector hears speech some frames after it began. */
export const PRE_ROLL_MS = 400;
/** Silence after which an onset was no interruption. */
const FALSE_AFTER_MS = 200;
/** A pause is never longer than minSpeechMs and this. */
const PAUSE_SLACK_MS = 1000;

interface Onset {
  id: number;
  atUs: number;
  speechMs: number;
  quietMs: number;
  over: PromiseWithResolvers<undefined>;
}

/** Watches one turn. `cancel` is called once, with an `Interruption`, when the user has taken the floor. */
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
  const goOn = (current: Onset): void => {
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
      } else if (onset.quietMs >= FALSE_AFTER_MS) goOn(onset);
    },
    async gate() {
      while (onset !== undefined) {
        const current = onset;
        const timer = new AbortController();
        const late = ports.clock.sleep(minSpeechMs + PAUSE_SLACK_MS, timer.signal).then(
          () => {
            if (onset === current && !signal.aborted) goOn(current);
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

/** One piece as far as it was handed to the client. */
export interface DeliveredPiece {
  samples: number;
  /** All of its audio was handed over. */
  complete: boolean;
  /** Its audio came from the speech cache. */
  cached: boolean;
}

/** Usual speaking rate: how much text lies in the audio of a piece whose end nobody has. */
const CHARS_PER_SECOND = 15;

/** What was heard of the reply's text, by piece, to a word's end: whole pieces, and of the last one its share of the audio. */
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
