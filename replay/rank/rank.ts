/** Ranks simulated strategies, combines them, and attributes the joint gain. Pure. */
import { differingKnobs, knobsWith } from '../../service/strategy/knobs.ts';
import { InputError } from '../../service/base/errors.ts';
import { turnKey } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { strategyDiff, type Strategy } from '../../service/strategy/strategy.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import type { PrimaryMetric } from '../diff/diff.ts';
import type { DiffRow } from '../diff/diff-rows.ts';
import { cannotAct, type SetUp } from '../plan/acts-where.ts';
import type { Experiment } from '../run/experiment.ts';
import { basisShares, type BasisShares } from '../run/basis.ts';
import type { Guard } from '../diff/guards.ts';
import type { Verdict } from '../diff/verdict.ts';
import type { Report } from '../report/build.ts';
import { summariesOf } from '../run/schedule.ts';
import { shapley, type Attribution } from './shapley.ts';
import { quantile } from '../../service/base/quantile.ts';
import { COMBINED_BY } from '../variants/variants.ts';

const CPU_ONLY: ReadonlySet<string> = new Set(knobsWith('cpu'));

/** With a larger error the simulation does not reproduce its own capture, and no prediction is shown as a result. */
export const IDENTITY_LIMIT = { medianPct: 0.5, p95Pct: 2 } as const;

export interface RankedVariant {
  name: string;
  patch: StrategyPatch;
  risk: string;
  /** What a replay judges the variant by; first audible by default. The ranking compares all by first audible. */
  primary?: PrimaryMetric;
}

export interface Sorted {
  judged: readonly RankedVariant[];
  /** Left out, and why. */
  left: readonly { name: string; why: string }[];
}

/** What a ranking knows beside variants and baseline. */
export interface Setting {
  /** Of the captured service. Absent where every variant can act. */
  setUp?: SetUp;
  /** The command that shows what a simulation cannot. */
  replayOf?(name: string): string;
}

/** Sorts variants by whether they can act here, and whether a simulation can judge them against this baseline. */
export function judgeable(
  variants: readonly RankedVariant[],
  baseline: Strategy,
  { setUp, replayOf = (name) => `npx retake replay --variant ${name} --world live` }: Setting = {},
): Sorted {
  const judged: RankedVariant[] = [];
  const left: { name: string; why: string }[] = [];
  for (const variant of variants) {
    let strategy: Strategy;
    try {
      strategy = resolveStrategy([variant.patch], variant.name, baseline);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      left.push({ name: variant.name, why: error.message });
      continue;
    }
    const changed = strategyDiff(baseline, strategy).map(([knob]) => knob);
    const unseen = differingKnobs(baseline, strategy, 'unseen');
    const inactive = setUp && cannotAct(baseline, strategy, setUp);
    const leave = (why: string): void => void left.push({ name: variant.name, why });
    if (changed.length === 0) leave('is the baseline');
    else if (inactive !== undefined) leave(inactive);
    else if (changed.every((knob) => CPU_ONLY.has(knob)))
      leave(`changes only our CPU time (${changed.join(', ')}): measure it in wire`);
    else if (changed.every((knob) => unseen.some((path) => knob === path || knob.startsWith(`${path}.`))))
      leave(`changes only what no capture shows (${unseen.join(', ')}); a replay would: ${replayOf(variant.name)}`);
    else judged.push(variant);
  }
  return { judged, left };
}

/** Whether variants change different knobs, and the strategy allows every combination of them. */
export function compatible(variants: readonly RankedVariant[], baseline: Strategy): boolean {
  const knobs = variants.flatMap(({ patch, name }) =>
    strategyDiff(baseline, resolveStrategy([patch], name, baseline)).map(([knob]) => knob),
  );
  if (new Set(knobs).size < knobs.length) return false;
  return subsetsOf(variants).every((set) => {
    try {
      resolveStrategy(
        set.map(({ patch }) => patch),
        combinationName(set.map(({ name }) => name)),
        baseline,
      );
      return true;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return false;
    }
  });
}

/** All sets but the empty one. The `n`th set holds the items whose bits are set in n + 1. */
export function subsetsOf<T>(items: readonly T[]): T[][] {
  return Array.from({ length: (1 << items.length) - 1 }, (_, index) =>
    items.filter((_item, at) => ((index + 1) & (1 << at)) !== 0),
  );
}

export interface IdentityError {
  turns: number;
  medianPct: number;
  p95Pct: number;
  within: boolean;
}

