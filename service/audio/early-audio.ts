/** When to transcribe what was said so far, before anybody knows whether the user has finished: `stt.upload`. Pure. */
import { joinSamples } from './pcm.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { VadDecision } from './vad.ts';

/** Received audio by its length, and where the strategy's VAD heard speech in it. All in samples as received. */
export interface Utterance {
  samples: number;
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

/** Frames as a client that sends longer ones would send them: `client.frameMs`. */
export interface Gatherer {
  /** Takes a frame as received; returns what arrives with it, nothing while a longer frame is still being filled. */
  push(samples: Int16Array): Int16Array | undefined;
  /** What is left when the client ends. */
  rest(): Int16Array | undefined;
}

/** Gathers received frames until they hold `frameMs` of audio; frames are never cut, since nothing can arrive earlier. */
export function createGatherer(frameMs: Strategy['client']['frameMs'], sampleRateHz: number): Gatherer {
  const wanted = frameMs === 'received' ? 0 : (frameMs * sampleRateHz) / 1000;
  let parts: Int16Array[] = [];
  let gathered = 0;
  const rest = (): Int16Array | undefined => {
    const [only] = parts;
    const frame = parts.length > 1 ? joinSamples(parts) : only;
    parts = [];
    gathered = 0;
    return frame;
  };
  return {
    rest,
    push(samples) {
      parts.push(samples);
      gathered += samples.length;
      return gathered >= wanted ? rest() : undefined;
    },
  };
}

/** What trimming leaves around the speech: recognizers garble words at an edge. */
const TRIM_MARGIN_MS = 200;

/** The utterance without the silence before and after its speech but for 200 ms; all of it when no speech was heard. */
export function trimRange(
  { samples, speechFromSample, quietSinceSample }: Utterance,
  sampleRateHz: number,
): { from: number; to: number } {
  if (speechFromSample === undefined) return { from: 0, to: samples };
  const margin = (TRIM_MARGIN_MS * sampleRateHz) / 1000;
  const to = quietSinceSample === undefined ? samples : Math.min(samples, quietSinceSample + margin);
  return { from: Math.max(0, speechFromSample - margin), to };
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
