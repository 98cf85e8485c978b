/** A turn's audio in one piece of memory, which grows while frames arrive. */

export interface GrowingPcm {
  /** Samples so far. */
  readonly length: number;
  /** Copies the samples: the frame that they came in can go. */
  push(samples: Int16Array): void;
  /** All samples so far, without a copy: treat as read-only. What is pushed later does not change it. */
  samples(): Int16Array;
}

/** Two seconds of 16 kHz. */
const FIRST_SAMPLES = 32_768;

/**
 * Begins empty. A turn that kept its frames would keep hundreds of small objects until it ends; with many turns at once the garbage
 * collector would look at them again and again.
 */
export function createGrowingPcm(): GrowingPcm {
  let memory = new Int16Array(0);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(samples) {
      const needed = length + samples.length;
      if (needed > memory.length) {
        const larger = new Int16Array(Math.max(needed, 2 * memory.length, FIRST_SAMPLES));
        larger.set(memory.subarray(0, length));
        memory = larger;
      }
      memory.set(samples, length);
      length = needed;
    },
    samples: () => memory.subarray(0, length),
  };
}
