/** Captured user audio, spoken again: the same frames with the same gaps. */
import { InputError } from '../../service/base/errors.ts';
import { pcmBytesToSamples } from '../../service/audio/pcm.ts';
import type { AttrValue, TurnEvent, TurnLog } from '../../service/base/events.ts';
import type { AudioFrame, Clock, UserAudio } from '../../service/base/ports.ts';
import { PRE_ROLL_MS } from '../../service/turn/barge-in.ts';
import { loudnessOf, REFERENCE_DETECTOR } from '../../service/audio/speech-end.ts';

export interface CapturedAudio {
  zero: UserAudio['zero'];
  sampleRateHz: number;
  /** On the clock of the captured turn. */
  startUs: number;
  frames: readonly { atUs: number; samples: Int16Array }[];
  /** The upload as received, where it was WebM with Opus. */
  recorded?: Uint8Array;
  /** The user spoke into the reply: audio from `fromUs` on interrupts the reply that was audible from `audibleUs` on. */
  interruption?: { fromUs: number; audibleUs: number };
}

/**
 * The received audio of a captured turn. A `timing` capture holds none. With `shaped`, a tone of the captured loudness stands in,
 * to which Retake's detectors react as to the speech. Without `shaped`, throws `InputError`.
 */
export function capturedAudio(log: TurnLog, { shaped }: { shaped: boolean }): CapturedAudio {
  const { sessionId, turnIndex } = log.identity;
  const received = log.events.find((event) => event.kind === 'speech.audio');
  const start = log.events.find((event) => event.kind === 'speech.start');
  if (received === undefined || start === undefined) {
    throw new InputError(
      `session ${sessionId}, turn ${turnIndex}: the capture holds no event of the user's audio; capture the session again`,
    );
  }
  const bytes = received.content?.audio;
  if (bytes === undefined && !shaped) {
    throw new InputError(
      `session ${sessionId}, turn ${turnIndex}: the capture holds no user audio; capture with RETAKE_CAPTURE=full, or replay in --world sim`,
    );
  }
  const sampleRateHz = Number(received.attrs?.['sampleRateHz']);
  const frameAtUs = numbers(received.attrs?.['frameAtUs']);
  const frameSamples = numbers(received.attrs?.['frameSamples']);
  const length = frameSamples.reduce((sum, each) => sum + each, 0);
  const samples = bytes === undefined ? shapedSamples(received, sampleRateHz, length) : pcmBytesToSamples(bytes);
  let offset = 0;
  const frames = frameAtUs.map((atUs, index) => {
    const length = frameSamples[index] ?? 0;
    const frame = { atUs, samples: samples.subarray(offset, offset + length) };
    offset += length;
    return frame;
  });
  const recorded = received.content?.recorded;
  return {
    zero: log.zero,
    sampleRateHz,
    startUs: start.atUs,
    frames,
    recorded,
    interruption: capturedInterruption(log),
  };
}

/** The audio after the reference speech end, in ms. Undefined where the audio was not streamed. */
export function heardPastSpeechMs(log: TurnLog): number | undefined {
  const speechEnd = log.events.find((event) => event.kind === 'speech.end');
  const received = log.events.find((event) => event.kind === 'speech.audio');
  const lastUs = numbers(received?.attrs?.['frameAtUs']).at(-1);
  if (log.zero !== 'audio' || speechEnd === undefined || lastUs === undefined) return undefined;
  return (lastUs - speechEnd.atUs) / 1000;
}

/** Each 10 ms frame as a square wave at the highest frequency, whose RMS is its amplitude. */
function shapedSamples(received: TurnEvent, sampleRateHz: number, length: number): Int16Array {
  const onDbfs = Number(received.attrs?.['onDbfs']);
  const perFrame = (sampleRateHz * REFERENCE_DETECTOR.frameMs) / 1000;
  const amplitudes = numbers(received.attrs?.['speechProbability']).map((probability) =>
    Math.min(32_767, Math.round(32_768 * 10 ** (loudnessOf(probability, onDbfs) / 20))),
  );
  return Int16Array.from({ length }, (_, index) => {
    const amplitude = amplitudes[Math.floor(index / perFrame)] ?? 0;
    return index % 2 === 0 ? amplitude : -amplitude;
  });
}

function capturedInterruption(log: TurnLog): CapturedAudio['interruption'] {
  const onset = log.events.find((event) => event.kind === 'interrupt.onset');
  const audible = log.events.find((event) => event.kind === 'deliver.first_audible');
  if (onset === undefined || audible === undefined) return undefined;
  const fromUs = Math.max(audible.atUs, onset.atUs - PRE_ROLL_MS * 1000);
  return { fromUs, audibleUs: audible.atUs };
}

/**
 * Speaks captured audio on `clock`, with its first byte now. `audibleUs` tells when this lane's reply becomes audible. An interruption
 * keeps its distance from that moment: later where the reply is late, earlier where it is early.
 */
export function speakAgain(audio: CapturedAudio, clock: Clock, audibleUs?: Promise<number>): UserAudio {
  const { interruption } = audio;
  let heardUs: number | undefined;
  void audibleUs?.then((atUs) => (heardUs = atUs));
  const startedUs = clock.nowUs();
  const first = audio.frames[0];
  return {
    zero: audio.zero,
    sampleRateHz: audio.sampleRateHz,
    startedUs: audio.zero === 'upload' ? startedUs : undefined,
    recorded: audio.recorded,
    async *frames(signal): AsyncGenerator<AudioFrame> {
      // streamed audio starts with its first frame, an upload with its first byte
      const fromUs = audio.zero === 'upload' ? audio.startUs : (first?.atUs ?? audio.startUs);
      for (const { atUs, samples } of audio.frames) {
        const interrupts = interruption !== undefined && audibleUs !== undefined && atUs >= interruption.fromUs;
        if (interrupts && heardUs === undefined) heardUs = await unlessAborted(audibleUs, signal);
        if (signal.aborted) return;
        const capturedUs = startedUs + (atUs - fromUs);
        const shiftedUs = (us: number): number => (heardUs ?? 0) + us - (interruption?.audibleUs ?? 0);
        // an earlier interruption has less silence before it
        const dueUs = interrupts
          ? shiftedUs(atUs)
          : Math.min(
              capturedUs,
              interruption === undefined || heardUs === undefined ? Infinity : shiftedUs(interruption.fromUs),
            );
        const leftUs = dueUs - clock.nowUs();
        try {
          if (leftUs > 0) await clock.sleep(leftUs / 1000, signal);
        } catch {
          return;
        }
        if (signal.aborted) return;
        yield { atUs: clock.nowUs(), samples };
      }
    },
  };
}

function unlessAborted(promise: Promise<number>, signal: AbortSignal): Promise<number | undefined> {
  return Promise.race([
    promise,
    new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true })),
  ]);
}

function numbers(value: AttrValue | undefined): number[] {
  return Array.isArray(value) ? value.filter((each): each is number => typeof each === 'number') : [];
}
