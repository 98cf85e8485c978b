/** The words that a stand-in for STT hears in an upload: those of the turn whose time the audio holds. */
import { AudioFormatError, parseWav, type Wav } from '../../service/audio/pcm.ts';
import { decodeWebm } from '../../service/audio/opus.ts';
import { createSpeechEndDetector } from '../../service/audio/speech-end.ts';

/** Speech within an upload, in ms from its start. */
export interface SpeechSpan {
  fromMs: number;
  toMs: number;
}

export interface Heard {
  audioMs: number;
  /** First to last sound of speech, detected on first use. `unknown`: the upload cannot be decoded. */
  readonly speech: SpeechSpan | 'none' | 'unknown';
}

/** A word closer than this to an edge that cuts the speech is heard in part. */
const EDGE_MS = 150;
/** The detector's answers for a part and for the whole differ by up to this. */
const DETECTOR_MS = 40;

/** An upload's length and where somebody speaks in it. Bytes of no known format count as 32 kbit/s of speech. */
export async function heardIn(audio: Uint8Array): Promise<Heard> {
  try {
    return heardInWav(isWebm(audio) ? await decodeWebm(audio) : parseWav(audio));
  } catch (error) {
    if (!(error instanceof AudioFormatError)) throw error;
    return { audioMs: Math.round(audio.length / 4), speech: 'unknown' };
  }
}

/** EBML's magic number. */
function isWebm(audio: Uint8Array): boolean {
  return audio[0] === 0x1a && audio[1] === 0x45 && audio[2] === 0xdf && audio[3] === 0xa3;
}

function heardInWav({ samples, sampleRateHz }: Wav): Heard {
  const toMs = (sample: number): number => Math.round((sample * 1000) / sampleRateHz);
  let speech: Heard['speech'] | undefined;
  return {
    audioMs: toMs(samples.length),
    get speech() {
      return (speech ??= speechIn(samples, sampleRateHz, toMs));
    },
  };
}

function speechIn(samples: Int16Array, sampleRateHz: number, toMs: (sample: number) => number): SpeechSpan | 'none' {
  const detector = createSpeechEndDetector(sampleRateHz);
  detector.push(samples);
  const { startSample, endSample } = detector.result();
  if (startSample === undefined || endSample === undefined) return 'none';
  return { fromMs: toMs(startSample), toMs: toMs(endSample + 1) };
}

/**
 * The part of a turn's text that an upload holds. The words are spread over `whole`, the turn's speech, by their letters. A
 * word within 150 ms of a cut loses its half on that side. An upload that stops before the speech ends is cut at its end. One with
 * less silence before the speech than the turn is cut at its start. So wrong cuts, trims and joins show in the transcript.
 */
export function wordsHeard(text: string, whole: SpeechSpan, { audioMs, speech }: Heard): string {
  if (speech === 'none') return '';
  if (speech === 'unknown') return text;
  const words = text.split(/\s+/).filter((word) => word !== '');
  const letters = words.reduce((sum, word) => sum + word.length, 0);
  const spanMs = whole.toMs - whole.fromMs;
  const edgeMs = audioMs - speech.fromMs;
  const cutAtEnd = edgeMs < spanMs - DETECTOR_MS;
  const cutAtStart = speech.fromMs < Math.min(EDGE_MS, whole.fromMs) - DETECTOR_MS;
  const heard: string[] = [];
  let lettersBefore = 0;
  words.forEach((word, index) => {
    const startMs = (spanMs * lettersBefore) / letters;
    lettersBefore += word.length;
    const endMs = (spanMs * lettersBefore) / letters;
    const middle = Math.ceil(word.length / 2);
    if (cutAtEnd && startMs >= edgeMs) return;
    if (cutAtEnd && endMs > edgeMs - EDGE_MS) heard.push(word.slice(0, middle));
    else heard.push(cutAtStart && index === 0 ? word.slice(middle) : word);
  });
  return heard.join(' ');
}
