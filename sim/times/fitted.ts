/**
 * Times for requests that a strategy changes, fitted to the capture's own exchanges (docs/virtual-time.md#fitted). The base is
 * the captured exchange in the request's place, or one drawn from its kind and ordinal. The fitted effect of the other size
 * moves the base. The base's distance from its kind's line stays, so that tails survive.
 */
import { keyedRandom } from '../../service/base/random.ts';
import { spread } from './empirical.ts';
import { askedOf, exchangeKind, type Observation } from './observed.ts';
import {
  exchangeKey,
  isData,
  sizeOfAll,
  type Draw,
  type DrawContext,
  type Facts,
  type FittedPlans,
  type NetworkPlan,
  type PlannedItem,
  type PlannerOptions,
  type ReplayedPlan,
} from './plan.ts';
import { medianOf, type Profile } from './profile.ts';
import { growthUs, profilePlan } from './profile-plan.ts';
import { shownSlope } from './slope.ts';
import { BYTES_PER_MS } from './speech-audio.ts';

/** Fewer exchanges of a kind are not fitted. */
export const FIT_EXCHANGES = 8;
/** With fewer new connections, set-ups come from the profile. */
export const FIT_SET_UPS = 3;
/** A line is fitted to at most this many exchanges, spread over the capture. Pairs grow with the square of this. */
export const LINE_EXCHANGES = 200;
/** Sizes are predicted from half the smallest captured one to twice the largest. */
const REACH = 2;
/** No text is spoken in less. */
const LEAST_SPEECH_MS = 200;

/** A capture's exchanges by kind. A kind's line is fitted when somebody asks for the kind. */
export interface Fit {
  kind(name: string): FittedKind | undefined;
  /** The captured exchange in a request's place. */
  twin(context: DrawContext): Observation | undefined;
  /** Set-ups of new connections: to OpenRouter where `llm`, else to fal. */
  setUps(llm: boolean): readonly NetworkPlan[];
  /** µs that exchanges of a stage waited in this process before sending. */
  queues(stage: DrawContext['stage']): readonly number[];
}

export interface FittedKind {
  observations: readonly Observation[];
  /** Those like a call's, from which it is drawn: of its ordinal, else of a reply's first or later pieces, else all. */
  like(ordinal: number): readonly Observation[];
  sizes: readonly [least: number, most: number];
  /** More µs for each unit of size: the capture's growth, or the profile's where the capture shows none. */
  slopeUs: number;
}

export function fitTo(observations: readonly Observation[], profile: Profile): Fit {
  const byKind = Map.groupBy(observations, exchangeKind);
  const byPlace = new Map(observations.map((each) => [placeOf(each, each.exchange), each]));
  const fitted = new Map<string, FittedKind | undefined>();
  const uploadUsPerKb = 1000 * medianOf(profile.network.sendMsPerKb);
  const setUps = Map.groupBy(
    observations.filter(({ plan }) => plan.reused === false),
    ({ operation }) => operation === 'llm',
  );
  const byStage = Map.groupBy(observations, ({ operation }): DrawContext['stage'] => operation);
  const queues = new Map([...byStage].map(([stage, seen]) => [stage, seen.map(({ plan }) => plan.networkUs.queue)]));
  return {
    kind(name) {
      if (!fitted.has(name)) fitted.set(name, fitKind(byKind.get(name) ?? [], uploadUsPerKb, profile));
      return fitted.get(name);
    },
    twin: (context) =>
      byPlace.get(placeOf(context, `${exchangeKey({ ...context, fetchIndex: 0 })}.${context.fetchIndex}`)),
    setUps: (llm) => (setUps.get(llm) ?? []).map(({ plan }) => plan.networkUs),
    queues: (stage) => queues.get(stage) ?? [],
  };
}

function placeOf({ sessionId, turnIndex }: { sessionId: string; turnIndex: number }, exchange: string): string {
  return `${sessionId}/${turnIndex}/${exchange}`;
}

function fitKind(
  observations: readonly Observation[],
  uploadUsPerKb: number,
  profile: Profile,
): FittedKind | undefined {
  const [first] = observations;
  if (first === undefined || observations.length < FIT_EXCHANGES) return undefined;
  const points = spread(observations, LINE_EXCHANGES).map((each): [x: number, y: number] => [
    each.size,
    answerUs(each.plan) - uploadUs(each, uploadUsPerKb),
  ]);
  let [least, most] = [Infinity, 0];
  for (const { size } of observations) [least, most] = [Math.min(least, size), Math.max(most, size)];
  return {
    observations,
    like: poolsOf(observations),
    sizes: [least, most],
    slopeUs: shownSlope(points) ?? growthUs(profile, first),
  };
}

