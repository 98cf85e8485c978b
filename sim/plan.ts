/** When an exchange's phases end and its items come: one plan per exchange, from a capture or from a profile's draws. */
import type { ExchangeContext } from '../service/ports.ts';
import { keyedRandom } from '../service/random.ts';
import { modelFigures, quantile, type Figure, type Profile } from './profile.ts';

/** Whose draws an exchange takes: in `wire` it travels as JSON in the header `x-retake-draw`. */
export type DrawContext = ExchangeContext;
export const DRAW_HEADER = 'x-retake-draw';

export type TtsMethod = 'stream' | 'speech' | 'generate';

/** What the request asks for, as far as time depends on it. `cachedChars` of a prompt are not processed again. */
export type Facts = { uploadBytes: number; cachedChars?: number } & (
  | { operation: 'stt'; method: 'transcriptions' | 'generate'; audioBytes: number; audioMs: number }
  | { operation: 'llm'; model: string; messages: number; promptChars: number; maxTokens: number; text: string }
  | { operation: 'tts'; method: TtsMethod; voice: string; speed: number; text: string }
  | { operation: 'other'; figure: keyof Profile['other'] }
);

/** One read of a response body: the next `parts` (delta characters, audio bytes), a comment, or what ends the body. */
export interface PlannedItem {
  /** After the item before it, or after the headers. */
  gapUs: number;
  kind: 'comment' | 'data' | 'tail';
  parts: readonly number[];
}

/** Phases that a new connection needs are absent where the captured connection did not need them (DNS of an address). */
export interface NetworkPlan {
  queue: number;
  dns?: number;
  connect?: number;
  tls?: number;
  send: number;
}

export interface ExchangePlan {
  basis: 'captured' | 'profile';
  /** Whether the captured exchange had a connection already; absent in profile plans. */
  reused?: boolean;
  /** For a new connection, in µs. */
  networkUs: NetworkPlan;
  /** Request sent → response headers, round trip included. */
  waitUs: number;
  items: readonly PlannedItem[];
  /** Last item → end of the body; 0 = in the same read. */
  terminatorUs: number;
  leadingSilenceMs: number;
  /** Captured reply audio; speech-shaped audio is made where it is absent. */
  audio?: Uint8Array;
  /** A captured answer that was an error. */
  failed?: { status: number; message: string };
  /** In fal's queue before the work begins. */
  queueUs?: number;
  /** The form of the usage chunk: its `choices` empty, an empty delta, or no such chunk. */
  usage?: 'empty' | 'delta' | 'none';
  /** Deltas of reasoning before the first content, all with the item that holds it. */
  reasoningDeltas?: number;
}

/** A captured exchange's plan, where the request asks for the same work. Phases of a reused connection are absent. */
export type CapturedPlans = (context: DrawContext, facts: Facts) => ReplayedPlan | undefined;
/** Without `terminatorUs` the reader went away before the body's end was seen: the profile has its time. */
export type ReplayedPlan = Omit<ExchangePlan, 'basis' | 'terminatorUs'> & { terminatorUs?: number };

export interface DelayKey {
  stage: ExchangeContext['stage'];
  ordinal: number;
  attempt: number;
  fetchIndex: number;
  item: 'dns' | 'connect' | 'tls' | 'send' | 'wait' | number;
}

export interface PlannerOptions {
  profile: Profile;
  seed: string | number;
  /** `independent` puts the arm into the key of every draw; by default both arms meet the same draws. */
  draws?: 'common' | 'independent';
  captured?: CapturedPlans;
  /** Extra µs for one boundary alone: the causality test. Items that come later are pushed back with it. */
  delay?: (key: DelayKey) => number;
  /** A scenario's switches. */
  tune?: (plan: ExchangePlan, context: DrawContext, facts: Facts) => ExchangePlan;
  /** Told of every request that a stand-in answers: what the provider saw. */
  served?: (context: DrawContext, facts: Facts) => void;
}

export interface Planner {
  profile: Profile;
  planOf(context: DrawContext, facts: Facts): ExchangePlan;
  /** What setting up the exchange's connection takes, by the draws that its plan would have: for one opened ahead of it. */
  networkOf(context: DrawContext): NetworkPlan;
}

/** Decides all timing of the stand-ins. Draws depend only on (seed, session, turn, exchange, field) and on no order. */
export function createPlanner(options: PlannerOptions): Planner {
  const { profile, seed, draws = 'common', captured, delay, tune, served } = options;
  const drawOf = (context: DrawContext): Draw => {
    const key = [seed, context.sessionId, context.turnIndex, exchangeKey(context)];
    if (draws === 'independent') key.push(context.arm);
    return (field, figure) => quantile(figure, keyedRandom(...key, field)());
  };
  const planOf = (context: DrawContext, facts: Facts): ExchangePlan => {
    served?.(context, facts);
    const draw = drawOf(context);
    const replayed = captured?.(context, facts);
    let plan = replayed === undefined ? profilePlan(profile, draw, facts) : fromCapture(profile, draw, replayed);
    if (tune !== undefined) plan = tune(plan, context, facts);
    return delay === undefined ? plan : delayed(plan, context, delay);
  };
  return { profile, planOf, networkOf: (context) => networkPlan(profile, drawOf(context), 0) };
}

/** `stage.ordinal.attempt`, and the fetch where a call makes several: the exchange's part in the key of its draws. */
export function exchangeKey({ stage, ordinal, attempt, fetchIndex }: DrawContext): string {
  return `${stage}.${ordinal}.${attempt}${fetchIndex === 0 ? '' : `.${fetchIndex}`}`;
}

