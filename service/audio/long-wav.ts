/** Reads a WAV that may be long: others run meanwhile. */
import type { Clock } from '../base/ports.ts';
import { mixdown, wavContents, type Wav } from './pcm.ts';

/** Mixing so many samples takes some 10 ms: 10 s of 48 kHz. */
const MIXED_AT_ONCE = 480_000;

/** As `parseWav`, but gives way while stereo is mixed. */
export async function parseLongWav(bytes: Uint8Array, clock: Pick<Clock, 'giveWay'>): Promise<Wav> {
  const { channels, sampleRateHz, samples } = wavContents(bytes);
  if (channels === 1) return { samples, sampleRateHz };
  const mono = new Int16Array(samples.length / 2);
  for (let from = 0; from < mono.length; from += MIXED_AT_ONCE) {
    if (from > 0) await clock.giveWay(from / MIXED_AT_ONCE);
    mixdown(samples, mono, from, Math.min(mono.length, from + MIXED_AT_ONCE));
  }
  return { samples: mono, sampleRateHz };
}
