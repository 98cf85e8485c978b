/** Plans every exchange of the stand-ins: as captured, else fitted to the capture, else drawn from a profile. */
import type { TimesBasis } from '../../service/base/ports.ts';
import { keyedRandoms } from '../../service/base/random.ts';
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
} from './plan.ts';
import { profilePlan, setUpPlan, toUs } from './profile-plan.ts';
import { valueAt, type Link } from './profile.ts';

/** Draws depend on seed, session, turn, exchange and field alone: not on the order of requests. */
export function createPlanner(options: PlannerOptions): Planner {
  const { profile, seed, draws = 'common', captured, unseen, fitted, delay, tune, served, link } = options;
  const drawOf = (context: DrawContext): Draw => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context)];
    if (draws === 'independent') key.push(context.arm);
    const random = keyedRandoms(...key);
    return (field, figure) => valueAt(figure, random(field)());
  };
  /** Holds a connection's set-up only where the captured connection was new. */
  const answerOf = (context: DrawContext, facts: Facts, draw: Draw): ExchangePlan => {
    const replayed = captured?.(context, facts);
    const own = replayed ?? fitted?.planOf(context, facts);
    if (own === undefined) {
      const plan = profilePlan(profile, draw, facts);
      if (fitted === undefined) return plan;
      const { networkUs, ...levelled } = fitted.levelled(plan, context, facts);
      return { ...levelled, networkUs: { ...networkUs, queue: fitted.queueOf(context) } };
    }
    const terminatorUs = own.terminatorUs ?? toUs(draw('terminator', profile.network.terminatorMs));
    const isCaptured = replayed !== undefined && unseen?.(context) !== true;
    return { ...own, basis: isCaptured ? 'captured' : 'fitted', terminatorUs };
  };
  const linkFor = (basis: TimesBasis | undefined): Link | undefined =>
    link ?? (basis === 'profile' ? profile.network.link : undefined);
  const overIts = (network: NetworkPlan, draw: Draw): NetworkPlan => {
    const way = linkFor(network.basis);
    return way === undefined ? network : setUpOverLink(network, way, draw);
  };
  const setUpOf = (context: DrawContext, draw: Draw): NetworkPlan =>
    overIts(fitted?.setUpOf(context) ?? setUpPlan(profile, draw, context.stage === 'llm'), draw);
  const planOf = (context: DrawContext, facts: Facts): ExchangePlan => {
    served?.(context, facts);
    const draw = drawOf(context);
    const answer = answerOf(context, facts, draw);
    const { queue, send } = answer.networkUs;
    // the captured exchange may have found its connection open: should this run need a new one, another's set-up serves
    const networkUs =
      answer.reused === false ? overIts(answer.networkUs, draw) : { ...setUpOf(context, draw), queue, send };
    let plan: ExchangePlan = { ...answer, networkUs };
    const way = linkFor(plan.basis);
    if (way !== undefined) plan = overLink(plan, facts, way, draw);
    if (tune !== undefined) plan = tune(plan, context, facts, draw);
    return delay === undefined ? plan : delayed(plan, context, delay);
  };
  return { profile, planOf, networkOf: (context) => setUpOf(context, drawOf(context)) };
}

function delayed(plan: ExchangePlan, context: DrawContext, delay: NonNullable<PlannerOptions['delay']>): ExchangePlan {
  const { stage, ordinal, attempt, fetchIndex } = context;
  const extraUs = (item: DelayKey['item']): number => delay({ stage, ordinal, attempt, fetchIndex, item });
  const later = (us: number | undefined, item: DelayKey['item']): number | undefined =>
    us === undefined ? undefined : us + extraUs(item);
  const { dns, connect, tls, send } = plan.networkUs;
  return {
    ...plan,
    networkUs: {
      ...plan.networkUs,
      dns: later(dns, 'dns'),
      connect: later(connect, 'connect'),
      tls: later(tls, 'tls'),
      send: send + extraUs('send'),
    },
    waitUs: plan.waitUs + extraUs('wait'),
    items: plan.items.map((item, index) => ({ ...item, gapUs: item.gapUs + extraUs(index) })),
  };
}
