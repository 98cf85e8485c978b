/** A profile's regions: the same stand-ins, further away or nearer. */
import type { Endpoints } from '../../service/net/regions.ts';
import type { DrawContext, NetworkPlan, PlannerOptions, ReplayedPlan } from './plan.ts';
import { setUpFigures } from './profile-plan.ts';
import { medianOf, type Figure, type Profile } from './profile.ts';

/** A region's own endpoints. Queue and storage stay with the default ones. */
export type SimRegions = Record<string, Pick<Endpoints, 'falRunUrl' | 'openRouterUrl'>>;

/** The regions' endpoints in `sim`: origins that no network knows. */
export function simRegions({ regions = {} }: Profile): SimRegions {
  return Object.fromEntries(
    Object.keys(regions).map((name) => [
      name,
      { falRunUrl: `https://${name}.fal.run`, openRouterUrl: `https://${name}.openrouter.ai/api/v1` },
    ]),
  );
}

/**
 * How a region's stand-ins are planned. Its factor scales TCP and TLS set-up and the round trip in each wait, but no lookup,
 * upload or provider's work. A capture does not show how much of a set-up or wait is distance: the profile's medians count as
 * distance, and the rest stays.
 */
export function regionalPlanning(planning: PlannerOptions, region: string): PlannerOptions {
  const { profile, captured, fitted } = planning;
  const figures = profile.regions?.[region];
  const factor = figures === undefined ? 1 : medianOf(figures.roundTrips);
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
  const moreUs = (figure: Figure): number => Math.round(1000 * (factor - 1) * medianOf(figure));
  const waitUs = moreUs(roundTripMs);
  const further = (way: NetworkPlan, llm: boolean): NetworkPlan => {
    const { connect, tls } = way;
    const own = setUpFigures(profile, llm);
    if (connect === undefined && tls === undefined) return way;
    const connectedUs = Math.max(0, (connect ?? 0) + moreUs(own.connectMs));
    // in `wire` the handshake has no length: what it cannot give comes off the TLS set-up
    const leftUs = moreUs(own.connectMs) - (connectedUs - (connect ?? 0));
    return {
      ...way,
      connect: connect === undefined ? undefined : connectedUs,
      tls: tls === undefined ? undefined : Math.max(0, tls + moreUs(own.tlsMs) + leftUs),
    };
  };
  const moved = (plan: ReplayedPlan | undefined, { stage }: DrawContext): ReplayedPlan | undefined =>
    plan && {
      ...plan,
      networkUs: further(plan.networkUs, stage === 'llm'),
      waitUs: Math.max(0, plan.waitUs + waitUs),
    };
  return {
    ...planning,
    profile: { ...profile, network: { ...profile.network, ...network } },
    captured: captured && ((context, facts) => moved(captured(context, facts), context)),
    fitted: fitted && {
      ...fitted,
      planOf: (context, facts) => moved(fitted.planOf(context, facts), context),
      setUpOf: (context) => {
        const way = fitted.setUpOf(context);
        return way && further(way, context.stage === 'llm');
      },
    },
  };
}
