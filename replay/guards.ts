/** What a faster lane must not have bought its speed with. Pure. */
import type { TurnSummary } from '../service/metrics.ts';
import type { Alignment, TurnPair } from './align.ts';
import { mcNemarWorse, mean } from './stats.ts';

export interface Guard {
  name: string;
  holds: boolean;
  detail: string;
}

/** Transcript and reply lengths that differ by more are other work. */
const EQUAL_WORK_SHARE = 0.1;
/** A stall shorter than this cannot be heard. */
const STALL_MARGIN_MS = 1;

/** What a faster lane must not have bought its speed with. */
export function guardsOf({ pairs, both }: Alignment): Guard[] {
  const contentMs = meanDifferenceMs(pairs, (turn) => turn.firstContentAudibleUs);
  const stallsMs = meanDifferenceMs(pairs, (turn) => turn.stallUs);
  const worse = both.filter(({ a, b }) => a.failure === undefined && b.failure !== undefined).length;
  const better = both.filter(({ a, b }) => a.failure !== undefined && b.failure === undefined).length;
  const moreFailed = worse - better > both.length / 100 || (worse > better && mcNemarWorse(worse, better) < 0.05);
  return [
    guardOf('first content audible', contentMs, 0, 'ms'),
    guardOf('stalls', stallsMs, STALL_MARGIN_MS, 'ms a turn'),
    { name: 'failed turns', holds: !moreFailed, detail: `${worse} more, ${better} fewer of ${both.length}` },
    ...[
      equalWork('transcript length', pairs, (turn) => turn.transcriptChars),
      equalWork('reply length', pairs, (turn) => turn.replyChars),
    ],
  ];
}

/** Over the turns that both lanes measured: absent is not 0. */
function meanDifferenceMs(
  pairs: readonly TurnPair[],
  us: (turn: TurnSummary) => number | undefined,
): number | undefined {
  const known = pairs.filter(({ a, b }) => us(a) !== undefined && us(b) !== undefined);
  return known.length === 0 ? undefined : mean(known.map(({ a, b }) => ((us(b) ?? 0) - (us(a) ?? 0)) / 1000));
}

function guardOf(name: string, deltaMs: number | undefined, limitMs: number, unit: string): Guard {
  if (deltaMs === undefined) return { name, holds: true, detail: 'not measured' };
  return { name, holds: deltaMs <= limitMs, detail: `${signed(deltaMs)} ${unit}` };
}

function equalWork(name: string, pairs: readonly TurnPair[], chars: (turn: TurnSummary) => number | undefined): Guard {
  const known = pairs.filter(({ a, b }) => chars(a) !== undefined && chars(b) !== undefined);
  if (known.length === 0) return { name, holds: true, detail: 'not measured' };
  const [a, b] = [mean(known.map((pair) => chars(pair.a) ?? 0)), mean(known.map((pair) => chars(pair.b) ?? 0))];
  const share = a === b ? 0 : b / a - 1;
  return { name, holds: Math.abs(b - a) <= EQUAL_WORK_SHARE * a, detail: `${signed(share * 100)} %` };
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}`;
}