/** A reply's first piece may wait for what the later ones find warm. Pools of fewer than `FIT_EXCHANGES` are not drawn from. */
function poolsOf(observations: readonly Observation[]): FittedKind['like'] {
  const byOrdinal = Map.groupBy(observations, ordinalOf);
  const bySide = Map.groupBy(observations, (each) => ordinalOf(each) === 0);
  return (ordinal) =>
    [byOrdinal.get(ordinal), bySide.get(ordinal === 0)].find((some = []) => some.length >= FIT_EXCHANGES) ?? observations;
}

const ordinalOf = ({ exchange }: Observation): number => Number(exchange.split('.')[1]);

/** Sending begins → first data, or headers of an answer without data. */
export function answerUs(plan: Pick<ReplayedPlan, 'networkUs' | 'waitUs' | 'items'>): number {
  const first = plan.items.findIndex(isData);
  const gapsUs = plan.items.slice(0, first + 1).reduce((sum, { gapUs }) => sum + gapUs, 0);
  return plan.networkUs.send + plan.waitUs + gapsUs;
}

function uploadUs({ operation, uploadBytes }: Pick<Observation, 'operation' | 'uploadBytes'>, usPerKb: number): number {
  return operation === 'stt' ? (usPerKb * uploadBytes) / 1000 : 0;
}

/** Under `independent` draws every lane draws from the same pools, and none meets the captured exchange in its place. */
export type FittedOptions = Pick<PlannerOptions, 'profile' | 'seed' | 'draws'>;

const MEDIANS: Draw = (_field, figure) => medianOf(figure);

export function fittedPlans(fit: Fit, { profile, seed, draws = 'common' }: FittedOptions): FittedPlans {
  const uploadUsPerKb = 1000 * medianOf(profile.network.sendMsPerKb);
  const pick = <Value>(from: readonly Value[], context: DrawContext, field: string): Value | undefined => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context), field];
    if (draws === 'independent') key.push(context.arm);
    return from[Math.floor(keyedRandom(...key)() * from.length)];
  };
  return {
    setUpOf(context) {
      const own = draws === 'common' ? fit.twin(context)?.plan : undefined;
      if (own?.reused === false) return { ...own.networkUs, queue: 0, send: 0, basis: 'captured' };
      const seen = fit.setUps(context.stage === 'llm');
      const drawn = seen.length < FIT_SET_UPS ? undefined : pick(seen, context, 'fitted.setUp');
      return drawn === undefined ? undefined : { ...drawn, queue: 0, send: 0, basis: 'fitted' };
    },
    queueOf: (context) => pick(fit.queues(context.stage), context, 'fitted.queue') ?? 0,
    levelled(plan, context, facts) {
      const twin = fit.twin({ ...context, fetchIndex: 0 });
      const kind = twin === undefined ? undefined : fit.kind(exchangeKind(twin));
      const own = draws === 'common' ? twin : pick(kind?.like(context.ordinal) ?? [], context, 'fitted');
      if (own === undefined || own.operation !== facts.operation || kind === undefined) return plan;
      // the capture says how long the old kind took, the profile's medians how many times as long the new kind takes
      const then = answerUs(profilePlan(profile, MEDIANS, factsOf(own, facts)));
      if (then === 0) return plan;
      const dueUs = answerUs(own.plan) * (answerUs(profilePlan(profile, MEDIANS, facts)) / then);
      const asked = askedOf(facts);
      // of the same kind only the size is out of reach: the captured stream's steps still serve
      const sameKind = asked !== undefined && exchangeKind(asked) === exchangeKind(own);
      const answer = sameKind ? { waitUs: own.plan.waitUs, items: itemsFor(facts, own, kind) } : plan;
      const nowUs = answerUs({ networkUs: plan.networkUs, ...answer });
      const silenceMs = facts.operation === 'tts' ? own.plan.leadingSilenceMs : plan.leadingSilenceMs;
      return { ...plan, ...moved(answer, Math.round(dueUs - nowUs)), leadingSilenceMs: silenceMs };
    },
    planOf(context, facts) {
      const asked = askedOf(facts);
      const kind = asked === undefined ? undefined : fit.kind(exchangeKind(asked));
      if (asked === undefined || kind === undefined) return undefined;
      const [least, most] = kind.sizes;
      if (asked.size * REACH < least || asked.size > REACH * most) return undefined;
      const own = draws === 'common' ? fit.twin(context) : undefined;
      const like =
        own !== undefined && exchangeKind(own) === exchangeKind(asked)
          ? own
          : pick(kind.like(context.ordinal), context, 'fitted');
      if (like === undefined) return undefined;
      const upload = { operation: asked.operation, uploadBytes: facts.uploadBytes };
      const moreUs =
        kind.slopeUs * (asked.size - like.size) + uploadUs(upload, uploadUsPerKb) - uploadUs(like, uploadUsPerKb);
      const { reused, failed: _failed, networkUs, ...plan } = like.plan;
      const { queue, send } = networkUs; // the planner knows a new connection's set-up
      const answer = { waitUs: plan.waitUs, items: itemsFor(facts, like, kind) };
      const connection =
        like === own
          ? { reused, networkUs: { ...networkUs, basis: 'captured' as const } }
          : { networkUs: { queue, send } };
      return { ...plan, ...connection, ...moved(answer, Math.round(moreUs)) };
    },
  };
}

