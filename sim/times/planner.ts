/** One plan per exchange: as captured where it asks for the same work, else by a model fitted to the capture, else drawn from a profile. */
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

/** Decides all timing of the stand-ins. Draws depend only on (seed, session, turn, exchange, field) and on no order. */
export function createPlanner(options: PlannerOptions): Planner {
  const { profile, seed, draws = 'common', captured, fitted, delay, tune, served, link } = options;
  const drawOf = (context: DrawContext): Draw => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context)];
    if (draws === 'independent') key.push(context.arm);
    const random = keyedRandoms(...key);
    return (field, figure) => valueAt(figure, random(field)());
  };
  /** As captured, else fitted, else drawn; with a connection's set-up only where the captured one was new. */
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
    return { ...own, basis: replayed === undefined ? 'fitted' : 'captured', terminatorUs };
  };
  /** A profile's own link is for what is drawn from it. */
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
    // one whose connection was open already, should this run need a new one, has the set-up of another
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
