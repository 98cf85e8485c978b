/** The targets of the field, today → target, and what a lane measured. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { TARGET_MS } from '../../service/turn-log/targets.ts';
import { median, quantile } from '../../service/base/quantile.ts';

export interface TargetRow {
  name: string;
  todayMs?: number;
  targetMs?: number;
  a?: Measured;
  b?: Measured;
}

export interface Measured {
  medianMs: number;
  /** Only where n allows. */
  p95Ms?: number;
  n: number;
  /** Median below target; absent where there is no target. */
  met?: boolean;
}

const P95_TURNS = 72;

interface Target {
  name: string;
  todayMs?: number;
  targetMs?: number;
  us: (turn: TurnSummary) => number | undefined;
}

const sum = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce<number | undefined>(
    (total, value) => (total === undefined || value === undefined ? undefined : total + value),
    0,
  );

/** Today's figures are means from the field; 2500 is quoted from another set-up (docs/metrics.md#targets). */
const TARGETS: readonly Target[] = [
  { name: 'STT', todayMs: 800, targetMs: TARGET_MS.stt, us: ({ serviceUs }) => serviceUs.stt },
  { name: 'LLM time to first token', todayMs: 1500, targetMs: TARGET_MS.llm, us: ({ serviceUs }) => serviceUs.llm },
  { name: 'TTS time to first byte', todayMs: 500, targetMs: TARGET_MS.tts, us: ({ serviceUs }) => serviceUs.tts },
  {
    name: 'seed-comparable total',
    todayMs: 2800,
    targetMs: TARGET_MS.total,
    us: ({ serviceUs }) => sum([serviceUs.stt, serviceUs.llm, serviceUs.tts]),
  },
  { name: 'first audio byte', todayMs: 2500, targetMs: TARGET_MS.firstAudioByte, us: (turn) => turn.firstAudioByteUs },
  { name: 'first audible (from speech end)', us: (turn) => turn.e2eUs },
  { name: 'first content audible', us: (turn) => turn.firstContentAudibleUs },
];

export function targetRows(a: readonly TurnSummary[], b: readonly TurnSummary[]): TargetRow[] {
  return TARGETS.map(({ name, todayMs, targetMs, us }) => {
    const left = measured(a, us, targetMs);
    const right = measured(b, us, targetMs);
    return {
      name,
      ...(todayMs === undefined ? {} : { todayMs }),
      ...(targetMs === undefined ? {} : { targetMs }),
      ...(left === undefined ? {} : { a: left }),
      ...(right === undefined ? {} : { b: right }),
    };
  });
}

/** A turn that could not be measured misses every target: it counts as longer than any. */
function measured(turns: readonly TurnSummary[], us: Target['us'], targetMs: number | undefined): Measured | undefined {
  const valuesMs = turns.map((turn) => (us(turn) ?? Infinity) / 1000);
  const n = valuesMs.filter(Number.isFinite).length;
  const medianMs = median(valuesMs);
  if (n === 0 || !Number.isFinite(medianMs)) return undefined;
  const p95Ms = quantile(valuesMs, 0.95);
  return {
    medianMs,
    ...(n < P95_TURNS || !Number.isFinite(p95Ms) ? {} : { p95Ms }),
    n,
    ...(targetMs === undefined ? {} : { met: medianMs < targetMs }),
  };
}
