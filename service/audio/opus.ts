/** Opus in WebM: encodes packet by packet while audio arrives, writes the container, and decodes uploads. */
import { Decoder, Encoder } from '@evan/opus';
import {
  BufferSource,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedPacketSink,
  Input,
  Output,
  WEBM,
  WebMOutputFormat,
} from 'mediabunny';
import type { Clock } from '../base/ports.ts';
import { AudioFormatError } from './pcm.ts';

export const WEBM_OPUS = 'audio/webm';
/** Rates that Opus encodes, highest first. */
const OPUS_RATES_HZ = [48_000, 24_000, 16_000, 12_000, 8000] as const;
/** The rate of Opus's timestamps, and of decoding, for every encoded rate. */
const OPUS_CLOCK_HZ = 48_000;
const PACKET_MS = 20;
/** Speech is transparent to recognizers from about 16 kbit/s on (RFC 6716, 2.1.1: 16–20 kbit/s for wideband speech). */
const BITRATE = 24_000;
/** Samples at 48 kHz that a decoder drops at the start (RFC 7845, 5.1). */
const PRE_SKIP = 312;

/** Opus's highest rate that is not above `rateHz`. */
export function opusRate(rateHz: number): (typeof OPUS_RATES_HZ)[number] {
  return OPUS_RATES_HZ.find((each) => each <= rateHz) ?? 8000;
}

/** No turn has more than 5 minutes, but packets of a few bytes may decode to hours. */
const DECODED_LIMIT_S = 301;
const DECODED_LIMIT_BYTES = DECODED_LIMIT_S * OPUS_CLOCK_HZ * 2;

export interface OpusEncoder {
  /** Takes samples in any portions and encodes each 20 ms that they complete. */
  push(samples: Int16Array): void;
  /** Encodes the rest, filled up with silence. Nothing may be pushed afterwards. */
  finish(): void;
  /** Packets so far, 20 ms each. */
  readonly packets: readonly Uint8Array[];
}

/** Encodes mono speech of `rateHz`, one of Opus's rates. */
export function createOpusEncoder(rateHz: (typeof OPUS_RATES_HZ)[number]): OpusEncoder {
  const encoder = new Encoder({ channels: 1, sample_rate: rateHz, application: 'voip' });
  encoder.bitrate = BITRATE;
  const frame = new Int16Array((rateHz * PACKET_MS) / 1000);
  const packets: Uint8Array[] = [];
  let filled = 0;
  return {
    packets,
    push(samples) {
      for (let from = 0; from < samples.length;) {
        const part = samples.subarray(from, from + frame.length - filled);
        frame.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled < frame.length) return;
        packets.push(new Uint8Array(encoder.encode(frame)));
        filled = 0;
      }
    },
    finish() {
      if (filled === 0) return;
      frame.fill(0, filled);
      packets.push(new Uint8Array(encoder.encode(frame)));
      filled = 0;
    },
  };
}

/** 5 s. */
const GROWTH_BYTES = 5 * OPUS_CLOCK_HZ * 2;
/** 2 s. */
const PACKETS_A_STEP = 100;
/** 10 s, which take about 10 ms. */
const PACKETS_AT_ONCE = 500;

/** A WebM file of Opus packets of 20 ms, mono. The same packets make the same bytes. Gives way within long audio. */
export async function webmOf(
  packets: readonly Uint8Array[],
  rateHz: number,
  givesWay?: { clock: Pick<Clock, 'giveWay'>; signal: AbortSignal },
): Promise<Uint8Array> {
  const target = new BufferTarget();
  const output = new Output({ format: new WebMOutputFormat(), target });
  const source = new EncodedAudioPacketSource('opus');
  output.addAudioTrack(source);
  await output.start();
  const decoderConfig = {
    codec: 'opus',
    numberOfChannels: 1,
    sampleRate: OPUS_CLOCK_HZ,
    description: opusHead(rateHz),
  };
  for (const [index, packet] of packets.entries()) {
    if (index > 0 && index % PACKETS_AT_ONCE === 0)
      await givesWay?.clock.giveWay(index / PACKETS_AT_ONCE, givesWay.signal);
    const encoded = new EncodedPacket(packet, 'key', (index * PACKET_MS) / 1000, PACKET_MS / 1000);
    await source.add(encoded, index === 0 ? { decoderConfig } : undefined);
  }
  await output.finalize();
  return new Uint8Array(target.buffer ?? new ArrayBuffer(0));
}

/** The identification header of RFC 7845, 5.1. */
function opusHead(rateHz: number): Uint8Array {
  const head = new Uint8Array(19);
  const view = new DataView(head.buffer);
  head.set(new TextEncoder().encode('OpusHead'));
  view.setUint8(8, 1);
  view.setUint8(9, 1);
  view.setUint16(10, PRE_SKIP, true);
  view.setUint32(12, rateHz, true);
  return head;
}

/**
 * Decodes a WebM file with an Opus track, as browsers record it, to mono at 48 kHz. Calls `onStep` now and then: a damaged file
 * can keep the container library busy for ever.
 *
 * @throws AudioFormatError when the bytes are no WebM, hold no Opus track, or a packet that is not Opus.
 */
export async function decodeWebm(
  bytes: Uint8Array,
  onStep: () => void = () => undefined,
): Promise<{ samples: Int16Array<ArrayBuffer>; sampleRateHz: number }> {
  const unreadable = (error: unknown): never => {
    const why = error instanceof Error ? error.message : String(error);
    throw new AudioFormatError(`WebM of ${bytes.length} bytes cannot be read: ${why.slice(0, 120)}: record it again`);
  };
  try {
    using input = new Input({ source: new BufferSource(bytes), formats: [WEBM] });
    const track = await input.getPrimaryAudioTrack();
    if (track?.codec !== 'opus') {
      throw new AudioFormatError(
        `WebM of ${bytes.length} bytes has ${track === null ? 'no audio track' : `audio in ${track?.codec ?? 'an unknown codec'}`}, not Opus: record audio/webm;codecs=opus`,
      );
    }
    const decoder = new Decoder({ channels: 1, sample_rate: OPUS_CLOCK_HZ });
    // grows in place: all packets' own copies beside the joined samples would be twice the memory
    const decoded = new ArrayBuffer(0, { maxByteLength: DECODED_LIMIT_BYTES });
    let length = 0;
    let packets = 0;
    for await (const packet of new EncodedPacketSink(track).packets()) {
      const pcm = decoder.decode(packet.data);
      if (length + pcm.length > DECODED_LIMIT_BYTES) {
        throw new AudioFormatError(
          `WebM of ${bytes.length} bytes holds more than ${DECODED_LIMIT_S} s of audio: end the turn earlier`,
        );
      }
      if (length + pcm.length > decoded.byteLength)
        decoded.resize(Math.min(DECODED_LIMIT_BYTES, length + Math.max(pcm.length, GROWTH_BYTES)));
      new Uint8Array(decoded).set(pcm, length);
      length += pcm.length;
      if (++packets % PACKETS_A_STEP === 0) onStep();
    }
    return { samples: new Int16Array(decoded.transferToFixedLength(length)), sampleRateHz: OPUS_CLOCK_HZ };
  } catch (error) {
    if (error instanceof AudioFormatError) throw error;
    return unreadable(error);
  }
}
