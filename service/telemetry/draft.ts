/** A span that has no id yet. The files of this room make drafts; `spans.ts` gives them their ids. */
import type { EventName, SpanAttributes, SpanName } from './names.ts';

export interface SpanLink {
  traceId: string;
  spanId: string;
}

export type SpanStatus = { code: 'unset' } | { code: 'error'; message: string };

/** Something that happened within a span. */
export interface SpanEvent {
  name: EventName;
  /** On the turn's clock in a draft, in epoch µs in a span. */
  atUs: number;
  attributes: SpanAttributes;
}

/** Times on the turn's clock. When a turn has too many spans, the deepest `level` goes first; level 0 stays. */
export interface Draft {
  name: SpanName;
  parent?: Draft;
  level: number;
  startUs: number;
  endUs: number;
  attributes: SpanAttributes;
  links: readonly (Draft | SpanLink)[];
  status: SpanStatus;
  events?: readonly SpanEvent[];
}

/** What most drafts say of themselves. */
export const PLAIN = { attributes: {}, links: [], status: { code: 'unset' } } satisfies Partial<Draft>;
