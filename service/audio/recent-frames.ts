/** The last frames of a microphone: bounded, of one cost a frame however many there are. Pure: a value, never changed. */
import type { AudioFrame } from '../base/ports.ts';

/** Two generations: when the newer one is full it becomes the older one, whose frames are forgotten. */
export interface RecentFrames {
  readonly newer?: Link;
  readonly older?: Link;
}

/** A frame, what came before it in its generation, and the sums of both. */
interface Link {
  readonly frame: AudioFrame;
  readonly before?: Link;
  readonly frames: number;
  readonly samples: number;
}

export const NO_FRAMES: RecentFrames = {};

/** Frames of a generation: at least 5 s of 10 ms. */
export const GENERATION_FRAMES = 512;

/** One frame more. The last `samples` stay, or the last `GENERATION_FRAMES` frames, whichever are fewer; at most twice as many stay. */
export function withFrame({ newer, older }: RecentFrames, frame: AudioFrame, samples: number): RecentFrames {
  const isFull = newer !== undefined && (newer.frames >= GENERATION_FRAMES || newer.samples >= samples);
  const before = isFull ? undefined : newer;
  const link = {
    frame,
    before,
    frames: (before?.frames ?? 0) + 1,
    samples: (before?.samples ?? 0) + frame.samples.length,
  };
  return { newer: link, older: isFull ? newer : older };
}

/** The frames from this time on, the oldest first. */
export function framesSince(recent: RecentFrames, fromUs: number): readonly AudioFrame[] {
  return latestWhile(recent, ({ atUs }) => atUs >= fromUs);
}

/** The last frames, with at most so many samples behind the first of them; the oldest first. */
export function lastFrames(recent: RecentFrames, samples: number): readonly AudioFrame[] {
  let behind = 0;
  return latestWhile(recent, (frame) => {
    const fits = behind <= samples;
    behind += frame.samples.length;
    return fits;
  });
}

function latestWhile({ newer, older }: RecentFrames, isWanted: (frame: AudioFrame) => boolean): readonly AudioFrame[] {
  const found: AudioFrame[] = [];
  for (const generation of [newer, older]) {
    for (let link = generation; link !== undefined; link = link.before) {
      if (!isWanted(link.frame)) return found.reverse();
      found.push(link.frame);
    }
  }
  return found.reverse();
}
