/** Converts the sample rate while audio arrives, by libsamplerate's band-limited interpolation (WebAssembly). */
import libsamplerate from '@alexanderolsen/libsamplerate-js';
import { InvariantError } from '../base/errors.ts';

// compiled when the module is loaded, since virtual time may not wait; keeps nothing from one block to the next
const { create, ConverterType } = libsamplerate;
const converter = await create(1, 48_000, 16_000, { converterType: ConverterType.SRC_SINC_FASTEST });

/** One conversion. Whole samples at every rate that is a multiple of 100 Hz. */
const BLOCK_MS = 20;
/** The filter sees this much on either side of a block. Its sinc is shorter than 4 ms even from 48 to 8 kHz. */
const CONTEXT_MS = 10;

export interface Resampler {
  /** Takes samples in any portions; returns the blocks that they complete. */
  push(samples: Int16Array): Int16Array[];
  /** The rest after the last whole block, at most 30 ms. Changes nothing: more audio may follow. */
  rest(): Int16Array;
}

/** Converts mono audio to a lower or higher rate. The result does not depend on the portions. */
export function createResampler(fromHz: number, toHz: number): Resampler {
  if (fromHz % 100 !== 0 || toHz % 100 !== 0) {
    throw new InvariantError(`cannot resample ${fromHz} to ${toHz} Hz: both must be multiples of 100`);
  }
  const perMs = fromHz / 1000;
  const block = BLOCK_MS * perMs;
  const context = CONTEXT_MS * perMs;
  /** The context before the next block, then the unconverted samples. */
  let waiting = new Int16Array(context);

  /** Converts `count` samples behind the context at `from`. */
  const convert = (from: number, count: number): Int16Array => {
    const input = new Float32Array(count + 2 * context);
    for (let i = 0; i < input.length; i += 1) input[i] = (waiting[from + i] ?? 0) / 32_768;
    converter.inputSampleRate = fromHz;
    converter.outputSampleRate = toHz;
    const output = converter.simple(input);
    const skip = (CONTEXT_MS * toHz) / 1000;
    const length = Math.round((count * toHz) / fromHz);
    return Int16Array.from({ length }, (_, i) => {
      const sample = Math.round((output[skip + i] ?? 0) * 32_768);
      return Math.max(-32_768, Math.min(32_767, sample));
    });
  };

  return {
    push(samples) {
      const joined = new Int16Array(waiting.length + samples.length);
      joined.set(waiting);
      joined.set(samples, waiting.length);
      waiting = joined;
      const blocks: Int16Array[] = [];
      let from = 0;
      for (; from + 2 * context + block <= waiting.length; from += block) blocks.push(convert(from, block));
      waiting = waiting.slice(from);
      return blocks;
    },
    rest: () => (waiting.length <= context ? new Int16Array() : convert(0, waiting.length - context)),
  };
}
