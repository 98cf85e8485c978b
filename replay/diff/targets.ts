/** The targets, with today's figure and that of each lane. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { TARGET_MS } from '../../service/turn-log/targets.ts';
import { median, quantile } from '../../service/base/quantile.ts';
import { P95_TURNS } from '../statistics/estimates.ts';

export interface TargetRow {
  name: string;
  todayMs?: number;
  targetMs?: number;
  a?: Measured;
  b?: Measured;
}

export interface Measured {
  medianMs: number;
  /** From 72 turns on. */
  p95Ms?: number;
  n: number;
  /** Median below target; absent where there is no target. */
  met?: boolean;
}

interface Target {
  name: string;
  todayMs?: number;
  targetMs?: number;
  us: (turn: TurnSummary) => number | undefined;
}

/** Today's figures are means of production; 2500 was measured in another set-up (docs/metrics.md#targets). */
const TARGETS: readonly Target[] = [
  { name: 'STT', todayMs: 800, targetMs: TARGET_MS.stt, us: ({ serviceUs }) => serviceUs.stt },
  { name: 'LLM time to first token', todayMs: 1500, targetMs: TARGET_MS.llm, us: ({ serviceUs }) => serviceUs.llm },
  { name: 'TTS time to first byte', todayMs: 500, targetMs: TARGET_MS.tts, us: ({ serviceUs }) => serviceUs.tts },
  {
    name: 'seed-comparable total',
    todayMs: 2800,
    targetMs: TARGET_MS.total,
    us: ({ serviceUs: { stt, llm, tts } }) =>
      stt === undefined || llm === undefined || tts === undefined ? undefined : stt + llm + tts,
  },
  { name: 'first audio byte', todayMs: 2500, targetMs: TARGET_MS.firstAudioByte, us: (turn) => turn.firstAudioByteUs },
  { name: 'first audible (from speech end)', us: (turn) => turn.e2eUs },
  { name: 'first content audible', us: (turn) => turn.firstContentAudibleUs },
];

export function targetRows(a: readonly TurnSummary[], b: readonly TurnSummary[]): TargetRow[] {
  return TARGETS.map(({ name, todayMs, targetMs, us }) => ({
    name,
    todayMs,
    targetMs,
    a: measured(a, us, targetMs),
    b: measured(b, us, targetMs),
  }));
}

/** A lane of which more than one turn in twenty has no figure has no 95th percentile, however many turns there are. */
export function p95Text(lane: Measured | undefined): string {
  if (lane?.p95Ms !== undefined) return String(Math.round(lane.p95Ms));
  return (lane?.n ?? 0) < P95_TURNS ? 'n too small' : '–';
}

/** A turn without the figure misses every target: it counts as longer than any other. */
function measured(turns: readonly TurnSummary[], us: Target['us'], targetMs: number | undefined): Measured | undefined {
  const valuesMs = turns.map((turn) => (us(turn) ?? Infinity) / 1000);
  const n = valuesMs.filter(Number.isFinite).length;
  const medianMs = median(valuesMs);
  if (n === 0 || !Number.isFinite(medianMs)) return undefined;
  const p95Ms = quantile(valuesMs, 0.95);
  return {
    medianMs,
    p95Ms: n < P95_TURNS || !Number.isFinite(p95Ms) ? undefined : p95Ms,
    n,
    met: targetMs === undefined ? undefined : medianMs < targetMs,
  };
}
