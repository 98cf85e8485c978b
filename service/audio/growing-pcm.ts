/** A turn's audio in one piece of memory that grows with the frames. */

export interface GrowingPcm {
  /** Samples so far. */
  readonly length: number;
  /** Copies the samples, so that their frame can be freed. Keeps a first frame of 2 s and more, an upload's, as it is: it may not change. */
  push(samples: Int16Array): void;
  /** All samples so far, without a copy: treat as read-only. Later pushes do not change them. */
  samples(): Int16Array;
  /** The same in memory of their own size: a copy, unless there is no room to grow. */
  kept(): Int16Array;
}

/** Two seconds at 16 kHz. */
const FIRST_SAMPLES = 32_768;

/**
 * Begins empty. A turn that kept its frames would keep hundreds of small objects until its end. With many turns at once
 * the garbage collector would visit these again and again.
 */
export function createGrowingPcm(): GrowingPcm {
  let memory: Int16Array = new Int16Array(0);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(samples) {
      const needed = length + samples.length;
      if (length === 0 && needed >= FIRST_SAMPLES) memory = samples;
      if (needed > memory.length) {
        const larger = new Int16Array(Math.max(needed, 2 * memory.length, FIRST_SAMPLES));
        larger.set(memory.subarray(0, length));
        memory = larger;
      }
      if (memory !== samples) memory.set(samples, length);
      length = needed;
    },
    samples: () => memory.subarray(0, length),
    kept: () => (memory.length === length ? memory : memory.slice(0, length)),
  };
}
