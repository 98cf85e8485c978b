/**
 * Times for requests that a strategy changes, fitted to the capture's own exchanges (docs/virtual-time.md#fitted). The base is
 * the captured exchange in the request's place, or one drawn from its kind and ordinal. The fitted effect of the other size
 * moves the base. The base's distance from its kind's line stays, so that tails survive.
 */
import { keyedRandom } from '../../service/base/random.ts';
import { answerUs, FIT_SET_UPS, uploadUs, type Fit, type FittedKind } from './fit.ts';
import { askedOf, exchangeKind, type Observation } from './observed.ts';
import {
  exchangeKey,
  isData,
  sizeOfAll,
  type Draw,
  type DrawContext,
  type Facts,
  type FittedPlans,
  type PlannedItem,
  type PlannerOptions,
  type ReplayedPlan,
} from './plan.ts';
import { medianOf } from './profile.ts';
import { profilePlan } from './profile-plan.ts';
import type { ReplyAudio } from './reply-audio.ts';
import { BYTES_PER_MS } from './speech-audio.ts';

/** Sizes are predicted from half the smallest captured one to twice the largest. */
const REACH = 2;
/** No text is spoken in less. */
const LEAST_SPEECH_MS = 200;

/** Under `independent` draws every lane draws from the same pools, and none meets the captured exchange in its place. */
export interface FittedOptions extends Pick<PlannerOptions, 'profile' | 'seed' | 'draws'> {
  /** The length of captured replies' speech; by default each answer speaks at the pace of the exchange that it is drawn from. */
  speech?: ReplyAudio;
}

const MEDIANS: Draw = (_field, figure) => medianOf(figure);

export function fittedPlans(fit: Fit, { profile, seed, draws = 'common', speech }: FittedOptions): FittedPlans {
  const uploadUsPerKb = 1000 * medianOf(profile.network.sendMsPerKb);
  const pick = <Value>(from: readonly Value[], context: DrawContext, field: string): Value | undefined => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context), field];
    if (draws === 'independent') key.push(context.arm);
    return from[Math.floor(keyedRandom(...key)() * from.length)];
  };
  const bytesOf = (context: DrawContext, facts: Facts): number | undefined =>
    facts.operation === 'tts' ? speech?.(context, facts) : undefined;
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
      const bytes = bytesOf(context, facts);
      if (own === undefined || own.operation !== facts.operation || kind === undefined) return spoken(plan, bytes);
      // the capture says how long the old kind took, the profile's medians how many times as long the new kind takes
      const then = answerUs(profilePlan(profile, MEDIANS, factsOf(own, facts)));
      if (then === 0) return spoken(plan, bytes);
      const dueUs = answerUs(own.plan) * (answerUs(profilePlan(profile, MEDIANS, facts)) / then);
      const asked = askedOf(facts);
      // of the same kind only the size is out of reach: the captured stream's steps still serve
      const sameKind = asked !== undefined && fit.nameOf(asked, own) === exchangeKind(own);
      const answer = sameKind ? { waitUs: own.plan.waitUs, items: itemsFor(facts, own, kind, bytes) } : plan;
      const nowUs = answerUs({ networkUs: plan.networkUs, ...answer });
      const silenceMs = facts.operation === 'tts' ? own.plan.leadingSilenceMs : plan.leadingSilenceMs;
      const due = { ...plan, ...moved(answer, Math.round(dueUs - nowUs)), leadingSilenceMs: silenceMs };
      return spoken(due, bytes);
    },
    planOf(context, facts) {
      const asked = askedOf(facts);
      if (asked === undefined) return undefined;
      const twin = fit.twin(context);
      const name = fit.nameOf(asked, twin);
      const kind = fit.kind(name);
      if (kind === undefined) return undefined;
      const [least, most] = kind.sizes;
      if (asked.size * REACH < least || asked.size > REACH * most) return undefined;
      const own = draws === 'common' ? twin : undefined;
      const like =
        own !== undefined && exchangeKind(own) === name ? own : pick(kind.like(context.ordinal), context, 'fitted');
      if (like === undefined) return undefined;
      const upload = { operation: asked.operation, uploadBytes: facts.uploadBytes };
      const moreUs =
        kind.slopeUs * (asked.size - like.size) + uploadUs(upload, uploadUsPerKb) - uploadUs(like, uploadUsPerKb);
      const { reused, failed: _failed, networkUs, ...plan } = like.plan;
      const { queue, send } = networkUs; // the planner knows a new connection's set-up
      const bytes = bytesOf(context, facts);
      const answer = { waitUs: plan.waitUs, items: itemsFor(facts, like, kind, bytes) };
      const connection =
        like === own
          ? { reused, networkUs: { ...networkUs, basis: 'captured' as const } }
          : { networkUs: { queue, send } };
      const dueUs = answerUs(like.plan) - uploadUs(like, uploadUsPerKb) + kind.slopeUs * (asked.size - like.size);
      const far = like === own ? distance(asked.size, like.size) : 1;
      const offUs = Math.max(0, dueUs) * (kind.level ** far - 1);
      return spoken({ ...plan, ...connection, ...moved(answer, Math.round(moreUs + offUs)) }, bytes);
    },
  };
}

/**
 * How much of a kind's doubt about its level is an exchange's that comes again in its own place: none at its own size, which was measured, all
 * of it at the ends of the reach, and between them by the logarithm of the ratio.
 */
function distance(size: number, ownSize: number): number {
  if (size === ownSize) return 0;
  return size === 0 || ownSize === 0 ? 1 : Math.min(1, Math.abs(Math.log(size / ownSize)) / Math.log(REACH));
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

/** With so much audio, where it is known. Leading silence leaves at least half of a short piece to its words. */
function spoken<Plan extends Pick<ReplayedPlan, 'items' | 'leadingSilenceMs'>>(
  plan: Plan,
  bytes: number | undefined,
): Plan {
  if (bytes === undefined) return plan;
  const leadingSilenceMs = Math.min(plan.leadingSilenceMs, Math.floor(bytes / 2 / BYTES_PER_MS));
  return { ...plan, items: asLong(plan.items, bytes), leadingSilenceMs };
}

/** An observed stream, cut to a new length or continued in its own steps. `bytes`: of audio, where known. */
function itemsFor(facts: Facts, like: Observation, { observations }: FittedKind, bytes?: number): PlannedItem[] {
  const { items } = like.plan;
  const total = bytes ?? lengthOf(facts, like);
  if (total === undefined) return [...items];
  return asLong(items, total, () => observations.flatMap(({ plan }) => plan.items.filter(isData).slice(1)));
}

/** A stream of so many characters or bytes in its own steps; one of a single item goes on in `others`. */
function asLong(
  items: readonly PlannedItem[],
  total: number,
  others: () => readonly PlannedItem[] = () => [],
): PlannedItem[] {
  const data = items.filter(isData);
  const tails = items.filter(({ kind }) => kind === 'tail');
  const [first] = data;
  if (first === undefined) return [...items];
  const own = data.slice(1);
  const later = own.length > 0 ? own : others();
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
