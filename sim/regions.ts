/** Endpoints elsewhere, as the profile has them: the same stand-ins at the end of another way. */
import type { Endpoints } from '../service/net/regions.ts';
import type { PlannerOptions } from './plan.ts';
import { quantile, type Figure, type Profile } from './profile.ts';

/** What each region has of its own; queue and storage stay with the default endpoints. */
export type SimRegions = Record<string, Pick<Endpoints, 'falRunUrl' | 'openRouterUrl'>>;

/** The regions of a profile, with origins that only `sim` knows. */
export function simRegions({ regions = {} }: Profile): SimRegions {
  return Object.fromEntries(
    Object.keys(regions).map((name) => [
      name,
      { falRunUrl: `https://${name}.fal.run`, openRouterUrl: `https://${name}.openrouter.ai/api/v1` },
    ]),
  );
}

/**
 * How the region's stand-ins are planned: TCP and TLS set-up and the round trip in each wait take its factor, captured
 * ones too. Names, uploads and the provider's own time do not depend on the way's length.
 */
export function regionalPlanning(planning: PlannerOptions, region: string): PlannerOptions {
  const { profile, captured } = planning;
  const figures = profile.regions?.[region];
  const factor = figures === undefined ? 1 : quantile(figures.roundTrips, 0.5);
  const { connectMs, tlsMs, roundTripMs } = profile.network;
  const scaled = ({ source, quantiles }: Figure): Figure => ({
    source,
    quantiles: quantiles.map(([p, value]) => [p, value * factor]),
  });
  const network = { connectMs: scaled(connectMs), tlsMs: scaled(tlsMs), roundTripMs: scaled(roundTripMs) };
  const there = { ...planning, profile: { ...profile, network: { ...profile.network, ...network } } };
  if (captured === undefined) return there;
  const moreUs = Math.round(1000 * (factor - 1) * quantile(roundTripMs, 0.5));
  return {
    ...there,
    captured: (...request) => {
      const plan = captured(...request);
      if (plan === undefined) return undefined;
      const { connect, tls } = plan.networkUs;
      const networkUs = {
        ...plan.networkUs,
        ...(connect === undefined ? {} : { connect: Math.round(connect * factor) }),
        ...(tls === undefined ? {} : { tls: Math.round(tls * factor) }),
      };
      return { ...plan, networkUs, waitUs: Math.max(0, plan.waitUs + moreUs) };
    },
  };
}