/** A request like an observed exchange, with another request's words: what to ask a profile for. */
function factsOf({ operation, what, size, uploadBytes, speed }: Observation, asked: Facts): Facts {
  switch (operation) {
    case 'stt':
      return { operation, method: 'transcriptions', audioBytes: 0, audioMs: size, uploadBytes };
    case 'llm':
      return {
        operation,
        model: what,
        messages: 1,
        promptChars: size,
        maxTokens: 0,
        text: asked.operation === 'llm' ? asked.text : 'x',
        uploadBytes,
      };
    case 'tts':
      return {
        operation,
        method: what === 'speech' ? 'speech' : 'stream',
        speed,
        text: 'x'.repeat(size),
        uploadBytes,
      };
    default:
      return operation satisfies never;
  }
}

type Answer = Pick<ReplayedPlan, 'waitUs' | 'items'>;

/** An answer that comes later or earlier: the wait changes first, then the gaps before the first data. */
function moved(plan: Answer, moreUs: number): Answer {
  const waitUs = Math.max(0, plan.waitUs + moreUs);
  let leftUs = plan.waitUs + moreUs - waitUs;
  const first = plan.items.findIndex(isData);
  const items = plan.items.map((item, index) => {
    if (leftUs === 0 || index > first) return item;
    const gapUs = Math.max(0, item.gapUs + leftUs);
    leftUs += item.gapUs - gapUs;
    return { ...item, gapUs };
  });
  return { waitUs, items };
}

/** An observed stream, cut to a new length or continued in its own steps. */
function itemsFor(facts: Facts, like: Observation, { observations }: FittedKind): PlannedItem[] {
  const { items } = like.plan;
  const total = lengthOf(facts, like);
  const data = items.filter(isData);
  const tails = items.filter(({ kind }) => kind === 'tail');
  const [first] = data;
  if (total === undefined || first === undefined) return [...items];
  const own = data.slice(1);
  const later = own.length > 0 ? own : observations.flatMap(({ plan }) => plan.items.filter(isData).slice(1));
  const made: PlannedItem[] = [];
  let left = total;
  for (let index = 0; left > 0; index++) {
    const item = index === 0 ? first : (later[(index - 1) % later.length] ?? first);
    const parts: number[] = [];
    for (const part of item.parts) {
      const taken = Math.min(left, Math.max(1, part));
      if (taken > 0) parts.push(taken);
      left -= taken;
    }
    made.push({ gapUs: index > 0 && later.length === 0 ? 0 : item.gapUs, kind: 'data', parts });
  }
  return [...made, ...tails];
}

/** Characters of a reply, or bytes of speech at the observed pace. Undefined for other answers. */
function lengthOf(facts: Facts, { plan, size, speed }: Observation): number | undefined {
  if (facts.operation === 'llm') return facts.text.length;
  if (facts.operation !== 'tts') return undefined;
  const bytes = sizeOfAll(plan.items);
  const silent = Math.min(bytes, BYTES_PER_MS * plan.leadingSilenceMs);
  const spoken = ((bytes - silent) * facts.text.length * speed) / Math.max(1, size) / facts.speed;
  return 2 * Math.round((silent + Math.max(BYTES_PER_MS * LEAST_SPEECH_MS, spoken)) / 2);
}
