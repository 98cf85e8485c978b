/**
 * The playback model: a client plays a reply from its first byte on, in real time, and waits when it runs out of audio.
 * Nothing else in the service says when a user hears something.
 *
 *     sample s is played at   start + round(s · 10⁶ / rate) + stalls so far
 *
 * The place in the whole reply is rounded, so Σ audio + Σ stalls = reply end − start exactly, in integer µs.
 */
import { rmsDbfs } from './pcm.ts';
import { InvariantError } from '../base/errors.ts';

/** The news that one chunk of audio brings. */
export interface PlaybackStep {
  /** The client ran out of audio at `stalledFromUs`, and plays again from this chunk's arrival. */
  resumed?: { stalledFromUs: number };
  /** The chunk begins a piece, whose first sample is played at `fromUs`. */
  piece?: { index: number; fromUs: number };
  /** When the reply becomes audible: in the one step that makes it known, before or after that step's time. */
  firstAudibleUs?: number;
  /** The first audible words are not the LLM's: an opener comes first. */
  inserted?: true;
  /** When the LLM's words become audible, where others come before them. */
  contentAudibleUs?: number;
}

export interface Stall {
  fromUs: number;
  toUs: number;
}

export interface PlaybackEnd {
  /** When the last sample has been played. Absent without audio. */
  replyEndUs?: number;
  stallUs: number;
  stalls: Stall[];
}

export interface Playback {
  /** The client plays nothing until `resume`. */
  pause(atUs: number): void;
  resume(atUs: number): void;
  /** Samples of the reply that were played before `atUs`. */
  playedSamples(atUs: number): number;
  /**
   * Takes a chunk that reached the client at `atUs`. An empty chunk changes nothing. `content`, true by default, says
   * whether this turn's LLM generated the words.
   *
   * @throws InvariantError when chunks or pieces go backwards.
   */
  chunk(atUs: number, samples: Int16Array, pieceIndex: number, content?: boolean): PlaybackStep;
  /** The reply is complete. */
  finish(): PlaybackEnd;
}

/** A frame above this RMS is audible. */
const AUDIBLE_DBFS = -45;
const AUDIBLE_FRAMES = 3;
const FRAMES_PER_SECOND = 100;

interface Onset {
  frame: Int16Array;
  filled: number;
  /** The playing time of each frame in the current row of audible frames. */
  rowUs: number[];
  frameUs: number;
  atUs: number | undefined;
}

/**
 * Creates the playback of one reply of `sampleRateHz`. Frames of 10 ms count from the reply's first sample on, across
 * chunks and pieces. An incomplete last frame is not judged.
 */
export function createPlayback(sampleRateHz: number): Playback {
  const newOnset = (): Onset => ({
    frame: new Int16Array(Math.max(1, Math.round(sampleRateHz / FRAMES_PER_SECOND))),
    filled: 0,
    rowUs: [],
    frameUs: 0,
    atUs: undefined,
  });
  const ofReply = newOnset();
  /** The same as `ofReply` until other words than the LLM's are played. */
  let ofContent = ofReply;
  const stalls: Stall[] = [];
  let startUs: number | undefined;
  let stallUs = 0;
  let pausedUs = 0;
  let pausedFromUs: number | undefined;
  let received = 0;
  let lastUs = -Infinity;
  let piece: number | undefined;

  const playedAtUs = (from: number, sample: number): number =>
    from + Math.round((sample * 1_000_000) / sampleRateHz) + stallUs + pausedUs;

  /** Looks for the onset in samples that begin at the reply's sample `at`. */
  const listen = (onset: Onset, samples: Int16Array, at: number, from: number): void => {
    const { frame, rowUs } = onset;
    for (let offset = 0; offset < samples.length && onset.atUs === undefined;) {
      if (onset.filled === 0) onset.frameUs = playedAtUs(from, at + offset);
      const part = samples.subarray(offset, offset + frame.length - onset.filled);
      frame.set(part, onset.filled);
      onset.filled += part.length;
      offset += part.length;
      if (onset.filled < frame.length) return;
      onset.filled = 0;
      if (rmsDbfs(frame, 0, frame.length) > AUDIBLE_DBFS) rowUs.push(onset.frameUs);
      else rowUs.length = 0;
      if (rowUs.length === AUDIBLE_FRAMES) onset.atUs = rowUs[0];
    }
  };

  const chunk = (atUs: number, samples: Int16Array, pieceIndex: number, content = true): PlaybackStep => {
    if (atUs < lastUs) throw new InvariantError(`reply audio at ${atUs} µs came after audio at ${lastUs} µs`);
    if (piece !== undefined && pieceIndex < piece) {
      throw new InvariantError(`reply audio of piece ${pieceIndex} came after piece ${piece}: play pieces in order`);
    }
    lastUs = atUs;
    if (samples.length === 0) return {};
    const step: PlaybackStep = {};
    startUs ??= atUs;
    const dryUs = playedAtUs(startUs, received);
    if (atUs > dryUs) {
      stalls.push({ fromUs: dryUs, toUs: atUs });
      stallUs += atUs - dryUs;
      step.resumed = { stalledFromUs: dryUs };
    }
    if (piece !== pieceIndex) {
      piece = pieceIndex;
      step.piece = { index: pieceIndex, fromUs: playedAtUs(startUs, received) };
    }
    if (!content && ofContent.atUs === undefined) ofContent = newOnset();
    const knew = { reply: ofReply.atUs, content: ofContent.atUs };
    listen(ofReply, samples, received, startUs);
    if (content && ofContent !== ofReply) listen(ofContent, samples, received, startUs);
    if (knew.reply === undefined && ofReply.atUs !== undefined) step.firstAudibleUs = ofReply.atUs;
    if (ofContent !== ofReply) {
      if (step.firstAudibleUs !== undefined && ofContent.atUs !== step.firstAudibleUs) step.inserted = true;
      if (knew.content === undefined && ofContent.atUs !== undefined) step.contentAudibleUs = ofContent.atUs;
    }
    received += samples.length;
    return step;
  };

  return {
    chunk,
    pause: (atUs) => (pausedFromUs ??= atUs),
    resume(atUs) {
      // a pause costs no time where nothing was left to play
      const dryUs = startUs === undefined ? atUs : playedAtUs(startUs, received);
      if (pausedFromUs !== undefined && pausedFromUs < dryUs) pausedUs += atUs - pausedFromUs;
      pausedFromUs = undefined;
    },
    playedSamples(atUs) {
      if (startUs === undefined) return 0;
      const playedUs = Math.min(atUs, pausedFromUs ?? atUs) - startUs - stallUs - pausedUs;
      return Math.max(0, Math.min(received, Math.floor((playedUs * sampleRateHz) / 1_000_000)));
    },
    finish: () => ({
      replyEndUs: startUs === undefined ? undefined : playedAtUs(startUs, received),
      stallUs,
      stalls: stalls.map((stall) => ({ ...stall })),
    }),
  };
}
