/** The parts of a bench: its arms, its metrics, and the groups of its turns. */
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import type { Grouping, MetricName, STAGE_METRICS } from './metrics.ts';
import type { BenchSpeech } from './sessions.ts';

/** In the order in which they run. */
export const BENCH_NAMES = ['stt', 'llm', 'tts', 'e2e', 'parallel'] as const;
export type BenchName = (typeof BENCH_NAMES)[number];
/** The words that `retake bench` takes. */
export const BENCH_CHOICES = [...BENCH_NAMES, 'all'] as const;
export type BenchChoice = (typeof BENCH_CHOICES)[number];

export interface BenchArm {
  name: string;
  /** Named variants, patches, or both; later ones win. */
  patches: readonly (string | StrategyPatch)[];
  /** A caution for the reader of this arm's figures. */
  note?: string;
}

/** An arm for each named variant by itself. */
export function variants(...names: readonly string[]): BenchArm[] {
  return names.map((name) => ({ name, patches: [name] }));
}

export interface Bench {
  name: BenchName;
  title: string;
  /** Limits of the figures, printed under the table. */
  limits: string;
  metrics: readonly MetricName[];
  /** The stage whose latency is shown by new and by kept connections. */
  stage: keyof typeof STAGE_METRICS;
  /** Further groups of the stage's latency. */
  grouping?: Grouping;
  speech?: BenchSpeech;
  /** Each patches today's strategy, the baseline. */
  arms: readonly BenchArm[];
}
