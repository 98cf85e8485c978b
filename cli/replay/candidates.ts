/** What a replay tries, and against what: the options that name variants and knobs, as patches. */
import { InputError } from '../../service/base/errors.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { patchFromSet } from '../../service/strategy/set.ts';
import type { CandidateSpec } from '../../replay/plan/lanes.ts';
import { namedVariants, patchesOf } from '../../replay/variants/variants.ts';

interface Tried {
  variant?: readonly string[];
  set?: readonly string[];
  baselineRef?: string;
  baselineVariant?: string;
  baselineSet?: readonly string[];
}

/** Each variant with all `--set` knobs; without a variant those knobs alone; against another commit this checkout as it is. */
export function candidatesOf({ variant = [], set = [], baselineRef }: Tried): CandidateSpec[] {
  const sets = set.map((each) => patchFromSet(each));
  if (variant.length === 0 && sets.length === 0 && baselineRef === undefined)
    throw new InputError(
      'nothing to try: name a --variant (npx retake variants), a --set knob=value, or a --baseline-ref to compare this checkout with',
    );
  if (variant.length === 0) return [{ variant: set.length === 0 ? 'this-checkout' : set.join(' '), patches: sets }];
  const known = namedVariants();
  return variant.map((name) => {
    const primary = known.find((each) => each.name === name)?.primary;
    return { variant: name, patches: [...patchesOf(name), ...sets], primary };
  });
}

/** Over the captured strategy. */
export function baselineOf({ baselineVariant, baselineSet = [] }: Tried): StrategyPatch[] {
  return [
    ...(baselineVariant === undefined ? [] : patchesOf(baselineVariant)),
    ...baselineSet.map((each) => patchFromSet(each, '--baseline-set')),
  ];
}
