/** When to transcribe the audio so far, before it is known whether the user has finished: `stt.upload`. Pure. */
import { joinSamples } from './pcm.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { VadDecision } from './vad.ts';

/** Received audio: its length, and where the strategy's VAD heard speech. In samples as received. */
export interface Utterance {
  samples: number;
  /** First sample of speech. Absent without speech. */
  speechFromSample?: number;
  /** First sample of the silence at the end. Absent when the audio ends in speech, or has none. */
  quietSinceSample?: number;
}

/** The audio up to a cut. */
export interface EarlyAudio extends Utterance {
  /** Of the cut's `speech.cut` event. */
  cutId: number;
}

/** Joins frames, as a client with longer frames would send them: `client.frameMs`. */
export interface Gatherer {
  /** Takes a received frame. Returns the longer frame that it completes, if any. */
  push(samples: Int16Array): Int16Array | undefined;
  /** The incomplete frame when the client ends. */
  rest(): Int16Array | undefined;
}

/** Gathers received frames until they hold `frameMs` of audio. Never cuts a frame: no part of it arrives earlier. */
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

/** Trimming leaves this much around the speech: recognizers garble words at an edge. */
const TRIM_MARGIN_MS = 200;

/** The speech with 200 ms around it. All of the utterance where no speech was heard. */
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
 * Decides after each frame whether to cut here. `atPause` cuts once in every silence, when the silence has lasted
 * `pauseMs`. `growing` cuts at each frame that completes another `chunkMs` of audio, once speech was heard.
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
