/** The messages to a client about its turn, the same over HTTP and WebSocket (docs/client.md). Pure. */
import type { TurnEvent } from '../base/events.ts';
import type { TurnSummary } from '../turn-log/metrics.ts';

export type Told =
  { type: 'transcript'; data: { text: string } } | { type: 'piece'; data: { index: unknown; text: string } };

/** The message that an event becomes; undefined for most. */
export function toldOf({ kind, content, attrs }: TurnEvent): Told | undefined {
  const text = content?.text ?? '';
  if (kind === 'stt.done') return { type: 'transcript', data: { text } };
  if (kind === 'piece.ready') return { type: 'piece', data: { index: attrs?.['index'], text } };
  return undefined;
}

/** Figures of a turn that is over. */
export function doneOf({
  traceId,
  e2eUs,
  firstAudioByteUs,
  ledger,
}: TurnSummary): Pick<TurnSummary, 'traceId' | 'e2eUs' | 'firstAudioByteUs' | 'ledger'> {
  return { traceId, e2eUs, firstAudioByteUs, ledger };
}
