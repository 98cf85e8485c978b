/** When an exchange's phases end and its items come: one plan per exchange (planner.ts makes them). */
import type { HttpPhase } from '../../service/base/events.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { ExchangeContext, TimesBasis } from '../../service/base/ports.ts';
import type { Figure, Link, Profile } from './profile.ts';

/** Whose draws an exchange takes: in `wire` it travels as JSON in the header `x-retake-draw`. */
export type DrawContext = ExchangeContext;
export const DRAW_HEADER = 'x-retake-draw';

export type SttMethod = Strategy['stt']['method'];
export type TtsMethod = Strategy['tts']['method'];

/** What the request asks for, as far as time depends on it. `cachedChars` of a prompt are not processed again. */
export type Facts = { uploadBytes: number; cachedChars?: number } & (
  | { operation: 'stt'; method: SttMethod; audioBytes: number; audioMs: number }
  | { operation: 'llm'; model: string; messages: number; promptChars: number; maxTokens: number; text: string }
  | { operation: 'tts'; method: TtsMethod; voice: string; speed: number; text: string }
  | { operation: 'other'; figure: keyof Profile['other'] }
);

export const ITEM_KINDS = ['comment', 'data', 'tail'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

/** One read of a response body: the next `parts` (delta characters, audio bytes), a comment, or what ends the body. */
export interface PlannedItem {
  /** After the item before it, or after the headers. */
  gapUs: number;
  kind: ItemKind;
  parts: readonly number[];
}

/** Whether an item is content. */
export const isData = ({ kind }: PlannedItem): boolean => kind === 'data';
/** An item's characters, or bytes of audio. */
export const sizeOf = ({ parts }: PlannedItem): number => parts.reduce((sum, part) => sum + part, 0);
/** A body's. */
export const sizeOfAll = (items: readonly PlannedItem[]): number => items.reduce((sum, item) => sum + sizeOf(item), 0);

/** Phases that a new connection needs are absent where the captured connection did not need them (DNS of an address). */
export interface NetworkPlan {
  /** Where a new connection's figures come from; absent where the exchange's own basis says it. */
  basis?: TimesBasis;
  queue: number;
  dns?: number;
  connect?: number;
  tls?: number;
  send: number;
}

/** The `choices` of the usage chunk: none in the list, an empty delta, or no such chunk. */
export const USAGE_FORMS = ['empty', 'delta', 'none'] as const;
export type UsageForm = (typeof USAGE_FORMS)[number];

export interface ExchangePlan {
  basis: TimesBasis;
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
  usage?: UsageForm;
  /** Deltas of reasoning before the first content, all with the item that holds it. */
  reasoningDeltas?: number;
}

/** A captured exchange's plan, where the request asks for the same work. Phases of a reused connection are absent. */
export type CapturedPlans = (context: DrawContext, facts: Facts) => ReplayedPlan | undefined;
/** Without `terminatorUs` the reader went away before the body's end was seen: the profile has its time. */
export type ReplayedPlan = Omit<ExchangePlan, 'basis' | 'terminatorUs'> & { terminatorUs?: number };

/** Plans of a model that is fitted to a capture. */
export interface FittedPlans {
  planOf(context: DrawContext, facts: Facts): ReplayedPlan | undefined;
  /** A new connection's set-up, that of the exchange in this place where it had one; undefined where the capture holds too few. */
  setUpOf(context: DrawContext): NetworkPlan | undefined;
  /** µs that an exchange of the profile's waits in this process before it goes out, as captured ones did. */
  queueOf(context: DrawContext): number;
  /** A profile's plan of another kind than the capture's, on the capture's level; as it is where the capture has nothing. */
  levelled(plan: ExchangePlan, context: DrawContext, facts: Facts): ExchangePlan;
}

export interface DelayKey {
  stage: ExchangeContext['stage'];
  ordinal: number;
  attempt: number;
  fetchIndex: number;
  /** A phase before the body, or an item of the body. */
  item: Exclude<HttpPhase, 'queue' | 'body'> | number;
}

/** A figure's value by the draw that its field's name keys. */
export type Draw = (field: string, figure: Figure) => number;

/** Whether the arms of an experiment meet the same draws; `independent` puts the arm into the key of every draw. */
export const DRAWS = ['common', 'independent'] as const;
export type Draws = (typeof DRAWS)[number];

export interface PlannerOptions {
  profile: Profile;
  seed: string | number;
  /** By default `common`. */
  draws?: Draws;
  captured?: CapturedPlans;
  /** For what is not as captured; where it has nothing either, the profile's draws. */
  fitted?: FittedPlans;
  /** Extra µs for one boundary alone: the causality test. Items that come later are pushed back with it. */
  delay?: (key: DelayKey) => number;
  /** A scenario's link, for all exchanges; a profile's own is for those that are drawn from it. */
  link?: Link;
  /** A scenario's switches; what they draw is the exchange's own draw. */
  tune?: (plan: ExchangePlan, context: DrawContext, facts: Facts, draw: Draw) => ExchangePlan;
  /** Told of every request that a stand-in answers: what the provider saw. */
  served?: (context: DrawContext, facts: Facts) => void;
}

export interface Planner {
  profile: Profile;
  planOf(context: DrawContext, facts: Facts): ExchangePlan;
  /** What setting up the exchange's connection takes, by the draws that its plan would have: for one opened ahead of it. */
  networkOf(context: DrawContext): NetworkPlan;
}

/** `stage.ordinal.attempt`, and the fetch where a call makes several: the exchange's part in the key of its draws. */
export function exchangeKey({ stage, ordinal, attempt, fetchIndex }: DrawContext): string {
  return `${stage}.${ordinal}.${attempt}${fetchIndex === 0 ? '' : `.${fetchIndex}`}`;
}
