/** Spans of paired turns, aligned by path and ordinal. Unpaired spans are counted by side. Pure. */
import type { TurnPair } from './align.ts';
import { tracedTurnKey, type SpansByTurn, type TurnSpans } from '../traces/trace-tree.ts';

/** One path over all pairs. Durations are means: of paired spans, or of the unpaired ones of a side. */
export interface SpanRow {
  path: string;
  /** Pairs of turns that both have the span. */
  n: number;
  aMs?: number;
  bMs?: number;
  deltaMs?: number;
  onlyA: number;
  onlyB: number;
  onlyAMs?: number;
  onlyBMs?: number;
}

interface Tally {
  n: number;
  aUs: number;
  bUs: number;
  onlyA: number;
  onlyAUs: number;
  onlyB: number;
  onlyBUs: number;
}

/** A row for every path of a paired turn, in order of first appearance. Turns without known spans are left out. */
export function alignSpans(pairs: readonly TurnPair[], a: SpansByTurn, b: SpansByTurn): SpanRow[] {
  const tallies = new Map<string, Tally>();
  const tallyOf = (path: string): Tally => {
    let tally = tallies.get(path);
    if (tally === undefined)
      tallies.set(path, (tally = { n: 0, aUs: 0, bUs: 0, onlyA: 0, onlyAUs: 0, onlyB: 0, onlyBUs: 0 }));
    return tally;
  };
  for (const pair of pairs) {
    const left = a.get(tracedTurnKey(pair.a));
    const right = b.get(tracedTurnKey(pair.b));
    if (left === undefined || right === undefined) continue;
    const rest = durations(right);
    for (const [path, aUs] of durations(left)) {
      const tally = tallyOf(path);
      const bUs = rest.get(path);
      rest.delete(path);
      if (bUs === undefined) {
        tally.onlyA++;
        tally.onlyAUs += aUs;
      } else {
        tally.n++;
        tally.aUs += aUs;
        tally.bUs += bUs;
      }
    }
    for (const [path, bUs] of rest) {
      const tally = tallyOf(path);
      tally.onlyB++;
      tally.onlyBUs += bUs;
    }
  }
  return [...tallies].map(([path, tally]) => spanRow(path, tally));
}

function durations({ paths, times }: TurnSpans): Map<string, number> {
  return new Map(paths.map((path, index) => [path, times[index * 2 + 1] ?? 0]));
}

function spanRow(path: string, { n, aUs, bUs, onlyA, onlyAUs, onlyB, onlyBUs }: Tally): SpanRow {
  return {
    path,
    n,
    aMs: meanMs(aUs, n),
    bMs: meanMs(bUs, n),
    deltaMs: meanMs(bUs - aUs, n),
    onlyA,
    onlyB,
    onlyAMs: meanMs(onlyAUs, onlyA),
    onlyBMs: meanMs(onlyBUs, onlyB),
  };
}

function meanMs(us: number, count: number): number | undefined {
  return count === 0 ? undefined : us / count / 1000;
}
