/** Resamples and encodes the user's audio for STT while it arrives, so that the end of turn waits for neither. */
import { encodeWav, joinSamples } from './pcm.ts';
import { trimRange, type Utterance } from './early-audio.ts';
import { createGrowingPcm } from './growing-pcm.ts';
import { createOpusEncoder, opusRate, WEBM_OPUS, webmOf } from './opus.ts';
import type { Clock, UserAudio } from '../base/ports.ts';
import { createResampler } from './resample.ts';
import type { Strategy } from '../strategy/strategy.ts';

export interface Upload {
  bytes: Uint8Array;
  mimeType: string;
  audioMs: number;
  /** Of the encoded audio. */
  sampleRateHz: number;
}

export interface UploadAudio {
  /** Undefined where the samples were few, and are done with. Otherwise resolves when they are; nothing may be pushed meanwhile. */
  push(samples: Int16Array): Promise<void> | undefined;
  /** The upload: all audio, or the part around the speech. `last` says that nothing more will be pushed. */
  encode(utterance: Utterance, last: boolean): Promise<Upload>;
}

/** Whose work waits between its pieces. It ends when the signal aborts. */
export interface GivesWay {
  clock: Pick<Clock, 'giveWay'>;
  signal: AbortSignal;
}

/** Resampling and encoding of one piece take some 10 ms. */
const PIECE_MS = 500;
/** Copying more than this takes milliseconds. */
const LARGE_BYTES = 4_000_000;

/** Turns received audio into uploads by `stt.format`, `stt.sampleRateHz` and `stt.vad.trim`. Gives way within long audio. */
export function createUploadAudio(stt: Strategy['stt'], audio: UserAudio, givesWay: GivesWay): UploadAudio {
  const receivedHz = audio.sampleRateHz;
  const wantedHz = stt.sampleRateHz === 'received' ? receivedHz : Math.min(receivedHz, stt.sampleRateHz);
  const range = (utterance: Utterance): { fromMs: number; toMs: number } => {
    const { from, to } = stt.vad.trim ? trimRange(utterance, receivedHz) : { from: 0, to: utterance.samples };
    return { fromMs: (from * 1000) / receivedHz, toMs: (to * 1000) / receivedHz };
  };
  if (stt.format === 'webm-opus') {
    const { recorded } = audio;
    // the recording has the received rate: another rate needs a new encoding
    if (recorded !== undefined && !stt.vad.trim && wantedHz === receivedHz) return passedThrough(recorded, receivedHz);
    return opusUploads(receivedHz, wantedHz, range, givesWay);
  }
  return wavUploads(receivedHz, wantedHz, range, givesWay);
}

type Range = (utterance: Utterance) => { fromMs: number; toMs: number };

/** Hands samples on in pieces of 500 ms. The first is handed on at once. */
function inPieces(
  { clock, signal }: GivesWay,
  rateHz: number,
  take: (piece: Int16Array) => void,
): (samples: Int16Array) => Promise<void> | undefined {
  const size = (PIECE_MS * rateHz) / 1000;
  let done = 0;
  const takeRest = async (samples: Int16Array): Promise<void> => {
    for (let from = size; from < samples.length; from += size) {
      await clock.giveWay(done++, signal);
      take(samples.subarray(from, from + size));
    }
  };
  return (samples) => {
    take(samples.subarray(0, size));
    return samples.length <= size ? undefined : takeRest(samples);
  };
}

function wavUploads(receivedHz: number, rateHz: number, range: Range, givesWay: GivesWay): UploadAudio {
  const resampler = rateHz === receivedHz ? undefined : createResampler(receivedHz, rateHz);
  const pcm = createGrowingPcm();
  const resample = (samples: Int16Array): void => resampler?.push(samples).forEach(pcm.push);
  const giveWay = (): Promise<void> => givesWay.clock.giveWay(0, givesWay.signal);
  return {
    // without resampling nothing is done with the samples
    push: resampler === undefined ? (samples) => void pcm.push(samples) : inPieces(givesWay, receivedHz, resample),
    async encode(utterance) {
      const all = resampler === undefined ? pcm.samples() : joinSamples([pcm.samples(), resampler.rest()]);
      const { fromMs, toMs } = range(utterance);
      const samples = all.subarray(Math.floor((fromMs * rateHz) / 1000), Math.ceil((toMs * rateHz) / 1000));
      const audioMs = Math.round((samples.length * 1000) / rateHz);
      if (samples.byteLength > LARGE_BYTES) await giveWay();
      const bytes = encodeWav(samples, rateHz);
      if (bytes.byteLength > LARGE_BYTES) await giveWay();
      return { bytes, mimeType: 'audio/wav', audioMs, sampleRateHz: rateHz };
    },
  };
}

/**
 * A cut within a packet of 20 ms leaves that packet out, since the encoder goes on. The last upload has all packets.
 */
function opusUploads(receivedHz: number, wantedHz: number, range: Range, givesWay: GivesWay): UploadAudio {
  const rateHz = opusRate(wantedHz);
  const resampler = rateHz === receivedHz ? undefined : createResampler(receivedHz, rateHz);
  const encoder = createOpusEncoder(rateHz);
  return {
    push: inPieces(givesWay, receivedHz, (samples) => {
      for (const block of resampler === undefined ? [samples] : resampler.push(samples)) encoder.push(block);
    }),
    async encode(utterance, last) {
      if (last) {
        if (resampler !== undefined) encoder.push(resampler.rest());
        encoder.finish();
      }
      const { fromMs, toMs } = range(utterance);
      const packets = encoder.packets.slice(Math.floor(fromMs / 20), Math.ceil(toMs / 20));
      const bytes = await webmOf(packets, rateHz, givesWay);
      return { bytes, mimeType: WEBM_OPUS, audioMs: packets.length * 20, sampleRateHz: rateHz };
    },
  };
}

/** Passes a browser's recording on as it came. */
function passedThrough(recorded: Uint8Array, receivedHz: number): UploadAudio {
  return {
    push: () => undefined,
    encode: ({ samples }) => {
      const audioMs = Math.round((samples * 1000) / receivedHz);
      return Promise.resolve({ bytes: recorded, mimeType: WEBM_OPUS, audioMs, sampleRateHz: receivedHz });
    },
  };
}
