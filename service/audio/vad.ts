/**
 * The strategy's voice activity detector: decides, while audio arrives, that the user has finished. The detector only
 * looks back. It shares no threshold with the reference detector (`speech-end.ts`), which judges it.
 */
import { acRmsDbfs } from './pcm.ts';
import { createWebRtcClassifier, type SpeechClassifier } from './vad-webrtc.ts';

export interface VadOptions {
  /** With `client` the client says when the user has finished. The detector then only reports, by energy. */
  engine: 'energy' | 'webrtc' | 'client';
  /** Non-speech that ends a turn, rounded up to whole 10 ms frames. */
  silenceMs: number;
}

/** The state after all whole frames so far. */
export interface VadDecision {
  speaking: boolean;
  /** First sample of speech, coughs excepted. Absent before speech. */
  speechFromSample?: number;
  /** First sample of the current silence, or of the one that ended the turn. Absent before and during speech. */
  quietSinceSample?: number;
  /** Unbroken non-speech after at least 100 ms of speech. 0 before speech, during speech and after a cough. */
  quietMs: number;
  /** The user has finished. Stays true: a detector serves one turn. */
  ended: boolean;
}

export interface Vad {
  /** Takes samples in any portions. */
  push(samples: Int16Array): VadDecision;
  /** Frees its memory. Nothing may be pushed afterwards. */
  close(): void;
}

const FRAME_MS = 10;
/** No quieter frame is speech. */
const LOWEST_ON_DBFS = -46;
/** Every louder frame is speech, so that speech without a pause is never taken for noise. */
const HIGHEST_ON_DBFS = -30;
const ON_ABOVE_FLOOR_DB = 9;
/** Speech goes on until this far below the threshold at which it began. */
const HYSTERESIS_DB = 4;
/** The noise floor is the quietest 50 ms of the last 3 s. In the first 3 s it is no louder than a quiet room. */
const FLOOR_WINDOW_FRAMES = 300;
const FLOOR_SMOOTHING_FRAMES = 5;
const QUIET_ROOM_DBFS = -60;
/** A shorter burst is a click and breaks no silence … */
const CONFIRM_FRAMES = 3;
/** … except this soon after speech, where it is the release of a stop consonant. */
const RELEASE_FRAMES = 100 / FRAME_MS;
/** Less speech than this is a cough and ends no turn … */
const MIN_SPEECH_FRAMES = 100 / FRAME_MS;
/** … and is forgotten after this much silence. */
const FORGET_FRAMES = 500 / FRAME_MS;

/** Noise floor from the loudness of each frame, in dBFS. */
function createFloor(): (levelDbfs: number) => number {
  const powers: number[] = [];
  const means: number[] = [];
  return (levelDbfs) => {
    powers.push(10 ** (levelDbfs / 10));
    if (powers.length > FLOOR_SMOOTHING_FRAMES) powers.shift();
    const mean = powers.reduce((sum, power) => sum + power, 0) / powers.length;
    if (powers.length === FLOOR_SMOOTHING_FRAMES) means.push(mean);
    if (means.length > FLOOR_WINDOW_FRAMES) means.shift();
    const floorDbfs = 10 * Math.log10(Math.min(...means));
    return means.length < FLOOR_WINDOW_FRAMES ? Math.min(QUIET_ROOM_DBFS, floorDbfs) : floorDbfs;
  };
}

/** Frames that are louder than the noise floor by `ON_ABOVE_FLOOR_DB` are speech. */
function createEnergyClassifier(): { isSpeech(frame: Int16Array, speaking: boolean): boolean; close(): void } {
  const floor = createFloor();
  return {
    isSpeech(frame, speaking) {
      const levelDbfs = acRmsDbfs(frame, 0, frame.length);
      const onDbfs = Math.min(HIGHEST_ON_DBFS, Math.max(LOWEST_ON_DBFS, floor(levelDbfs) + ON_ABOVE_FLOOR_DB));
      return levelDbfs > (speaking ? onDbfs - HYSTERESIS_DB : onDbfs);
    },
    close: () => undefined,
  };
}

/**
 * Creates the detector of one turn. With `energy` and `webrtc`, `ended` becomes true once `silenceMs` of unbroken
 * non-speech followed at least 100 ms of speech. With `client` it never does. Throws `StageError` where the engine does
 * not take the sample rate.
 */
export function createVad(options: VadOptions, sampleRateHz: number): Vad {
  const frameSamples = Math.max(1, Math.round((sampleRateHz * FRAME_MS) / 1000));
  const silenceFrames = Math.ceil(options.silenceMs / FRAME_MS);
  const classifier: SpeechClassifier | ReturnType<typeof createEnergyClassifier> =
    options.engine === 'webrtc' ? createWebRtcClassifier(sampleRateHz) : createEnergyClassifier();
  const frame = new Int16Array(frameSamples);
  let filled = 0;
  let frames = 0;
  let loudRun = 0;
  let speechFrames = 0;
  let speaking = false;
  let speechFrom: number | undefined;
  let quietFrom: number | undefined;
  let endedQuietFrom: number | undefined;
  const quietFrames = (): number =>
    quietFrom === undefined || loudRun > 0 || speechFrames < MIN_SPEECH_FRAMES ? 0 : frames - quietFrom;

  const hear = (): void => {
    if (classifier.isSpeech(frame, speaking)) {
      loudRun += 1;
      const release = quietFrom !== undefined && frames - quietFrom < RELEASE_FRAMES;
      if (speaking || release || loudRun >= CONFIRM_FRAMES) {
        if (speechFrames === 0) speechFrom = frames + 1 - loudRun;
        speechFrames += speaking ? 1 : loudRun;
        speaking = true;
        quietFrom = undefined;
      }
    } else {
      loudRun = 0;
      if (speaking) quietFrom = frames;
      speaking = false;
    }
    frames += 1;
    if (quietFrom === undefined) return;
    if (speechFrames < MIN_SPEECH_FRAMES) {
      if (frames - quietFrom < FORGET_FRAMES) return;
      speechFrames = 0;
      speechFrom = undefined;
    } else if (options.engine !== 'client' && quietFrames() >= silenceFrames) endedQuietFrom ??= quietFrom;
  };

  return {
    push(samples) {
      for (let from = 0; from < samples.length;) {
        const part = samples.subarray(from, from + frameSamples - filled);
        frame.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled < frameSamples) break;
        filled = 0;
        hear();
      }
      const quiet = endedQuietFrom ?? quietFrom;
      return {
        speaking,
        speechFromSample: speechFrom === undefined ? undefined : speechFrom * frameSamples,
        quietSinceSample: quiet === undefined ? undefined : quiet * frameSamples,
        quietMs: quietFrames() * FRAME_MS,
        ended: endedQuietFrom !== undefined,
      };
    },
    close: classifier.close,
  };
}
