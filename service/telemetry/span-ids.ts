/** Ids of a turn's spans: from its trace id alone, so that a replayed turn can link to the captured turn's span (ordinal 0). */
import { keyedHex } from '../base/random.ts';

/** The id of a turn's `ordinal`th span, never all zero. */
export function spanIdOf(traceId: string, ordinal: number): string {
  return spanIdsOf(traceId)(ordinal);
}

/** Eight digits of the trace's hash and eight that count from 1: one hash a turn. */
export function spanIdsOf(traceId: string): (ordinal: number) => string {
  const prefix = keyedHex(8, 'span', traceId);
  return (ordinal) => prefix + (ordinal + 1).toString(16).padStart(8, '0');
}
