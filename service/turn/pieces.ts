/** What goes from writing to speaking to delivery: pieces of the reply, and their audio. */
import type { Channel } from '../base/streams.ts';

/** Whose words a piece has. Only the model's own count as content. */
export type Origin = 'llm' | 'predicted' | 'prefilled' | 'greeting';

/** One piece of the reply, ready to be spoken. */
export interface Piece {
  index: number;
  text: string;
  readyId: number;
  origin: Origin;
  /** Its audio, where it was synthesized ahead. */
  prepared?: Prepared;
}

/** A piece's audio, readable while it is being synthesized. */
export interface PieceAudio {
  index: number;
  /** Words that this turn's LLM has just generated, not ones that were put before them. */
  content: boolean;
  /** From the speech cache: nothing was synthesized for it now. */
  cached: boolean;
  chunks: Channel<AudioChunk>;
}

export interface AudioChunk {
  /** PCM16 little-endian mono. */
  pcm: Uint8Array;
  atUs: number;
  /** Id of its `tts.audio` event, which is recorded once somebody needs it as a cause. */
  eventId(): number;
}

/** A text that is synthesized before it is known whether it will be said. */
export interface Prepared {
  readonly text: string;
  readonly chunks: Channel<AudioChunk>;
  /** Start and first audio, on the turn's clock. */
  readonly startUs: number;
  firstAudioUs(): number | undefined;
  failed(): boolean;
  /** What its first audio took when it was synthesized, where it came from the speech cache: nothing was paid for it now. */
  cachedTtfbUs(): number | undefined;
  /** Its characters are paid for all the same. */
  abandon(): void;
}
