/** The figures of an arm: a sample for each turn, and a row for each metric with its difference from the baseline. Pure. */
import { turnKey, type LedgerStage, LEDGER_STAGES } from '../../service/base/events.ts';
import type { FinishedTurn } from '../../service/turn/observe.ts';
import type { Verdict } from '../../replay/diff/verdict.ts';
import { clusteredMean, mean, type Interval } from '../../replay/statistics/estimates.ts';
import { roundToSum } from '../../replay/statistics/rounding.ts';
import { quantile } from '../../service/base/quantile.ts';
import { transcriptChange } from '../../replay/arms/work.ts';
import type { Report } from '../../replay/report/build.ts';
import { totalBets, type BetTotals } from '../../service/turn-log/bets.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { ledgerUs } from '../../replay/diff/ledger-rows.ts';
import type { Bench } from './bench.ts';
import { groupOf, METRICS, STAGE_METRICS, type MetricName } from './metrics.ts';

/** One turn of one arm: a line of `samples.jsonl`. */
export interface Sample {
  bench: string;
  arm: string;
  basis: Report['basis'];
  world: string;
  sessionId: string;
  turnIndex: number;
  /** `new`: the stage's first exchange set up its connection. Absent when the stage had no exchange. */
  connection?: 'new' | 'kept';
  /** The turn's group in the bench's grouping. */
  group?: string;
  values: Partial<Record<MetricName, number>>;
  failure?: string;
}

export interface MetricRow {
  metric: MetricName;
  n: number;
  median: number;
  /** Present for metrics that tables show by their mean. */
  mean?: number;
  /** Present from 72 turns on. */
  p95?: number;
  /** Paired difference from the baseline: mean and 95 % interval over sessions. Absent for the baseline itself. */
  difference?: Interval;
}

/** The latency of the bench's stage over one group of turns. */
export interface StageGroup {
  group: string;
  n: number;
  medianMs: number;
}

export interface ArmResult {
  arm: string;
  note?: string;
  rows: readonly MetricRow[];
  /** By connection: `new` ones were set up within the stage, `kept` ones before it. */
  connections?: readonly StageGroup[];
  /** By the bench's grouping. */
  groups?: readonly StageGroup[];
  /** Mean parts of the wait. */
  ledger?: readonly LedgerMean[];
  /** Hits and waste of speculative work. */
  bets?: readonly BetTotals[];
  /** Finished turns; `planned` counts all. */
  turns: number;
  planned: number;
  failed: number;
  firstFailure?: string;
  /** The experiment's verdict on the arm's own primary metric, and why. */
  verdict?: Verdict;
  reasons?: readonly string[];
}

export const BASELINE = 'baseline';
const P95_TURNS = 72;

export function sampleOf(bench: Bench, arm: string, turn: FinishedTurn, language: string): Sample {
  const { sessionId, turnIndex, world, failure } = turn.summary;
  const queued = turn.log.events.find(({ kind, stage }) => kind === 'http.queued' && stage === bench.stage);
  const values: Partial<Record<MetricName, number>> = {};
  for (const metric of bench.metrics) {
    const value = METRICS[metric].of(turn, language);
    if (value !== undefined) values[metric] = value;
  }
  return {
    bench: bench.name,
    arm,
    basis: world === 'live' ? 'measured' : 'predicted',
    world,
    sessionId,
    turnIndex,
    connection: queued && (queued.attrs?.['reused'] === true ? 'kept' : 'new'),
    group: bench.grouping && groupOf(bench.grouping, turn),
    values,
    failure: failure && `${failure.stage} ${failure.kind}: ${failure.message}`,
  };
}

/** Sums up an arm's samples. `all` holds those of the baseline as well. */
export function armResult(bench: Bench, arm: string, all: readonly Sample[], planned: number): ArmResult {
  const samples = all.filter((sample) => sample.arm === arm);
  const baseline = new Map(all.filter((sample) => sample.arm === BASELINE).map((sample) => [turnKey(sample), sample]));
  const rows = bench.metrics.flatMap((metric): MetricRow[] => {
    const values = valuesOf(samples, metric);
    if (values.length === 0) return [];
    return [
      {
        metric,
        n: values.length,
        median: quantile(values, 0.5),
        mean: 'shown' in METRICS[metric] ? mean(values) : undefined,
        p95: values.length < P95_TURNS ? undefined : quantile(values, 0.95),
        difference: arm === BASELINE ? undefined : differenceOf(samples, baseline, metric),
      },
    ];
  });
  const failures = samples.flatMap(({ failure }) => failure ?? []);
  const groupsBy = (key: 'connection' | 'group'): StageGroup[] =>
    [...new Set(samples.flatMap((sample) => sample[key] ?? []))].flatMap((group) => {
      const values = valuesOf(
        samples.filter((sample) => sample[key] === group),
        STAGE_METRICS[bench.stage],
      );
      return values.length === 0 ? [] : [{ group, n: values.length, medianMs: quantile(values, 0.5) }];
    });
  const connections = groupsBy('connection').sort((a, b) => b.group.localeCompare(a.group));
  const groups = groupsBy('group').sort((a, b) => groupOrder(a.group) - groupOrder(b.group));
  return {
    arm,
    rows,
    connections: connections.length === 0 ? undefined : connections,
    groups: groups.length === 0 ? undefined : groups,
    turns: samples.length,
    planned,
    failed: failures.length,
    firstFailure: failures[0],
  };
}