/** The captured strategy, simulated: |replayed − captured| of end to end in % of the captured one, turn by turn. */
export function identityError(captured: readonly TurnSummary[], baseline: readonly TurnSummary[]): IdentityError {
  const then = new Map(captured.map((turn) => [turnKey(turn), turn.e2eUs]));
  const errors = baseline.flatMap((turn) => {
    const before = then.get(turnKey(turn));
    return before === undefined || turn.e2eUs === undefined ? [] : [(100 * Math.abs(turn.e2eUs - before)) / before];
  });
  if (errors.length === 0)
    throw new InputError(
      'no captured turn has a measured end to end that was also simulated: nothing shows whether the simulation holds here; capture sessions with this Retake',
    );
  const [medianPct, p95Pct] = [quantile(errors, 0.5), quantile(errors, 0.95)];
  const within = medianPct <= IDENTITY_LIMIT.medianPct && p95Pct <= IDENTITY_LIMIT.p95Pct;
  return { turns: errors.length, medianPct, p95Pct, within };
}

export interface Ranked {
  name: string;
  /** Of end to end. */
  primary: DiffRow;
  /** The simulation's word on it, which no replay has confirmed. */
  verdict: Verdict;
  /** What it asks of the world that the capture has not shown. */
  asks: readonly string[];
  /** Of `primary`; only those that are proposed have their model's uncertainty in the interval. */
  model?: Report['validity']['model'];
  /** USD a turn more than the baseline; absent where a lane has no price. */
  usdPerTurn?: number;
  /** Characters sent to TTS a turn, more than the baseline. */
  charactersPerTurn: number;
  /** Where the simulated exchanges' times came from, by share. */
  sources: BasisShares;
  risk: string;
  /** Guards that the candidate breaks in the simulation: what it gains is bought with them, unless they are predicted to break only. */
  broken: readonly Guard[];
}

/** Gains and breaks no guard, but for guards on figures of the model: worth combining, and worth a live replay, which tests those. */
export const isGain = ({ primary, broken }: Ranked): boolean => primary.deltaMs < 0 && broken.every(isPredicted);
export const breaks = ({ primary, broken }: Ranked): boolean => primary.deltaMs < 0 && !broken.every(isPredicted);

const isPredicted = ({ predicted }: Guard): boolean => predicted === true;

/** By gain, then cost, then name. Variants that gain by breaking a guard come last. */
export function inRank(a: Ranked, b: Ranked): number {
  return (
    Number(breaks(a)) - Number(breaks(b)) ||
    a.primary.deltaMs - b.primary.deltaMs ||
    (a.usdPerTurn ?? Infinity) - (b.usdPerTurn ?? Infinity) ||
    (a.name < b.name ? -1 : 1)
  );
}

/** Candidates of a simulated experiment, in rank. */
export function rankCandidates(experiment: Experiment, risks: ReadonlyMap<string, string>): Ranked[] {
  const baseline = summariesOf(experiment.replayed, 'baseline', 'baseline');
  const ranked = [...risks].flatMap(([name, risk]): Ranked[] => {
    const turns = summariesOf(experiment.replayed, 'candidate', name);
    const report = experiment.reports.find(({ variant }) => variant === name)?.report;
    if (report?.endToEnd === undefined) return [];
    const [usdA, usdB] = [perTurn(baseline, 'costUsd'), perTurn(turns, 'costUsd')];
    return [
      {
        name,
        primary: report.endToEnd,
        verdict: report.verdict,
        asks: report.asks ?? [],
        model: report.validity.model,
        usdPerTurn: usdA === undefined || usdB === undefined ? undefined : usdB - usdA,
        charactersPerTurn: (perTurn(turns, 'characters') ?? 0) - (perTurn(baseline, 'characters') ?? 0),
        sources: basisShares(experiment.replayed, 'candidate', name),
        risk,
        broken: report.guards.filter(({ state }) => state === 'broken'),
      },
    ];
  });
  return ranked.sort(inRank);
}

export function perTurn(turns: readonly TurnSummary[], field: 'costUsd' | 'characters'): number | undefined {
  const values = turns.flatMap((turn) => turn[field] ?? []);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Names the lane in which exactly these variants are on. `replay --variant` takes the name. */
export function combinationName(names: readonly string[]): string {
  return names.join(COMBINED_BY);
}

/** Shapley values of end to end over 2^n simulated lanes, in µs summed over the turns that every lane measured. */
export function attribute(
  experiment: Experiment,
  names: readonly string[],
): { attribution: Attribution; turns: number } | undefined {
  const lanes = Array.from({ length: 1 << names.length }, (_, set) => {
    const on = names.filter((_name, index) => (set & (1 << index)) !== 0);
    return set === 0
      ? summariesOf(experiment.replayed, 'baseline', 'baseline')
      : summariesOf(experiment.replayed, 'candidate', combinationName(on));
  });
  const keyed = lanes.map((lane) => new Map(lane.map((turn) => [turnKey(turn), turn.e2eUs])));
  const shared = [...(keyed[0]?.keys() ?? [])].filter((key) => keyed.every((lane) => lane.get(key) !== undefined));
  if (shared.length === 0) return undefined;
  const totalUs = (set: number): number => shared.reduce((sum, key) => sum + (keyed[set]?.get(key) ?? 0), 0);
  return { attribution: shapley(names.length, totalUs), turns: shared.length };
}
