/** The basis of simulated times: captured exchanges, a model fitted to them, or a profile. Read from the traces. */
import type { Lane } from '../../service/base/events.ts';
import { TIMES_BASES, type TimesBasis } from '../../service/base/ports.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import type { ReplayedTurn } from '../arms/replayed-turn.ts';

export type BasisShares = Readonly<Partial<Record<TimesBasis, number>>>;

const BASIS = new RegExp(
  `"key":"${ATTRIBUTES.httpBasis.key.replaceAll('.', '\\.')}","value":\\{"stringValue":"(\\w+)"`,
  'g',
);

const MODELLED_SET_UP = new RegExp(
  `"key":"${ATTRIBUTES.httpSetUpBasis.key.replaceAll('.', '\\.')}","value":\\{"stringValue":"(?:fitted|profile)"`,
);

/** Whether a lane opened a connection whose set-up took other than captured time. */
export function hasModelledSetUp(replayed: readonly ReplayedTurn[], lane: Lane, variant: string): boolean {
  return replayed.some(
    ({ planned, otlp }) => planned.lane === lane && planned.variant === variant && MODELLED_SET_UP.test(otlp),
  );
}

/** Shares of a lane's exchanges; they add up to 1. Empty for a lane that was not simulated. */
export function basisShares(replayed: readonly ReplayedTurn[], lane: Lane, variant: string): BasisShares {
  const found = replayed
    .filter(({ planned }) => planned.lane === lane && planned.variant === variant)
    .flatMap(({ otlp }) => [...otlp.matchAll(BASIS)].map(([, basis]) => basis));
  return Object.fromEntries(
    TIMES_BASES.flatMap((basis) => {
      const count = found.filter((each) => each === basis).length;
      return count === 0 ? [] : [[basis, count / found.length]];
    }),
  );
}

/** Attributes of one span; none of those between the two holds a bracket. */
const FITTED_STAGE = new RegExp(
  `"key":"${ATTRIBUTES.httpBasis.key.replaceAll('.', '\\.')}","value":\\{"stringValue":"fitted"\\}[^\\]]*?"key":"${ATTRIBUTES.stage.key.replaceAll('.', '\\.')}","value":\\{"stringValue":"(\\w+)"`,
  'g',
);

/** Stages with a fitted exchange in one of these lanes. */
export function fittedStages(
  replayed: readonly ReplayedTurn[],
  lanes: readonly { lane: Lane; variant: string }[],
): ReadonlySet<string> {
  const found = replayed.filter(({ planned }) =>
    lanes.some(({ lane, variant }) => planned.lane === lane && planned.variant === variant),
  );
  return new Set(found.flatMap(({ otlp }) => [...otlp.matchAll(FITTED_STAGE)].flatMap(([, stage]) => stage ?? [])));
}

/** Whether all times of a simulated lane were captured. */
export function isCaptured(replayed: readonly ReplayedTurn[], lane: Lane, variant: string): boolean {
  const { fitted, profile } = basisShares(replayed, lane, variant);
  return fitted === undefined && profile === undefined && !hasModelledSetUp(replayed, lane, variant);
}

/** `80 % captured, 20 % fitted`. */
export function basisText(shares: BasisShares): string {
  return TIMES_BASES.flatMap((basis) => {
    const share = shares[basis];
    return share === undefined ? [] : [`${Math.round(100 * share)} % ${basis}`];
  }).join(', ');
}
