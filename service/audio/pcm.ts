/**
 * Audio as bytes and as samples: WAV files, L16 and PCM16, loudness. Pure. Every function takes any bytes, or throws an
 * error that says what is wrong with them.
 *
 * A sample is a signed 16-bit integer. Full scale, 0 dBFS, is an RMS of 32768.
 */

/** The bytes are not the expected audio. The message says what is wrong, where, and what to do. */
export class AudioFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AudioFormatError';
  }
}

export interface Wav {
  sampleRateHz: number;
  /** Mono. */
  samples: Int16Array;
}

const FULL_SCALE = 32768;
const WAV_HEADER_BYTES = 44;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
/** Sizes that writers to a pipe (ffmpeg, sox, espeak-ng) put where they cannot know the length: read to the end. */
const UNKNOWN_SIZES: ReadonlySet<number> = new Set([0xffffffff, 0x7ffff000, 0x7fffffff]);
const CHUNKS_LIMIT = 1000; // writers put a handful before the audio
/** Bytes 2 to 15 of the sub-format GUID that carries a plain format tag in its first two (mmreg.h, KSDATAFORMAT). */
const SUBFORMAT_TAIL = '000000001000800000aa00389b71';
const CODEC_NAMES: ReadonlyMap<number, string> = new Map([
  [2, 'MS ADPCM'],
  [3, '32-bit float'],
  [6, 'A-law'],
  [7, 'µ-law'],
  [0x11, 'IMA ADPCM'],
  [0x55, 'MP3'],
]);
const CONVERT = 'convert it with `sox in.wav -b 16 -e signed-integer out.wav`';

const LITTLE_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const tagAt = (bytes: Uint8Array, offset: number): string =>
  String.fromCharCode(...bytes.subarray(offset, Math.min(offset + 4, bytes.length)));

const shown = (tag: string): string => JSON.stringify(tag.replaceAll(/[^\x20-\x7e]/g, '?'));

interface Format {
  channels: number;
  sampleRateHz: number;
}

function parseFormat(bytes: Uint8Array, from: number, chunkBytes: number): Format {
  if (chunkBytes < 16) {
    throw new AudioFormatError(
      `WAV 'fmt ' chunk at byte ${from - 8} has ${chunkBytes} bytes, at least 16 are needed: export the file again`,
    );
  }
  const view = viewOf(bytes);
  let format = view.getUint16(from, true);
  const channels = view.getUint16(from + 2, true);
  const sampleRateHz = view.getUint32(from + 4, true);
  const bits = view.getUint16(from + 14, true);
  if (format === FORMAT_EXTENSIBLE && chunkBytes >= 40) {
    const tail = Buffer.from(bytes.subarray(from + 26, from + 40)).toString('hex');
    if (tail === SUBFORMAT_TAIL) format = view.getUint16(from + 24, true);
  }
  if (format !== FORMAT_PCM) {
    const name = CODEC_NAMES.get(format) ?? `format 0x${format.toString(16)}`;
    throw new AudioFormatError(`WAV at byte ${from}: codec ${name} is not supported, only 16-bit PCM: ${CONVERT}`);
  }
  if (bits !== 16) {
    throw new AudioFormatError(
      `WAV at byte ${from + 14}: ${bits}-bit PCM is not supported, only 16-bit PCM: ${CONVERT}`,
    );
  }
  if (channels !== 1 && channels !== 2) {
    throw new AudioFormatError(
      `WAV at byte ${from + 2}: ${channels} channels are not supported, only mono and stereo: mix down with \`sox in.wav -c 1 out.wav\``,
    );
  }
  if (sampleRateHz === 0) {
    throw new AudioFormatError(`WAV at byte ${from + 4}: sample rate is 0 Hz: export the file again`);
  }
  return { channels, sampleRateHz };
}

/** Stereo to mono, samples [from, to): the mean of both channels, rounded down. */
export function mixdown(interleaved: Int16Array, mono: Int16Array, from: number, to: number): Int16Array {
  for (let i = from; i < to; i += 1) mono[i] = ((interleaved[2 * i] ?? 0) + (interleaved[2 * i + 1] ?? 0)) >> 1;
  return mono;
}

/**
 * Reads a WAV file: 16-bit PCM, mono or stereo (mixed down), plain or WAVE_FORMAT_EXTENSIBLE. Skips other chunks. The
 * data size that a writer to a pipe leaves means up to the end of the bytes.
 *
 * @throws AudioFormatError when the bytes are no WAV file, use another codec, or are cut short.
 */
export function parseWav(bytes: Uint8Array): Wav {
  const { sampleRateHz, channels, samples } = wavContents(bytes);
  if (channels === 1) return { sampleRateHz, samples };
  return { sampleRateHz, samples: mixdown(samples, new Int16Array(samples.length / 2), 0, samples.length / 2) };
}

