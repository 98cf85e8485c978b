/** A WAV body as it arrives → its PCM16 samples. */
import { StageError } from '../base/errors.ts';

/** The chunks before the samples (`LIST`, `fact`) are smaller. */
const HEADER_LIMIT_BYTES = 64 * 1024;

/**
 * Hands on the bytes of the `data` chunk as they come. Throws `malformed` for anything but 16-bit mono PCM at `rateHz`,
 * and from `end` without a `data` chunk.
 */
export function wavStream(
  what: string,
  rateHz: number,
  push: (pcm: Uint8Array) => void,
): { push(bytes: Uint8Array): void; end(): void } {
  const malformed = (message: string): StageError => new StageError('tts', 'malformed', `${what}: ${message}`);
  let head = Buffer.alloc(0);
  /** Of the `data` chunk, once begun. A header that was written before the length was known says 0 or 2³²−1. */
  let leftBytes: number | undefined;

  const findData = (): number | undefined => {
    if (head.length < 12) return undefined;
    if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') {
      throw malformed('the file is not a WAV');
    }
    for (let at = 12; at + 8 <= head.length;) {
      const id = head.toString('latin1', at, at + 4);
      const bytes = head.readUInt32LE(at + 4);
      if (id === 'data') {
        leftBytes = bytes === 0 || bytes === 0xffffffff ? Infinity : bytes;
        return at + 8;
      }
      if (id === 'fmt ' && at + 24 <= head.length) {
        const [encoding, channels, rate, bits] = [
          head.readUInt16LE(at + 8),
          head.readUInt16LE(at + 10),
          head.readUInt32LE(at + 12),
          head.readUInt16LE(at + 22),
        ];
        if ((encoding !== 1 && encoding !== 0xfffe) || channels !== 1 || bits !== 16 || rate !== rateHz) {
          throw malformed(`the WAV holds ${channels} × ${bits} bit at ${rate} Hz, not 16-bit mono at ${rateHz} Hz`);
        }
      }
      at += 8 + bytes + (bytes % 2);
    }
    return undefined;
  };
  const take = (bytes: Uint8Array): void => {
    const own = bytes.subarray(0, Math.min(bytes.byteLength, leftBytes ?? 0));
    leftBytes = (leftBytes ?? 0) - own.byteLength;
    if (own.byteLength > 0) push(own);
  };
  return {
    push(bytes) {
      if (leftBytes !== undefined) {
        take(bytes);
        return;
      }
      head = Buffer.concat([head, bytes]);
      const dataAt = findData();
      if (dataAt !== undefined) take(head.subarray(dataAt));
      else if (head.length > HEADER_LIMIT_BYTES) throw malformed('no samples in the first 64 KiB of the WAV');
    },
    end() {
      if (leftBytes === undefined) throw malformed('the WAV ends before its samples');
      if (leftBytes > 0 && leftBytes !== Infinity) throw malformed('the WAV is shorter than its header says');
    },
  };
}
