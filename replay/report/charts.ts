/** Small pictures made of characters. Pure; the caller adds colours. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage } from '../../service/base/events.ts';
import type { TurnPair } from '../diff/align.ts';
import { pairsIn, type Report } from './build.ts';
import { deltaUsOf } from './words.ts';

const TICKS = '▁▂▃▄▅▆▇█';

/** Counts as a row of bars: an empty bin is blank, the fullest one is `█`. */
export function sparkline(counts: readonly number[]): string {
  const most = Math.max(...counts, 1);
  return counts
    .map((count) => (count === 0 ? ' ' : (TICKS[Math.max(0, Math.ceil((count / most) * TICKS.length) - 1)] ?? ' ')))
    .join('');
}

/** Counts in `bins` equal bins from `low` to `high`. */
export function histogram(values: readonly number[], low: number, high: number, bins: number): number[] {
  const counts = Array.from({ length: bins }, () => 0);
  for (const value of values) {
    const bin = high === low ? 0 : Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

export interface StageSpan {
  stage: LedgerStage;
  /** In µs from the zero; a stage may hold several pieces of the wait. */
  pieces: { fromUs: number; toUs: number }[];
  us: number;
}

/** The wait of a turn by stage, in order of first appearance. Adds up to end to end. */
export function stagesInTime({ ledger }: Pick<TurnSummary, 'ledger'>): StageSpan[] {
  const stages = new Map<LedgerStage, StageSpan>();
  let atUs = 0;
  for (const { stage, us } of ledger) {
    const known = stages.get(stage) ?? { stage, pieces: [], us: 0 };
    stages.set(stage, known);
    const last = known.pieces.at(-1);
    if (last?.toUs === atUs) last.toUs += us;
    else known.pieces.push({ fromUs: atUs, toUs: atUs + us });
    known.us += us;
    atUs += us;
  }
  return [...stages.values()];
}

/** A line of `width` characters in which the pieces are filled. A piece shorter than a character is a thin mark. */
export function textBar(pieces: readonly { fromUs: number; toUs: number }[], scaleUs: number, width: number): string {
  const cells = Array.from({ length: width }, () => ' ');
  const cellOf = (us: number): number => Math.round((us / scaleUs) * width);
  for (const { fromUs, toUs } of pieces) {
    if (toUs === fromUs) continue;
    const [from, to] = [cellOf(fromUs), cellOf(toUs)];
    if (from === to && cells[Math.min(from, width - 1)] === ' ') cells[Math.min(from, width - 1)] = '▏';
    for (let cell = from; cell < to; cell++) cells[cell] = '█';
  }
  return cells.join('');
}

/** Pairs that both lanes measured, in the report's order. */
export function measuredPairs(report: Pick<Report, 'pairs' | 'turns'>): TurnPair[] {
  const isMeasured = ({ e2eUs, failure }: TurnSummary): boolean => e2eUs !== undefined && failure === undefined;
  return pairsIn(report).filter(({ a, b }) => isMeasured(a) && isMeasured(b));
}

/** The pair with the median difference: what the change looks like in one turn. */
export function typicalPair(report: Pick<Report, 'pairs' | 'turns'>): TurnPair | undefined {
  const ranked = measuredPairs(report).sort((left, right) => deltaUsOf(left) - deltaUsOf(right));
  return ranked[Math.floor((ranked.length - 1) / 2)];
}
