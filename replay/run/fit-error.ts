/** How far a kind's fit is off: what it makes of exchanges that it has not seen (docs/virtual-time.md#weak-fits). Pure. */
import type { CallStage } from '../../service/base/events.ts';
import { median } from '../../service/base/quantile.ts';
import { spread } from '../../sim/times/empirical.ts';
import { answerUs, fitTo, ordinalOf, uploadUs, type FittedKind } from '../../sim/times/fit.ts';
import { exchangeKind, type Observation } from '../../sim/times/observed.ts';
import { growthUs } from '../../sim/times/profile-plan.ts';
import { medianOf, type Profile } from '../../sim/times/profile.ts';
import { shownSlope } from '../../sim/times/slope.ts';

/** Exchanges of a kind that are left out, one after the other. Each is predicted from the others of them. */
const LEFT_OUT = 50;
/** Logarithms need a time: less than this counts as this. */
const LEAST_US = 1000;
/** A fit whose level has a larger standard error is weak: of 10 exchanges, with a left-out error above 52 %. */
export const WEAK_LEVEL_ERROR = 0.15;

/** Of one kind that is fitted. */
export interface FitError {
  kind: string;
  stage: CallStage;
  n: number;
  /** How far a left-out exchange is from its prediction: 113 is a factor of 2.13, up or down. */
  leftOutPct: number;
  /** Standard error of the logarithm of the kind's level: by so much all its times may be off together. */
  levelError: number;
  isWeak: boolean;
}

/**
 * Of each kind with exchanges enough to be fitted. d = ln(time) − ln(prediction from the others), for each exchange that is left out;
 * r² = Σd²/k over the k of them (PRESS: D. M. Allen, "The relationship between variable selection and data augmentation and a method for
 * prediction", 1974). `leftOutPct` = 100·(e^r − 1). `levelError` = r/√n · √((n−1)/(n−3)): the standard deviation of a mean's posterior,
 * a t distribution with n − 1 degrees (A. Gelman et al., "Bayesian Data Analysis", §3.2), from which refits draw as D. B. Rubin's imputations
 * do ("Multiple Imputation for Nonresponse in Surveys", 1987).
 */
export function fitErrors(observations: readonly Observation[], profile: Profile): FitError[] {
  const fit = fitTo(observations, profile);
  return [...Map.groupBy(observations, exchangeKind)].flatMap(([kind, all]) => {
    const [fitted, stage] = [fit.kind(kind), all[0]?.operation];
    return fitted === undefined || stage === undefined ? [] : [{ kind, stage, ...errorOf(all, fitted, profile) }];
  });
}

function errorOf(all: readonly Observation[], fitted: FittedKind, profile: Profile): Omit<FitError, 'kind' | 'stage'> {
  const usPerKb = 1000 * medianOf(profile.network.sendMsPerKb);
  const timeUs = (each: Observation): number => answerUs(each.plan) - uploadUs(each, usPerKb);
  const some = spread(all, LEFT_OUT);
  const pools = new Map<number, readonly Observation[]>();
  const poolOf = (ordinal: number): readonly Observation[] => {
    const pool = pools.get(ordinal) ?? spread(fitted.like(ordinal), LEFT_OUT);
    pools.set(ordinal, pool);
    return pool;
  };
  const squares = some.map((out) => {
    const others = some.filter((each) => each !== out);
    const slopeUs = shownSlope(others.map((each) => [each.size, timeUs(each)])) ?? growthUs(profile, out);
    const levelUs = median(
      poolOf(ordinalOf(out)).flatMap((each) => (each === out ? [] : [timeUs(each) - slopeUs * each.size])),
    );
    return Math.log(Math.max(LEAST_US, timeUs(out)) / Math.max(LEAST_US, levelUs + slopeUs * out.size)) ** 2;
  });
  const n = all.length;
  const typical = Math.sqrt(squares.reduce((sum, each) => sum + each, 0) / some.length);
  const levelError = (typical / Math.sqrt(n)) * Math.sqrt((n - 1) / (n - 3));
  return { n, leftOutPct: 100 * Math.expm1(typical), levelError, isWeak: levelError > WEAK_LEVEL_ERROR };
}

/** Of a hostile capture with many models so many lines are shown. */
const SHOWN = 5;

/** What a reader must know of weak fits, and what to do about them; `settledIn` is the world in which a replay measures what the fit guesses. */
export function weakFitNotes(errors: readonly FitError[], settledIn: string): string[] {
  const weak = errors.filter(({ isWeak }) => isWeak);
  return [
    ...weak
      .slice(0, SHOWN)
      .map(
        ({ kind, n, leftOutPct }) =>
          `${kind.replace(' ', '.')} is fitted to ${n} exchanges, left-out error ${leftOutPct.toFixed(0)} %: capture more, or replay it in ${settledIn}`,
      ),
    ...(weak.length > SHOWN ? [`${weak.length - SHOWN} more kinds are fitted as weakly`] : []),
  ];
}
