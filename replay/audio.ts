/** Captured user audio, spoken again: the same frames at the same distances in time. */
import { InputError } from '../service/errors.ts';
import { pcmBytesToSamples } from '../service/audio.ts';
import type { AttrValue, AudioFrame, Clock, TurnLog, UserAudio } from '../service/ports.ts';

export interface CapturedAudio {
  zero: UserAudio['zero'];
  sampleRateHz: number;
  /** Turn's clock, of the capture. */
  startUs: number;
  frames: readonly { atUs: number; samples: Int16Array }[];
}

/** The received audio of a captured turn. Throws `InputError` when the capture holds none (level `timing`). */
export function capturedAudio(log: TurnLog): CapturedAudio {
  const { sessionId, turnIndex } = log.identity;
  const received = log.events.find((event) => event.kind === 'speech.audio');
  const bytes = received?.content?.audio;
  const start = log.events.find((event) => event.kind === 'speech.start');
  if (received === undefined || bytes === undefined || start === undefined) {
    throw new InputError(
      `session ${sessionId}, turn ${turnIndex}: the capture holds no user audio; capture with RETAKE_CAPTURE=full to replay it`,
    );
  }
  const samples = pcmBytesToSamples(bytes);
  const frameAtUs = numbers(received.attrs?.['frameAtUs']);
  const frameSamples = numbers(received.attrs?.['frameSamples']);
  let offset = 0;
  const frames = frameAtUs.map((atUs, index) => {
    const length = frameSamples[index] ?? 0;
    const frame = { atUs, samples: samples.subarray(offset, offset + length) };
    offset += length;
    return frame;
  });
  return {
    zero: log.zero,
    sampleRateHz: Number(received.attrs?.['sampleRateHz']),
    startUs: start.atUs,
    frames,
  };
}

/** Speaks captured audio on `clock`, its first byte arriving now. */
export function speakAgain(audio: CapturedAudio, clock: Clock): UserAudio {
  const startedUs = clock.nowUs();
  const first = audio.frames[0];
  return {
    zero: audio.zero,
    sampleRateHz: audio.sampleRateHz,
    ...(audio.zero === 'upload' ? { startedUs } : {}),
    async *frames(signal): AsyncGenerator<AudioFrame> {
      // streamed audio starts with its first frame, an upload with its first byte
      const fromUs = audio.zero === 'upload' ? audio.startUs : (first?.atUs ?? audio.startUs);
      for (const { atUs, samples } of audio.frames) {
        const leftUs = startedUs + (atUs - fromUs) - clock.nowUs();
        try {
          if (leftUs > 0) await clock.sleep(leftUs / 1000, signal);
        } catch {
          return;
        }
        if (signal.aborted) return;
        yield { atUs: clock.nowUs(), samples };
      }
    },
  };
}

function numbers(value: AttrValue | undefined): number[] {
  return Array.isArray(value) ? value.filter((each): each is number => typeof each === 'number') : [];
}
