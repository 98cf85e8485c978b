/** Resamples and encodes the user's audio for STT while it arrives, so that the end of turn waits for neither. */
import { encodeWav, joinSamples } from './pcm.ts';
import { trimRange, type Utterance } from './early-audio.ts';
import { createGrowingPcm } from './growing-pcm.ts';
import { createOpusEncoder, opusRate, WEBM_OPUS, webmOf } from './opus.ts';
import type { UserAudio } from '../base/ports.ts';
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
  push(samples: Int16Array): void;
  /** The upload: all audio, or the part around the speech. `last` says that nothing more will be pushed. */
  encode(utterance: Utterance, last: boolean): Promise<Upload>;
}

/** Turns received audio into uploads by `stt.format`, `stt.sampleRateHz` and `stt.vad.trim`. */
export function createUploadAudio(stt: Strategy['stt'], audio: UserAudio): UploadAudio {
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
    return opusUploads(receivedHz, wantedHz, range);
  }
  return wavUploads(receivedHz, wantedHz, range);
}

type Range = (utterance: Utterance) => { fromMs: number; toMs: number };

function wavUploads(receivedHz: number, rateHz: number, range: Range): UploadAudio {
  const resampler = rateHz === receivedHz ? undefined : createResampler(receivedHz, rateHz);
  const pcm = createGrowingPcm();
  return {
    push(samples) {
      for (const block of resampler === undefined ? [samples] : resampler.push(samples)) pcm.push(block);
    },
    encode(utterance) {
      const all = resampler === undefined ? pcm.samples() : joinSamples([pcm.samples(), resampler.rest()]);
      const { fromMs, toMs } = range(utterance);
      const samples = all.subarray(Math.floor((fromMs * rateHz) / 1000), Math.ceil((toMs * rateHz) / 1000));
      const audioMs = Math.round((samples.length * 1000) / rateHz);
      return Promise.resolve({
        bytes: encodeWav(samples, rateHz),
        mimeType: 'audio/wav',
        audioMs,
        sampleRateHz: rateHz,
      });
    },
  };
}

/**
 * A cut within a packet of 20 ms leaves that packet out, since the encoder goes on. The last upload has all packets.
 */
function opusUploads(receivedHz: number, wantedHz: number, range: Range): UploadAudio {
  const rateHz = opusRate(wantedHz);
  const resampler = rateHz === receivedHz ? undefined : createResampler(receivedHz, rateHz);
  const encoder = createOpusEncoder(rateHz);
  return {
    push(samples) {
      for (const block of resampler === undefined ? [samples] : resampler.push(samples)) encoder.push(block);
    },
    async encode(utterance, last) {
      if (last) {
        if (resampler !== undefined) encoder.push(resampler.rest());
        encoder.finish();
      }
      const { fromMs, toMs } = range(utterance);
      const packets = encoder.packets.slice(Math.floor(fromMs / 20), Math.ceil(toMs / 20));
      const bytes = await webmOf(packets, rateHz);
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
