/** What a bench is: a table of arms, what is measured of them, and by what turns are told apart. */
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import type { Grouping, MetricName, STAGE_METRICS } from './metrics.ts';
import type { BenchSpeech } from './sessions.ts';

/** In the order in which they run. */
export const BENCH_NAMES = ['stt', 'llm', 'tts', 'e2e', 'parallel'] as const;
export type BenchName = (typeof BENCH_NAMES)[number];
/** What `retake bench` may be asked for. */
export const BENCH_CHOICES = [...BENCH_NAMES, 'all'] as const;
export type BenchChoice = (typeof BENCH_CHOICES)[number];

export interface BenchArm {
  name: string;
  /** Named variants, patches, or both; later ones win. */
  patches: readonly (string | StrategyPatch)[];
  /** What a reader must know of this arm's figures. */
  note?: string;
}

/** An arm for each named variant by itself. */
export function variants(...names: readonly string[]): BenchArm[] {
  return names.map((name) => ({ name, patches: [name] }));
}

export interface Bench {
  name: BenchName;
  title: string;
  /** What limits the figures: printed under the table. */
  limits: string;
  metrics: readonly MetricName[];
  /** The metric whose connections are told apart: new ones were set up within the stage. */
  stage: keyof typeof STAGE_METRICS;
  /** What else the stage's latency is told apart by. */
  grouping?: Grouping;
  speech?: BenchSpeech;
  /** Each over today's strategy, which is the baseline. */
  arms: readonly BenchArm[];
}
