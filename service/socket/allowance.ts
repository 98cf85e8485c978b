/** An allowance that time refills: so many at once, so many a second in the long run. Pure. */

export interface AllowanceLimits {
  atOnce: number;
  perSecond: number;
}

/** What was left at a time. */
export interface Allowance {
  readonly left: number;
  readonly atUs: number;
}

export function fullAllowance({ atOnce }: AllowanceLimits): Allowance {
  return { left: atOnce, atUs: 0 };
}

/** After so many more were used; undefined where fewer are left. Time that runs backwards refills nothing. */
export function useSome(
  { left, atUs }: Allowance,
  wanted: number,
  nowUs: number,
  limits: AllowanceLimits,
): Allowance | undefined {
  const refill = (Math.max(0, nowUs - atUs) / 1e6) * limits.perSecond;
  const rest = Math.min(limits.atOnce, left + refill) - wanted;
  return rest < 0 ? undefined : { left: rest, atUs: Math.max(atUs, nowUs) };
}
