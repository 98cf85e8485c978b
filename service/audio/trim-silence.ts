/** Takes the leading silence off a piece's audio while it arrives: `tts.trimSilence`. Pure. */
import { pcmBytesToSamples, rmsDbfs } from './pcm.ts';

/** As for first audible: no louder frame is silence. */
const SILENCE_DBFS = -45;
/** Kept before the first audible frame: a consonant may begin softly. */
const KEPT_MS = 20;

/** For one piece of PCM16 at `sampleRateHz`. Takes each chunk, returns the part to play, which may be empty. */
export function createSilenceTrimmer(sampleRateHz: number): (pcm: Uint8Array) => Uint8Array {
  const frameBytes = Math.round(sampleRateHz / 100) * 2;
  const keptBytes = Math.round((sampleRateHz * KEPT_MS) / 1000) * 2;
  let held: Uint8Array = new Uint8Array();
  let judgedBytes = 0;
  let audible = false;
  return (pcm) => {
    if (audible) return pcm;
    held = Buffer.concat([held, pcm]);
    for (; judgedBytes + frameBytes <= held.byteLength; judgedBytes += frameBytes) {
      const frame = pcmBytesToSamples(held.subarray(judgedBytes, judgedBytes + frameBytes));
      if (rmsDbfs(frame, 0, frame.length) <= SILENCE_DBFS) continue;
      audible = true;
      return held.subarray(Math.max(0, judgedBytes - keptBytes));
    }
    return new Uint8Array();
  };
}
