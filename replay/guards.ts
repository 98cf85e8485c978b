/** What a faster lane must not have bought its speed with. Pure. */
import type { TurnSummary } from '../service/metrics.ts';
import { intervalOver, type Alignment, type TurnPair } from './align.ts';
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
  const contentMs = (turn: TurnSummary): number => (turn.firstContentAudibleUs ?? 0) / 1000;
  const content = intervalOver(pairs, ({ a, b }) => contentMs(b) - contentMs(a));
  const stallMs = (turn: TurnSummary): number => (turn.stallUs ?? 0) / 1000;
  const stalls = intervalOver(pairs, ({ a, b }) => stallMs(b) - stallMs(a));
  const worse = both.filter(({ a, b }) => a.failure === undefined && b.failure !== undefined).length;
  const better = both.filter(({ a, b }) => a.failure !== undefined && b.failure === undefined).length;
  const moreFailed = worse - better > both.length / 100 || (worse > better && mcNemarWorse(worse, better) < 0.05);
  return [
    {
      name: 'first content audible',
      holds: pairs.length === 0 || content.mean <= 0,
      detail: pairs.length === 0 ? 'not measured' : `${signed(content.mean)} ms`,
    },
    { name: 'stalls', holds: stalls.mean <= STALL_MARGIN_MS, detail: `${signed(stalls.mean)} ms a turn` },
    { name: 'failed turns', holds: !moreFailed, detail: `${worse} more, ${better} fewer of ${both.length}` },
    ...[
      equalWork('transcript length', pairs, (turn) => turn.transcriptChars),
      equalWork('reply length', pairs, (turn) => turn.replyChars),
    ],
  ];
}

function equalWork(name: string, pairs: readonly TurnPair[], chars: (turn: TurnSummary) => number | undefined): Guard {
  const known = pairs.filter(({ a, b }) => chars(a) !== undefined && chars(b) !== undefined);
  if (known.length === 0) return { name, holds: true, detail: 'not measured' };
  const [a, b] = [mean(known.map((pair) => chars(pair.a) ?? 0)), mean(known.map((pair) => chars(pair.b) ?? 0))];
  const share = a === 0 ? 0 : b / a - 1;
  return { name, holds: Math.abs(share) <= EQUAL_WORK_SHARE, detail: `${signed(share * 100)} %` };
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}`;
}
