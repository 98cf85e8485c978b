/** One plan per exchange: as captured where it asks for the same work, else by a model fitted to the capture, else drawn from a profile. */
import type { TimesBasis } from '../service/ports.ts';
import { keyedRandom } from '../service/random.ts';
import { overLink, setUpOverLink } from './link.ts';
import {
  exchangeKey,
  type DelayKey,
  type Draw,
  type DrawContext,
  type ExchangePlan,
  type Facts,
  type NetworkPlan,
  type Planner,
  type PlannerOptions,
  type ReplayedPlan,
} from './plan.ts';
import { networkPlan, profilePlan, toUs } from './profile-plan.ts';
import { quantile, type Profile } from './profile.ts';

/** Decides all timing of the stand-ins. Draws depend only on (seed, session, turn, exchange, field) and on no order. */
export function createPlanner(options: PlannerOptions): Planner {
  const { profile, seed, draws = 'common', captured, fitted, delay, tune, served, link } = options;
  const drawOf = (context: DrawContext): Draw => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context)];
    if (draws === 'independent') key.push(context.arm);
    return (field, figure) => quantile(figure, keyedRandom(...key, field)());
  };
  const drawn = (context: DrawContext, facts: Facts, draw: Draw): ExchangePlan => {
    const plan = profilePlan(profile, draw, facts);
    return fitted === undefined ? plan : fitted.levelled(plan, context, facts, draw);
  };
  const planOf = (context: DrawContext, facts: Facts): ExchangePlan => {
    served?.(context, facts);
    const draw = drawOf(context);
    const replayed = captured?.(context, facts);
    const like = replayed === undefined ? fitted?.planOf(context, facts) : undefined;
    const setUp = (): NetworkPlan => fitted?.setUpOf(context) ?? networkPlan(profile, draw, 0, context.stage === 'llm');
    let plan =
      replayed !== undefined
        ? asReplayed('captured', profile, draw, replayed, setUp)
        : like !== undefined
          ? asReplayed('fitted', profile, draw, like, setUp)
          : fromProfile(drawn(context, facts, draw), setUp);
    const way = link ?? (plan.basis === 'profile' ? profile.network.link : undefined);
    if (way !== undefined) plan = overLink(plan, facts, way, draw);
    if (tune !== undefined) plan = tune(plan, context, facts, draw);
    return delay === undefined ? plan : delayed(plan, context, delay);
  };
  return {
    profile,
    planOf,
    networkOf: (context) => {
      const draw = drawOf(context);
      const setUp = fitted?.setUpOf(context) ?? networkPlan(profile, draw, 0, context.stage === 'llm');
      const way = link ?? (setUp.basis === 'profile' ? profile.network.link : undefined);
      return way === undefined ? setUp : setUpOverLink(setUp, way, draw);
    },
  };
}

/** An exchange whose connection was open already, should this run need a new one, has set-up figures of another. */
function asReplayed(
  basis: TimesBasis,
  profile: Profile,
  draw: Draw,
  replayed: ReplayedPlan,
  setUp: () => NetworkPlan,
): ExchangePlan {
  const terminatorUs = replayed.terminatorUs ?? toUs(draw('terminator', profile.network.terminatorMs));
  const plan: ExchangePlan = { ...replayed, basis, terminatorUs };
  const { queue, send, basis: known } = replayed.networkUs;
  if (replayed.reused === false || known !== undefined) return plan;
  return { ...plan, networkUs: { ...setUp(), queue, send } };
}

function fromProfile(plan: ExchangePlan, setUp: () => NetworkPlan): ExchangePlan {
  return { ...plan, networkUs: { ...setUp(), send: plan.networkUs.send } };
}

function delayed(plan: ExchangePlan, context: DrawContext, delay: NonNullable<PlannerOptions['delay']>): ExchangePlan {
  const { stage, ordinal, attempt, fetchIndex } = context;
  const extraUs = (item: DelayKey['item']): number => delay({ stage, ordinal, attempt, fetchIndex, item });
  const later = (us: number | undefined, item: DelayKey['item']): number | undefined =>
    us === undefined ? undefined : us + extraUs(item);
  const { queue, dns, connect, tls, send } = plan.networkUs;
  const phases = { dns: later(dns, 'dns'), connect: later(connect, 'connect'), tls: later(tls, 'tls') };
  return {
    ...plan,
    networkUs: {
      ...(plan.networkUs.basis === undefined ? {} : { basis: plan.networkUs.basis }),
      queue,
      ...(phases.dns === undefined ? {} : { dns: phases.dns }),
      ...(phases.connect === undefined ? {} : { connect: phases.connect }),
      ...(phases.tls === undefined ? {} : { tls: phases.tls }),
      send: send + extraUs('send'),
    },
    waitUs: plan.waitUs + extraUs('wait'),
    items: plan.items.map((item, index) => ({ ...item, gapUs: item.gapUs + extraUs(index) })),
  };
}
