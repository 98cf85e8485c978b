/** Pairs of two recordings of one workload, whose sessions have different names: by order, by words, or by an attribute. Pure. */
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';

/** A turn with what it is matched by; without a tag it meets no other. */
export interface Tagged<Turn extends { summary: TurnSummary }> {
  turn: Turn;
  tag?: string;
}

export interface Matching<Turn> {
  /** B's turns. Matched ones have session and number of their turn in A; the others keep a name that A does not have. */
  b: readonly Turn[];
  pairs: number;
}

/** The n-th turn of B with a tag meets the n-th of A with the same tag, in order of input. Throws `InputError` where no tag is shared. */
export function matchByTag<Turn extends { summary: TurnSummary }>(
  a: readonly Tagged<Turn>[],
  b: readonly Tagged<Turn>[],
  by: string,
): Matching<Turn> {
  const waiting = Map.groupBy(
    a.filter(({ tag }) => tag !== undefined),
    ({ tag }) => tag,
  );
  const names = new Set(a.map(({ turn }) => turn.summary.sessionId));
  let pairs = 0;
  const renamed = b.map(({ turn, tag }): Turn => {
    const partner = tag === undefined ? undefined : waiting.get(tag)?.shift()?.turn.summary;
    if (partner !== undefined) pairs++;
    const { sessionId, turnIndex } = partner ?? { ...turn.summary, sessionId: unlike(turn.summary.sessionId, names) };
    return { ...turn, summary: { ...turn.summary, sessionId, turnIndex } };
  });
  if (pairs === 0) throw new InputError(`no turn of A and B has the same ${by}; ${adviceFor(a, b)}`);
  return { b: renamed, pairs };
}

function adviceFor(...sides: readonly (readonly Tagged<{ summary: TurnSummary }>[])[]): string {
  const untagged = sides.findIndex((side) => side.every(({ tag }) => tag === undefined));
  return untagged === -1
    ? 'pair by something else, or compare the recordings without --pair-by'
    : `no turn of ${untagged === 0 ? 'A' : 'B'} has one at all; pair by something else, such as --pair-by order`;
}

function unlike(name: string, names: ReadonlySet<string>): string {
  return names.has(name) ? unlike(`${name} of B`, names) : name;
}

/**
 * Tags by place: the n-th session of one side meets the n-th of the other, and in it the n-th turn by number. Sessions count in order of
 * input. Repetitions of a turn have its place.
 */
export function orderTags(turns: readonly TurnSummary[]): string[] {
  const sessions = [...Map.groupBy(turns, ({ sessionId }) => sessionId).values()].map((own) =>
    [...new Set(own.map(({ turnIndex }) => turnIndex))].sort((a, b) => a - b),
  );
  const places = new Map(
    [...new Set(turns.map(({ sessionId }) => sessionId))].map((sessionId, session) => [sessionId, session]),
  );
  return turns.map(({ sessionId, turnIndex }) => {
    const session = places.get(sessionId) ?? 0;
    return `${session}/${sessions[session]?.indexOf(turnIndex) ?? 0}`;
  });
}

/** The same words, whatever their case, punctuation and spaces. Undefined without a word. */
export function wordTag(text: string | undefined): string | undefined {
  const words = text?.toLowerCase().match(/[\p{L}\p{N}]+/gu);
  return words?.join(' ');
}