/** Adds the share of words that differ from the baseline's transcript, where both turns have one. */
export function withTranscriptChange(baseline: FinishedTurn | undefined, turn: FinishedTurn): FinishedTurn {
  if (baseline === undefined || baseline.summary.failure !== undefined || turn.summary.failure !== undefined)
    return turn;
  const share = transcriptChange(baseline.transcript, turn.transcript);
  return share === undefined ? turn : { ...turn, summary: { ...turn.summary, transcriptChange: share } };
}

/** Groups are named by their limits: "below 5 s" comes first, then by the number. */
function groupOrder(group: string): number {
  return group.startsWith('below') ? 0 : group.endsWith('more') ? Infinity : Number.parseFloat(group);
}

/** Paired by turn, clustered by session (docs/statistics.md#the-difference-and-its-interval). */
function differenceOf(
  samples: readonly Sample[],
  baseline: ReadonlyMap<string, Sample>,
  metric: MetricName,
): Interval | undefined {
  const bySession = new Map<string, number[]>();
  for (const sample of samples) {
    const value = sample.values[metric];
    const before = baseline.get(turnKey(sample))?.values[metric];
    if (value === undefined || before === undefined) continue;
    bySession.set(sample.sessionId, [...(bySession.get(sample.sessionId) ?? []), value - before]);
  }
  return bySession.size === 0 ? undefined : clusteredMean([...bySession.values()]);
}

function valuesOf(samples: readonly Sample[], metric: MetricName): number[] {
  return samples.flatMap(({ values }) => values[metric] ?? []);
}

/** Assumed value of 100 ms in the break-even rate of a bet (docs/metrics.md#bets). */
const WORTH_USD_PER_100_MS = 0.001;

export interface LedgerMean {
  stage: LedgerStage;
  /** Mean contribution to the wait, over the turns that were heard. */
  meanMs: number;
}

/** In the order of the pipeline, without stages that no turn waited for. Σ meanMs is the mean first audible. */
export function meanLedger(turns: readonly TurnSummary[]): LedgerMean[] {
  const heard = turns.filter(({ e2eUs }) => e2eUs !== undefined);
  const waited = new Set(heard.flatMap(({ ledger }) => ledger.map(({ stage }) => stage)));
  return LEDGER_STAGES.filter((stage) => waited.has(stage)).map((stage) => ({
    stage,
    meanMs: mean(heard.map((turn) => ledgerUs(turn, { stage }))) / 1000,
  }));
}

/** Totals of the bets; empty for an arm without bets. */
export function betTotals(turns: readonly TurnSummary[]): BetTotals[] {
  return totalBets(
    turns.map(({ bets = [] }) => bets),
    WORTH_USD_PER_100_MS,
  );
}

/** `endpointing 500.0 + stt 740.2 + … = 2990.3`, rounded so that it adds up. */
export function ledgerText(ledger: readonly LedgerMean[]): string {
  const rounded = roundToSum(
    ledger.map(({ meanMs }) => meanMs),
    1,
  );
  const total = ledger.reduce((sum, { meanMs }) => sum + meanMs, 0);
  return `${ledger.map(({ stage }, index) => `${stage} ${(rounded[index] ?? 0).toFixed(1)}`).join(' + ')} = ${total.toFixed(1)}`;
}

export function betText(bet: BetTotals): string {
  const { attempts, turns, hits, misses, refused } = bet;
  const money =
    bet.wastedUsd === undefined ? '' : `, $${bet.wastedUsd.toFixed(6)}${bet.estimated ? ' (estimated)' : ''}`;
  return `${attempts} attempts in ${turns} turns, ${hits} hits, ${misses} misses, ${refused} refused; wasted ${bet.wastedTokens} tokens, ${bet.wastedChars} characters${money}`;
}
