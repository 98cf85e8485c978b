/** Speech-shaped audio: syllable-like bursts of a band-limited tone, cheap to make and the same for the same text. */
import { pcmAsWav } from '../../service/audio/pcm.ts';
import { keyedRandom } from '../../service/base/random.ts';

export const AUDIO_RATE_HZ = 16_000;
/** 16 bit, mono. */
export const BYTES_PER_MS = (2 * AUDIO_RATE_HZ) / 1000;
const SYLLABLES = 48;
const SYLLABLE_SAMPLES = 3200; // 200 ms: five syllables a second

/** One table of 9.6 s, made once: harmonics of a gliding voice below 3.4 kHz under a rising and falling envelope. */
const TABLE = makeTable();

/** `audioBytes` of PCM16 little-endian mono at 16 kHz: `leadingSilenceMs` of silence, then speech picked by the text. */
export function speechPcm(text: string, audioBytes: number, leadingSilenceMs: number): Uint8Array {
  const pcm = new Uint8Array(audioBytes);
  const first = Math.floor(keyedRandom('speech', text)() * SYLLABLES) * SYLLABLE_SAMPLES * 2;
  for (
    let at = Math.min(audioBytes, Math.round(leadingSilenceMs * BYTES_PER_MS) & ~1), from = first;
    at < audioBytes;
  ) {
    const bytes = Math.min(audioBytes - at, TABLE.length - from);
    pcm.set(TABLE.subarray(from, from + bytes), at);
    at += bytes;
    from = 0;
  }
  return pcm;
}

/** A WAV file of PCM16 mono at 16 kHz. */
export function wavOf(pcm: Uint8Array): Uint8Array {
  return pcmAsWav(pcm, AUDIO_RATE_HZ);
}

function makeTable(): Uint8Array {
  const random = keyedRandom('speech table');
  const bytes = new Uint8Array(SYLLABLES * SYLLABLE_SAMPLES * 2);
  const view = new DataView(bytes.buffer);
  for (let syllable = 0; syllable < SYLLABLES; syllable++) {
    const pitchHz = 110 + 90 * random();
    const glide = 0.9 + 0.2 * random();
    const formantHz = 400 + 1200 * random();
    const voicedSamples = Math.floor(SYLLABLE_SAMPLES * (0.7 + 0.25 * random()));
    const harmonics = Array.from({ length: Math.floor(3400 / pitchHz) }, (_, index) => {
      const frequencyHz = pitchHz * (index + 1);
      return 1 / (1 + ((frequencyHz - formantHz) / 350) ** 2);
    });
    const total = harmonics.reduce((sum, amplitude) => sum + amplitude, 0);
    let phase = 0;
    for (let index = 0; index < voicedSamples; index++) {
      const position = index / voicedSamples;
      phase += (2 * Math.PI * pitchHz * (1 + (glide - 1) * position)) / AUDIO_RATE_HZ;
      let sample = 0;
      harmonics.forEach((amplitude, harmonic) => (sample += amplitude * Math.sin(phase * (harmonic + 1))));
      // A fast rise (30 ms) and a slow fall; −14 dBFS at the top or louder.
      const envelope = Math.min(1, position * 6) * Math.min(1, (1 - position) * 3);
      view.setInt16((syllable * SYLLABLE_SAMPLES + index) * 2, Math.round((11_000 * envelope * sample) / total), true);
    }
  }
  return bytes;
}
