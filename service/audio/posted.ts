/** Audio that is there as a whole, as an upload is. */
import type { Clock, UserAudio } from '../base/ports.ts';

/** The samples as one body that is posted now, on the clock. */
export function postedAudio(clock: Clock, samples: Int16Array, sampleRateHz: number): UserAudio {
  return {
    zero: 'upload',
    sampleRateHz,
    startedUs: clock.nowUs(),
    async *frames() {
      yield { atUs: clock.nowUs(), samples };
    },
  };
}
