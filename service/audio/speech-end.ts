/**
 * The one pinned reference detector. It finds the end of the user's speech, the zero of every latency.
 *
 * The detector sees all audio so far as a whole, so noise after the speech may set the threshold. A strategy's VAD,
 * which must decide at once, cannot wait for that. Any change of the answers is a new `version`. Known limit: loudness
 * alone cannot tell noise above −48 dBFS without speech from speech without a pause.
 *
 *     10 ms frames → AC RMS in dBFS → on/off thresholds from floor and peak → runs → first and last sample of speech
 */
import { acRmsDbfs } from './pcm.ts';

/** Every capture holds these beside the answer. */
export const REFERENCE_DETECTOR = {
  name: 'retake-energy',
  version: 1,
  frameMs: 10,
  /** No quieter frame is speech, in any room. */
  thresholdDbfs: -48,
  /** Speech begins this far above the noise floor … */
  aboveFloorDb: 10,
  /** … and fades away until this far above it. */
  fadeAboveFloorDb: 6,
  /** The floor is this quantile of the loudness, taken over `floorWindowFrames` since noise flickers … */
  floorQuantile: 0.1,
  floorWindowFrames: 5,
  /** … and the threshold stays this far below the 95th percentile: speech without pauses is no noise. */
  belowPeakDb: 12,
  /** A shorter run is a click. */
  minRunMs: 60,
  /** The longest quiet gap within a run: the closure of a stop consonant, whose release is speech again. */
  bridgeMs: 90,
} as const;

export interface SpeechBounds {
  /** First sample of speech. Absent without speech. */
  startSample?: number;
  /** Last sample of speech, inclusive. Absent without speech. */
  endSample?: number;
}

export interface SpeechEndDetector {
  /** Takes samples in any portions, which do not change the answer. */
  push(samples: Int16Array): void;
  /** The answer for all whole frames so far. */
  result(): SpeechBounds;
  /**
   * The speech probability of each whole 10 ms frame: the logistic function of its loudness, 0.5 at `onDbfs`. A capture
   * without audio gets the loudness back by `loudnessOf`.
   */
  probabilities(): { onDbfs: number; speechProbability: number[] };
}

const LOGISTIC_WIDTH_DB = 3;

/** A frame's loudness in dBFS from its speech probability. */
export function loudnessOf(probability: number, onDbfs: number): number {
  return onDbfs + LOGISTIC_WIDTH_DB * Math.log(probability / (1 - probability));
}

/** First and last 10 ms frame of speech, from the loudness of each frame in dBFS. */
export function speechBounds(levels: readonly number[]): { first?: number; last?: number } {
  return speechFrames(levels, thresholdsOf(levels));
}

const SILENCE_DBFS = -96;
const PEAK_QUANTILE = 0.95;
const { frameMs, thresholdDbfs, aboveFloorDb, fadeAboveFloorDb, belowPeakDb, minRunMs, bridgeMs } = REFERENCE_DETECTOR;
const { floorQuantile, floorWindowFrames } = REFERENCE_DETECTOR;
const MIN_RUN_FRAMES = minRunMs / frameMs;
const BRIDGE_FRAMES = bridgeMs / frameMs;

interface Thresholds {
  onDbfs: number;
  offDbfs: number;
}

const quantileBelow = (levels: readonly number[], q: number): number =>
  new Float64Array(levels).sort()[Math.floor(q * (levels.length - 1))] ?? SILENCE_DBFS;

/** Mean power over the window that ends at each frame, in dBFS. */
function smoothed(levels: readonly number[]): number[] {
  const powers = levels.map((level) => 10 ** (level / 10));
  const means: number[] = [];
  for (let from = 0; from + floorWindowFrames <= powers.length; from++) {
    let sum = 0;
    for (let at = from; at < from + floorWindowFrames; at++) sum += powers[at] ?? 0;
    means.push(10 * Math.log10(sum / floorWindowFrames));
  }
  return means;
}

function thresholdsOf(levels: readonly number[]): Thresholds {
  const highestDbfs = Math.max(thresholdDbfs, quantileBelow(levels, PEAK_QUANTILE) - belowPeakDb);
  const floorDbfs = Math.min(quantileBelow(smoothed(levels), floorQuantile), highestDbfs - aboveFloorDb);
  const onDbfs = Math.max(thresholdDbfs, floorDbfs + aboveFloorDb);
  return { onDbfs, offDbfs: onDbfs - (aboveFloorDb - fadeAboveFloorDb) };
}

/**
 * First and last frame of speech. A run begins at a frame above `on` and goes on while frames are above `off`. A frame
 * above `on` within `bridgeMs` resumes the run. A run counts when `minRunMs` of its frames are above `on`.
 */
function speechFrames(levels: readonly number[], { onDbfs, offDbfs }: Thresholds): { first?: number; last?: number } {
  let bounds: { first?: number; last?: number } = {};
  let runFrom = 0;
  let runLast = -Infinity;
  let loudFrames = 0;
  levels.forEach((level, frame) => {
    const loud = level > onDbfs;
    if (!loud && !(level > offDbfs && frame === runLast + 1)) return;
    if (frame - runLast > BRIDGE_FRAMES + 1) {
      runFrom = frame;
      loudFrames = 0;
    }
    runLast = frame;
    if (loud) loudFrames += 1;
    if (loudFrames >= MIN_RUN_FRAMES) bounds = { first: bounds.first ?? runFrom, last: frame };
  });
  return bounds;
}

/**
 * Creates the reference detector for audio of `sampleRateHz`. Pure and deterministic: levels come from integer sums.
 * `result` sorts all frames: ask once, when the turn closes.
 */
export function createSpeechEndDetector(sampleRateHz: number): SpeechEndDetector {
  const frameSamples = Math.max(1, Math.round((sampleRateHz * frameMs) / 1000));
  const frame = new Int16Array(frameSamples);
  let filled = 0;
  const levels: number[] = [];
  /** Of the levels so far. `result` and `probabilities` share its two sorts. */
  let known: { frames: number; thresholds: Thresholds } | undefined;
  const thresholds = (): Thresholds => {
    if (known?.frames !== levels.length) known = { frames: levels.length, thresholds: thresholdsOf(levels) };
    return known.thresholds;
  };
  const take = (samples: Int16Array, from: number): void => {
    levels.push(Math.max(SILENCE_DBFS, acRmsDbfs(samples, from, from + frameSamples)));
  };

  return {
    push(samples) {
      for (let from = 0; from < samples.length;) {
        if (filled === 0 && from + frameSamples <= samples.length) {
          take(samples, from);
          from += frameSamples;
          continue;
        }
        const part = samples.subarray(from, from + frameSamples - filled);
        frame.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled < frameSamples) return;
        take(frame, 0);
        filled = 0;
      }
    },
    result() {
      const { first, last } = speechFrames(levels, thresholds());
      return first === undefined || last === undefined
        ? {}
        : { startSample: first * frameSamples, endSample: (last + 1) * frameSamples - 1 };
    },
    probabilities() {
      const { onDbfs } = thresholds();
      return {
        onDbfs,
        speechProbability: levels.map((level) => 1 / (1 + Math.exp((onDbfs - level) / LOGISTIC_WIDTH_DB))),
      };
    },
  };
}
