/** When to transcribe what was said so far, before anybody knows whether the user has finished: `stt.upload`. Pure. */
import type { Strategy } from './strategy.ts';
import type { VadDecision } from './vad.ts';

/** Received audio, and where the strategy's VAD heard speech in it. */
export interface Utterance {
  samples: Int16Array;
  /** First sample of speech; absent when it heard none. */
  speechFromSample?: number;
  /** First sample of the silence at its end; absent when it ends in speech, or has none. */
  quietSinceSample?: number;
}

/** What was said up to a cut. */
export interface EarlyAudio extends Utterance {
  /** Its `speech.cut` event. */
  cutId: number;
}

/** What trimming leaves around the speech: recognizers garble words at an edge. */
const TRIM_MARGIN_MS = 200;

/** The utterance without the silence before and after its speech but for 200 ms; all of it when no speech was heard. */
export function trimmed({ samples, speechFromSample, quietSinceSample }: Utterance, sampleRateHz: number): Int16Array {
  if (speechFromSample === undefined) return samples;
  const margin = (TRIM_MARGIN_MS * sampleRateHz) / 1000;
  const to = quietSinceSample === undefined ? samples.length : quietSinceSample + margin;
  return samples.subarray(Math.max(0, speechFromSample - margin), to);
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
