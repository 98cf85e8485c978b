/** The lanes of an experiment, the words of each lane, and which lanes are compared. Pure. */
import type { World } from '../../service/base/events.ts';
import { touches } from '../../service/strategy/knobs.ts';
import { InputError } from '../../service/base/errors.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { Checkout } from '../arms/checkout.ts';
import type { PlannedLane } from '../arms/planned.ts';
import type { PrimaryMetric } from '../diff/diff.ts';
import type { Words } from '../arms/words.ts';

export interface CandidateSpec {
  variant: string;
  /** Over the captured strategy. None: only the commit differs. */
  patches: readonly StrategyPatch[];
  primary?: PrimaryMetric;
}

export interface ReplayLane extends PlannedLane {
  /** The strategy of the lane, from the session's captured one. */
  strategyOf(captured: Strategy): Strategy;
  /** Names commit and variant. */
  arm: string;
  words: Words;
}

/** Of an experiment's options, what decides its lanes. */
export interface LaneOptions {
  candidates: readonly CandidateSpec[];
  /** Patches that replace the captured strategy as baseline. */
  baseline: readonly StrategyPatch[];
  /** The baseline's code; by default the code of `commit`. */
  baselineCheckout?: Checkout;
  world: World;
  /** Of the clone whose code the arms run. */
  commit: string;
  /** Of every lane. By default the knobs that a candidate changes decide. */
  words?: Words;
}

/** Ends the names of lanes on the captured words, where other lanes work on their own. */
export const ON_CAPTURED_WORDS = ' (captured words)';

/** Two lanes on the same kind of words. */
export interface LanePair {
  baseline: ReplayLane;
  candidate: ReplayLane;
}

/** The lanes that a candidate's report compares. */
export interface Comparison extends LanePair {
  spec: CandidateSpec;
  baseline2: ReplayLane;
  /** A candidate that is judged on its own words is shown on the captured ones too. */
  onSameWords?: LanePair;
}

export interface Lanes {
  lanes: readonly ReplayLane[];
  comparisons: readonly Comparison[];
  /** Of the lanes whose names say nothing else. */
  words: Words;
}

/**
 * A candidate that can change words is judged on own words, any other on the captured ones; the first kind is shown on the
 * captured words beside. Stand-ins in virtual time say the captured words in any case, so in `sim`, and where `words` is
 * given, there is one kind. Throws `InputError` when two lanes have one name.
 */
export function lanesOf(options: LaneOptions): Lanes {
  const { candidates, baseline } = options;
  const names = candidates.map(({ variant }) => variant);
  const twice = names.find((name, index) => names.indexOf(name) !== index || name === 'baseline');
  if (twice !== undefined) throw new InputError(`two lanes cannot both be called "${twice}"; name each candidate once`);
  const changing = new Set(
    candidates.filter(({ patches }) => [...baseline, ...patches].some((patch) => touches(patch, 'words'))),
  );
  const words = options.words ?? (changing.size > 0 ? 'own' : 'same');
  if (words === 'same' || options.words !== undefined || options.world === 'sim') {
    const { lanes, pairs } = laneGroup(options, words, candidates, { suffix: '', twice: true });
    return { words, lanes, comparisons: comparisonsOf(candidates, pairs) };
  }
  const judgedOnSame = candidates.filter((spec) => !changing.has(spec));
  const own = laneGroup(options, 'own', [...changing], { suffix: '', twice: true });
  const same = laneGroup(options, 'same', candidates, {
    suffix: ON_CAPTURED_WORDS,
    twice: judgedOnSame.length > 0,
  });
  const judged = comparisonsOf([...changing], own.pairs).map((each): Comparison => {
    const beside = same.pairs.get(each.spec);
    return beside === undefined ? each : { ...each, onSameWords: beside };
  });
  const comparisons = [...judged, ...comparisonsOf(judgedOnSame, same.pairs)];
  return {
    words,
    lanes: [...own.lanes, ...same.lanes],
    // one report a candidate, in the order in which they were named
    comparisons: comparisons.sort((a, b) => candidates.indexOf(a.spec) - candidates.indexOf(b.spec)),
  };
}

interface LaneGroup {
  lanes: ReplayLane[];
  pairs: Map<CandidateSpec, LanePair & { baseline2?: ReplayLane }>;
}

/** Baseline and candidates on one kind of words; `twice` with the second baseline, which a verdict needs. */
function laneGroup(
  { baseline, commit, baselineCheckout }: LaneOptions,
  words: Words,
  candidates: readonly CandidateSpec[],
  { suffix, twice }: { suffix: string; twice: boolean },
): LaneGroup {
  const lane = (
    name: ReplayLane['lane'],
    variant: string,
    patches: readonly StrategyPatch[],
    ofCommit: string,
  ): ReplayLane => ({
    lane: name,
    variant: `${variant}${suffix}`,
    words,
    // the arm is in the key of independent draws: baseline2 has a name of its own
    arm: `${ofCommit.slice(0, 12)} ${name === 'candidate' ? variant : name}${suffix}`,
    strategyOf: (captured) => resolveStrategy(patches, variant, captured),
  });
  const baselineCommit = baselineCheckout?.commit ?? commit;
  const first = lane('baseline', 'baseline', baseline, baselineCommit);
  const second = twice ? lane('baseline2', 'baseline', baseline, baselineCommit) : undefined;
  const pairs = new Map(
    candidates.map((spec) => {
      const candidate = lane('candidate', spec.variant, spec.patches, commit);
      return [spec, { baseline: first, candidate, baseline2: second }];
    }),
  );
  const others = [...pairs.values()].map(({ candidate }) => candidate);
  return { lanes: [first, ...(second === undefined ? [] : [second]), ...others], pairs };
}

function comparisonsOf(candidates: readonly CandidateSpec[], pairs: LaneGroup['pairs']): Comparison[] {
  return candidates.flatMap((spec) => {
    const pair = pairs.get(spec);
    return pair?.baseline2 === undefined ? [] : [{ ...pair, spec, baseline2: pair.baseline2 }];
  });
}

/** The lane of a planned turn. Throws `InputError` when there is none. */
export function laneOf(lanes: readonly ReplayLane[], { lane, variant }: PlannedLane): ReplayLane {
  const found = lanes.find((each) => each.lane === lane && each.variant === variant);
  if (found === undefined) throw new InputError(`no lane ${lane} ${variant}`);
  return found;
}
