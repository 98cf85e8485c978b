/** Endpoints elsewhere, as the profile has them: the same stand-ins at the end of another way. */
import type { Endpoints } from '../service/net/regions.ts';
import type { NetworkPlan, PlannerOptions, ReplayedPlan } from './plan.ts';
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
 * and fitted ones too. Names, uploads and the provider's own time do not depend on the way's length.
 */
export function regionalPlanning(planning: PlannerOptions, region: string): PlannerOptions {
  const { profile, captured, fitted } = planning;
  const figures = profile.regions?.[region];
  const factor = figures === undefined ? 1 : quantile(figures.roundTrips, 0.5);
  const { connectMs, tlsMs, roundTripMs } = profile.network;
  const scaled = ({ source, quantiles }: Figure): Figure => ({
    source,
    quantiles: quantiles.map(([p, value]) => [p, value * factor]),
  });
  const setUps = Object.fromEntries(
    Object.entries(profile.network.setUps ?? {}).map(([provider, way]) => [
      provider,
      { ...way, connectMs: scaled(way.connectMs), tlsMs: scaled(way.tlsMs) },
    ]),
  );
  const network = { connectMs: scaled(connectMs), tlsMs: scaled(tlsMs), roundTripMs: scaled(roundTripMs), setUps };
  const moreUs = Math.round(1000 * (factor - 1) * quantile(roundTripMs, 0.5));
  const further = (way: NetworkPlan): NetworkPlan => ({
    ...way,
    ...(way.connect === undefined ? {} : { connect: Math.round(way.connect * factor) }),
    ...(way.tls === undefined ? {} : { tls: Math.round(way.tls * factor) }),
  });
  const moved = (plan: ReplayedPlan | undefined): ReplayedPlan | undefined =>
    plan && { ...plan, networkUs: further(plan.networkUs), waitUs: Math.max(0, plan.waitUs + moreUs) };
  return {
    ...planning,
    profile: { ...profile, network: { ...profile.network, ...network } },
    ...(captured === undefined ? {} : { captured: (...request) => moved(captured(...request)) }),
    ...(fitted === undefined
      ? {}
      : {
          fitted: {
            ...fitted,
            planOf: (...request) => moved(fitted.planOf(...request)),
            setUpOf: (context) => {
              const way = fitted.setUpOf(context);
              return way && further(way);
            },
          },
        }),
  };
}
