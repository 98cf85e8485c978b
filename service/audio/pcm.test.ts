import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  acRmsDbfs,
  AudioFormatError,
  encodeWav,
  l16ToPcm,
  parseWav,
  pcmBytesToSamples,
  rmsDbfs,
  samplesToPcmBytes,
} from './pcm.ts';

const chunk = (tag: string, body: Buffer, announced = body.length): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(announced);
  return Buffer.concat([Buffer.from(tag), size, body, Buffer.alloc(body.length % 2)]);
};

const format = (tag: number, channels: number, bits: number, extra = Buffer.alloc(0)): Buffer => {
  const body = Buffer.alloc(16);
  body.writeUInt16LE(tag, 0);
  body.writeUInt16LE(channels, 2);
  body.writeUInt32LE(16000, 4);
  body.writeUInt16LE(bits, 14);
  return chunk('fmt ', Buffer.concat([body, extra]));
};

const extensible = (subformat: number): Buffer => {
  const extra = Buffer.alloc(10);
  extra.writeUInt16LE(22, 0);
  extra.writeUInt16LE(subformat, 8);
  return format(0xfffe, 1, 16, Buffer.concat([extra, Buffer.from('000000001000800000aa00389b71', 'hex')]));
};

const wav = (...chunks: Buffer[]): Buffer => Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVE', 'latin1'), ...chunks]);

const pcm = (...samples: number[]): Buffer => Buffer.from(samplesToPcmBytes(Int16Array.from(samples)));

const refuses = (bytes: Uint8Array, message: RegExp): void => {
  assert.throws(
    () => parseWav(bytes),
    (error) => error instanceof AudioFormatError && message.test(error.message),
  );
};

test('a WAV file holds the encoded samples', () => {
  fc.assert(
    fc.property(fc.int16Array(), fc.integer({ min: 1, max: 192_000 }), (samples, sampleRateHz) => {
      assert.deepEqual(parseWav(encodeWav(samples, sampleRateHz)), { sampleRateHz, samples: Int16Array.from(samples) });
    }),
  );
});

test('stereo is mixed down, other chunks are skipped, WAVE_FORMAT_EXTENSIBLE and piped sizes are read', () => {
  assert.deepEqual([...parseWav(wav(format(1, 2, 16), chunk('data', pcm(10, 20, -5, -6)))).samples], [15, -6]);
  const extra = wav(
    chunk('JUNK', Buffer.alloc(3)),
    format(1, 1, 16),
    chunk('LIST', Buffer.alloc(7)),
    chunk('data', pcm(7)),
  );
  assert.deepEqual([...parseWav(extra).samples], [7]);
  assert.deepEqual([...parseWav(wav(extensible(1), chunk('data', pcm(7)))).samples], [7]);
  refuses(wav(extensible(3), chunk('data', pcm(7))), /32-bit float/);
  assert.deepEqual([...parseWav(wav(format(1, 1, 16), chunk('data', pcm(1, 2), 0xffffffff))).samples], [1, 2]);
});

test('an unusable WAV file is refused in words', () => {
  refuses(new Uint8Array(0), /not a WAV file: 0 bytes/);
  refuses(Buffer.from('ID3\x04 an mp3 file'), /not a WAV file: .*"ID3\?".*send 16-bit PCM WAV/);
  refuses(wav(format(7, 1, 8), chunk('data', Buffer.alloc(2))), /µ-law is not supported/);
  refuses(wav(format(1, 1, 24), chunk('data', Buffer.alloc(6))), /24-bit PCM/);
  refuses(wav(format(1, 6, 16), chunk('data', Buffer.alloc(12))), /6 channels/);
  refuses(
    wav(format(1, 1, 16), chunk('data', pcm(1, 2), 400)),
    /"data" chunk at byte 36 announces 400 bytes, 4 are present/,
  );
  refuses(wav(chunk('data', pcm(1))), /no 'fmt ' chunk before/);
  refuses(wav(format(1, 1, 16)), /no 'data' chunk/);
});

test('any bytes are read or refused with an AudioFormatError', () => {
  const good = encodeWav(Int16Array.from([1, 2, 3]), 16000);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))), fc.nat(good.length), (edits, length) => {
      const bytes = good.slice(0, length);
      for (const [at, value] of edits) if (at < length) bytes[at] = value;
      try {
        parseWav(bytes);
      } catch (error) {
        assert.ok(error instanceof AudioFormatError);
      }
    }),
  );
});

test('samples and bytes are the same memory when aligned, and the same values when not', () => {
  const samples = Int16Array.from([1, -2, 300]);
  const bytes = samplesToPcmBytes(samples);
  assert.equal(bytes.buffer, samples.buffer);
  assert.equal(pcmBytesToSamples(bytes).buffer, samples.buffer);
  const shifted = new Uint8Array(7);
  shifted.set(bytes, 1);
  assert.deepEqual(pcmBytesToSamples(shifted.subarray(1)), samples);
  assert.throws(() => pcmBytesToSamples(new Uint8Array(3)), AudioFormatError);
});

test('L16 is big-endian', () => {
  assert.deepEqual([...l16ToPcm(Uint8Array.of(0x01, 0x02, 0xff, 0xfe))], [258, -2]);
  assert.throws(() => l16ToPcm(new Uint8Array(1)), AudioFormatError);
});

test('loudness: full scale is 0 dBFS, silence −∞, and only the AC measure is blind to an offset', () => {
  const square = Int16Array.from([-32768, 32767, -32768, 32767]);
  assert.ok(Math.abs(rmsDbfs(square, 0, 4)) < 0.001);
  const offset = Int16Array.from([1000, 1000, 1000, 1000]);
  assert.equal(acRmsDbfs(offset, 0, 4), -Infinity);
  assert.ok(rmsDbfs(offset, 0, 4) > -31);
  assert.equal(rmsDbfs(square, 2, 2), -Infinity);
  assert.ok(Math.abs(rmsDbfs(Int16Array.from([328, -328]), 0, 2) + 40) < 0.02);
});

test('a WAV of empty chunks is refused after 1,000 of them; control: some before the audio are skipped', () => {
  const empty = (count: number): Uint8Array => {
    const wav = encodeWav(new Int16Array(4), 16_000);
    const junk = chunk('junk', Buffer.alloc(0));
    return Buffer.concat([wav.subarray(0, 12), ...new Array<Buffer>(count).fill(junk), wav.subarray(12)]);
  };
  assert.equal(parseWav(empty(20)).samples.length, 4);
  assert.throws(() => parseWav(empty(1001)), AudioFormatError);
});