/** As `parseWav`, but stereo stays as it is: left and right in turn. */
export function wavContents(bytes: Uint8Array): Format & { samples: Int16Array } {
  if (bytes.length < 12 || tagAt(bytes, 0) !== 'RIFF' || tagAt(bytes, 8) !== 'WAVE') {
    throw new AudioFormatError(
      `not a WAV file: ${bytes.length} bytes that begin with ${shown(tagAt(bytes, 0))} instead of RIFF…WAVE: send 16-bit PCM WAV`,
    );
  }
  const view = viewOf(bytes);
  let format: Format | undefined;
  for (let offset = 12, chunks = 0; offset + 8 <= bytes.length && chunks < CHUNKS_LIMIT; chunks++) {
    const tag = tagAt(bytes, offset);
    const announced = view.getUint32(offset + 4, true);
    const from = offset + 8;
    const present = bytes.length - from;
    const unknown = tag === 'data' && UNKNOWN_SIZES.has(announced) && announced > present;
    const chunkBytes = unknown ? present - (present % (2 * (format?.channels ?? 1))) : announced;
    if (chunkBytes > present) {
      throw new AudioFormatError(
        `truncated WAV: the ${shown(tag)} chunk at byte ${offset} announces ${announced} bytes, ${present} are present: send the whole file`,
      );
    }
    if (tag === 'fmt ') format = parseFormat(bytes, from, chunkBytes);
    if (tag === 'data') {
      if (format === undefined) {
        throw new AudioFormatError(`WAV 'data' chunk at byte ${offset} has no 'fmt ' chunk before it: export it again`);
      }
      if (chunkBytes % (2 * format.channels) !== 0) {
        throw new AudioFormatError(
          `WAV 'data' chunk at byte ${offset}: ${chunkBytes} bytes are no whole number of ${2 * format.channels}-byte frames: export it again`,
        );
      }
      return { ...format, samples: pcmBytesToSamples(bytes.subarray(from, from + chunkBytes)) };
    }
    offset = from + chunkBytes + (chunkBytes % 2);
  }
  throw new AudioFormatError(`WAV of ${bytes.length} bytes has no 'data' chunk: it holds no audio, record it again`);
}

/** Writes mono 16-bit PCM as a WAV file. */
export function encodeWav(samples: Int16Array, sampleRateHz: number): Uint8Array {
  return pcmAsWav(samplesToPcmBytes(samples), sampleRateHz);
}

/** A WAV file of mono 16-bit PCM bytes, behind the canonical 44-byte header. */
export function pcmAsWav(pcm: Uint8Array, sampleRateHz: number): Uint8Array {
  const bytes = new Uint8Array(WAV_HEADER_BYTES + pcm.length);
  const view = viewOf(bytes);
  const ascii = new TextEncoder();
  bytes.set(ascii.encode('RIFF'), 0);
  view.setUint32(4, WAV_HEADER_BYTES - 8 + pcm.length, true);
  bytes.set(ascii.encode('WAVEfmt '), 8);
  view.setUint32(16, 16, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  bytes.set(ascii.encode('data'), 36);
  view.setUint32(40, pcm.length, true);
  bytes.set(pcm, WAV_HEADER_BYTES);
  return bytes;
}

function wholeSamples(bytes: Uint8Array, name: string): number {
  if (bytes.length % 2 !== 0) {
    throw new AudioFormatError(
      `${name} of ${bytes.length} bytes ends within a sample: carry the odd byte over to the next chunk`,
    );
  }
  return bytes.length / 2;
}

/**
 * Big-endian 16-bit PCM (audio/L16, RFC 2586) to samples, in the same memory: the bytes change.
 *
 * @throws AudioFormatError on an odd number of bytes.
 */
export function l16ToPcm(bytes: Uint8Array): Int16Array {
  wholeSamples(bytes, 'L16');
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap16();
  return pcmBytesToSamples(bytes);
}

/**
 * Little-endian 16-bit PCM to samples. Shares the bytes' memory when they are aligned, else copies: treat as read-only.
 *
 * @throws AudioFormatError on an odd number of bytes.
 */
export function pcmBytesToSamples(bytes: Uint8Array): Int16Array {
  const count = wholeSamples(bytes, 'PCM16');
  if (LITTLE_ENDIAN_HOST) {
    const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
    return new Int16Array(aligned.buffer, aligned.byteOffset, count);
  }
  const view = viewOf(bytes);
  return Int16Array.from({ length: count }, (_, i) => view.getInt16(2 * i, true));
}

/** Samples to little-endian 16-bit PCM. Shares the samples' memory: treat as read-only. */
export function samplesToPcmBytes(samples: Int16Array): Uint8Array {
  if (LITTLE_ENDIAN_HOST) return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const bytes = new Uint8Array(samples.length * 2);
  const view = viewOf(bytes);
  samples.forEach((sample, i) => view.setInt16(2 * i, sample, true));
  return bytes;
}

export function joinSamples(parts: readonly Int16Array[]): Int16Array {
  return pcmBytesToSamples(Buffer.concat(parts.map(samplesToPcmBytes)));
}

/**
 * RMS of samples [from, to) in dBFS, 20·log10(rms / 32768). A full-scale square wave is 0; digital silence and an empty
 * range are −Infinity.
 */
export function rmsDbfs(samples: Int16Array, from: number, to: number): number {
  let sum = 0;
  const end = Math.min(to, samples.length);
  for (let i = from; i < end; i += 1) {
    const sample = samples[i] ?? 0;
    sum += sample * sample;
  }
  return sum === 0 ? -Infinity : 10 * Math.log10(sum / (end - from)) - 20 * Math.log10(FULL_SCALE);
}

/**
 * RMS of samples [from, to) about their mean, in dBFS. Ignores the DC offset that cheap microphones add and nobody
 * hears. From exact integer sums: the same on every machine.
 */
export function acRmsDbfs(samples: Int16Array, from: number, to: number): number {
  let sum = 0;
  let squares = 0;
  const end = Math.min(to, samples.length);
  const count = end - from;
  for (let i = from; i < end; i += 1) {
    const sample = samples[i] ?? 0;
    sum += sample;
    squares += sample * sample;
  }
  const scaled = count <= 0 ? 0 : count * squares - sum * sum;
  return scaled <= 0 ? -Infinity : 10 * Math.log10(scaled / (count * count)) - 20 * Math.log10(FULL_SCALE);
}
