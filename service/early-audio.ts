/** When to transcribe what was said so far, before anybody knows whether the user has finished: `stt.upload`. Pure. */
import type { Strategy } from './strategy.ts';
import type { VadDecision } from './vad.ts';

/** What was said up to a cut. */
export interface EarlyAudio {
  samples: Int16Array;
  /** Its `speech.cut` event. */
  cutId: number;
  /** First sample of the silence in which it was cut; absent when it was cut in speech, or before any. */
  quietSinceSample?: number;
}

/**
 * Decides after each frame whether to cut here. `atPause` cuts once in every silence, when it has lasted `pauseMs`;
 * `growing` cuts at the first frame that completes another `chunkMs` of audio, once speech was heard.
 */
export function createEarlyCuts(
  upload: Strategy['stt']['upload'],
  sampleRateHz: number,
): (vad: VadDecision, samplesHeard: number) => boolean {
  if (upload === 'whole') return () => false;
  if ('atPause' in upload) {
    let cutInQuiet: number | undefined;
    return ({ quietMs, quietSinceSample }) => {
      if (quietMs < upload.atPause.pauseMs || quietSinceSample === cutInQuiet) return false;
      cutInQuiet = quietSinceSample;
      return true;
    };
  }
  const chunkSamples = (upload.growing.chunkMs * sampleRateHz) / 1000;
  let chunks = 0;
  return ({ speaking, quietMs }, samplesHeard) => {
    const complete = Math.floor(samplesHeard / chunkSamples);
    const grown = complete > chunks;
    chunks = complete;
    return grown && (speaking || quietMs > 0);
  };
}
