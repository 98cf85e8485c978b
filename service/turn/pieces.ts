/** Pieces of the reply and their audio, on their way from writing to speaking to delivery. */
import type { Channel } from '../base/streams.ts';

/** Where a piece's words come from. Only `llm` counts as content. */
export type Origin = 'llm' | 'predicted' | 'prefilled' | 'greeting';

export interface Piece {
  index: number;
  text: string;
  readyId: number;
  origin: Origin;
  /** Audio that was synthesized ahead. */
  prepared?: Prepared;
}

/** A piece's audio, readable during the synthesis. */
export interface PieceAudio {
  index: number;
  /** The words are this turn's LLM's, not an opener or a greeting. */
  content: boolean;
  /** From the speech cache. */
  cached: boolean;
  chunks: Channel<AudioChunk>;
}

export interface AudioChunk {
  /** PCM16 little-endian mono. */
  pcm: Uint8Array;
  atUs: number;
  /** Id of the chunk's `tts.audio` event, which is recorded at the first call: when it is needed as a cause. */
  eventId(): number;
}

/** A text that is synthesized ahead: perhaps it is never said. */
export interface Prepared {
  readonly text: string;
  readonly chunks: Channel<AudioChunk>;
  /** On the turn's clock. */
  readonly startUs: number;
  firstAudioUs(): number | undefined;
  failed(): boolean;
  /** TTFB of the synthesis that filled the speech cache. Undefined where this turn synthesizes, and pays, itself. */
  cachedTtfbUs(): number | undefined;
  /** Stops the synthesis. Its characters are paid for all the same. */
  abandon(): void;
}