type Draw = (field: string, figure: Figure) => number;

const toUs = (ms: number): number => Math.round(ms * 1000);

function networkPlan(profile: Profile, draw: Draw, uploadBytes: number): NetworkPlan {
  const { dnsMs, connectMs, tlsMs, sendMsPerKb } = profile.network;
  return {
    queue: 0,
    dns: toUs(draw('dns', dnsMs)),
    connect: toUs(draw('connect', connectMs)),
    tls: toUs(draw('tls', tlsMs)),
    send: toUs((draw('send', sendMsPerKb) * uploadBytes) / 1000),
  };
}

/** A captured exchange whose connection was open already: should this run need a new one, the profile has its figures. */
function fromCapture(profile: Profile, draw: Draw, replayed: ReplayedPlan): ExchangePlan {
  const terminatorUs = replayed.terminatorUs ?? toUs(draw('terminator', profile.network.terminatorMs));
  const plan: ExchangePlan = { ...replayed, basis: 'captured', terminatorUs };
  if (replayed.reused !== true) return plan;
  const { queue, send } = replayed.networkUs;
  return { ...plan, networkUs: { ...networkPlan(profile, draw, 0), queue, send } };
}

function profilePlan(profile: Profile, draw: Draw, facts: Facts): ExchangePlan {
  const roundTripMs = draw('roundTrip', profile.network.roundTripMs);
  const shared = {
    basis: 'profile' as const,
    networkUs: networkPlan(profile, draw, facts.uploadBytes),
    terminatorUs: 0,
    leadingSilenceMs: 0,
  };
  switch (facts.operation) {
    case 'stt': {
      const perSecondMs = draw('perAudioSecond', profile.stt.perAudioSecondMs);
      const waitMs = roundTripMs + draw('wait', profile.stt.waitMs) + (perSecondMs * facts.audioMs) / 1000;
      return { ...shared, waitUs: toUs(waitMs), items: [tail(draw('body', profile.stt.bodyMs))] };
    }
    case 'llm':
      return {
        ...shared,
        waitUs: toUs(roundTripMs + draw('wait', profile.llm.headersMs) * scaleOf(profile, draw, facts.model)),
        items: llmItems(profile, draw, facts),
        terminatorUs: toUs(draw('terminator', profile.network.terminatorMs)),
      };
    case 'tts': {
      const method = profile.tts[facts.method];
      const perCharMs = draw('perChar', method.perCharMs);
      const leadingSilenceMs = Math.round(draw('silence', profile.tts.leadingSilenceMs));
      const spokenMs = (1000 * facts.text.length) / draw('rate', profile.tts.charsPerSecond) / facts.speed;
      return {
        ...shared,
        waitUs: toUs(roundTripMs + draw('wait', method.waitMs) + perCharMs * facts.text.length),
        items: audioItems(method, draw, leadingSilenceMs + Math.max(200, Math.round(spokenMs)), facts.method),
        leadingSilenceMs,
      };
    }
    case 'other':
      return { ...shared, waitUs: toUs(roundTripMs + draw('wait', profile.other[facts.figure])), items: [tail(0)] };
    default:
      return facts satisfies never;
  }
}

function scaleOf(profile: Profile, draw: Draw, model: string): number {
  return draw('scale', modelFigures(profile, model).scale);
}

function llmItems(profile: Profile, draw: Draw, facts: Facts & { operation: 'llm' }): PlannedItem[] {
  const { firstContentMs, perPromptCharMs, comments } = profile.llm;
  const model = modelFigures(profile, facts.model);
  const promptMs = draw('perPromptChar', perPromptCharMs) * (facts.promptChars - (facts.cachedChars ?? 0));
  const untilContentUs = toUs(draw('firstContent', firstContentMs) * draw('scale', model.scale) + promptMs);
  const items: PlannedItem[] = [];
  const count = Math.round(draw('comments', comments));
  const spacingUs = count === 0 ? 0 : Math.floor(untilContentUs / count);
  for (let index = 0; index < count; index++) {
    items.push({ gapUs: index === 0 ? 0 : spacingUs, kind: 'comment', parts: [] });
  }
  let leftChars = facts.text.length;
  for (let index = 0; leftChars > 0; index++) {
    const chars = Math.min(leftChars, Math.max(1, Math.round(draw(`chars.${index}`, model.charsPerDelta))));
    const firstGapUs = untilContentUs - spacingUs * Math.max(0, count - 1);
    items.push({
      gapUs: index === 0 ? firstGapUs : toUs(draw(`gap.${index}`, model.gapMs)),
      kind: 'data',
      parts: [chars],
    });
    leftChars -= chars;
  }
  items.push(tail(draw('gap.tail', model.gapMs)));
  return items;
}

function audioItems(figures: Profile['tts']['stream'], draw: Draw, audioMs: number, method: TtsMethod): PlannedItem[] {
  const items: PlannedItem[] = [];
  for (let leftMs = audioMs; leftMs > 0;) {
    const index = items.length;
    const partMs = Math.min(leftMs, Math.max(10, Math.round(draw(`audio.${index}`, figures.audioMsPerItem))));
    const gapMs = index === 0 ? draw('firstByte', figures.firstByteMs) : draw(`gap.${index}`, figures.gapMs);
    items.push({ gapUs: toUs(gapMs), kind: 'data', parts: [partMs * 32] });
    leftMs -= partMs;
  }
  return method === 'stream' ? [...items, tail(0)] : items;
}

function tail(gapMs: number): PlannedItem {
  return { gapUs: toUs(gapMs), kind: 'tail', parts: [] };
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
