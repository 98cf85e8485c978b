/** A plan says when one exchange's phases end and when its body's items come. planner.ts makes plans. */
import type { HttpPhase } from '../../service/base/events.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { ExchangeContext, TimesBasis } from '../../service/base/ports.ts';
import type { Figure, Link, Profile } from './profile.ts';

/** The key of an exchange's draws. In `wire` the client sends this context as JSON in the header `x-retake-draw`. */
export type DrawContext = ExchangeContext;
export const DRAW_HEADER = 'x-retake-draw';

export type SttMethod = Strategy['stt']['method'];
export type TtsMethod = Strategy['tts']['method'];

/**
 * What of a request can change its time: two requests of equal facts take equally long. A voice, temperature and seed are not
 * here (the trait `timeless` of service/strategy/traits.ts). The provider does not process `cachedChars` of a prompt again.
 */
export type Facts = { uploadBytes: number; cachedChars?: number } & (
  | { operation: 'stt'; method: SttMethod; audioBytes: number; audioMs: number }
  | { operation: 'llm'; model: string; messages: number; promptChars: number; maxTokens: number; text: string }
  | { operation: 'tts'; method: TtsMethod; speed: number; text: string }
  | { operation: 'other'; figure: keyof Profile['other'] }
);

export const ITEM_KINDS = ['comment', 'data', 'tail'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

/** One read of a response body: content, a gateway's comment, or the end marker. */
export interface PlannedItem {
  /** After the item before it, or after the headers. */
  gapUs: number;
  kind: ItemKind;
  /** Characters of each delta, or bytes of audio. */
  parts: readonly number[];
}

export const isData = ({ kind }: PlannedItem): boolean => kind === 'data';
/** An item's characters, or bytes of audio. */
export const sizeOf = ({ parts }: PlannedItem): number => parts.reduce((sum, part) => sum + part, 0);
export const sizeOfAll = (items: readonly PlannedItem[]): number => items.reduce((sum, item) => sum + sizeOf(item), 0);

/** µs of each phase before the wait. A phase is absent where the captured connection had none, such as DNS of an address. */
export interface NetworkPlan {
  /** Where a new connection's figures come from. Absent: the exchange's own basis. */
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
  /** Whether the captured exchange found its connection open. Absent in plans from a profile. */
  reused?: boolean;
  /** For a new connection, in µs. */
  networkUs: NetworkPlan;
  /** Request sent → response headers, round trip included. */
  waitUs: number;
  items: readonly PlannedItem[];
  /** Last item → end of the body; 0: in the same read. */
  terminatorUs: number;
  leadingSilenceMs: number;
  /** Captured reply audio. Absent: the stand-in makes speech-shaped audio. */
  audio?: Uint8Array;
  /** The captured answer was this error. */
  failed?: { status: number; message: string };
  /** How long fal's queue holds the request before work begins. */
  queueUs?: number;
  usage?: UsageForm;
  /** Deltas of reasoning in the item of the first content, before it. */
  reasoningDeltas?: number;
}

/** The plan of the captured exchange in a request's place; undefined where the request asks for other work. */
export type CapturedPlans = (context: DrawContext, facts: Facts) => ReplayedPlan | undefined;
/** `terminatorUs` is absent where the reader left before the body's end. The profile has a time for that. */
export type ReplayedPlan = Omit<ExchangePlan, 'basis' | 'terminatorUs'> & { terminatorUs?: number };

/** Plans from a capture's own exchanges, for requests that the capture does not hold. */
export interface FittedPlans {
  planOf(context: DrawContext, facts: Facts): ReplayedPlan | undefined;
  /** A new connection's set-up: the captured one in this place, or one of all. Undefined where the capture holds too few. */
  setUpOf(context: DrawContext): NetworkPlan | undefined;
  /** µs that an exchange waits in this process before sending, drawn from the captured ones. */
  queueOf(context: DrawContext): number;
  /** A profile's plan of another kind, scaled to the capture's level. Unchanged where the capture holds nothing to scale by. */
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

/** A value drawn from a figure. The field's name is part of the draw's key. */
export type Draw = (field: string, figure: Figure) => number;

/**
 * `common`: the arms of an experiment meet the same draws, those of captured exchanges too. `independent`: the arm is part of
 * every draw's key, and no captured exchange comes again: in every arm each is drawn.
 */
export const DRAWS = ['common', 'independent'] as const;
export type Draws = (typeof DRAWS)[number];

export interface PlannerOptions {
  profile: Profile;
  seed: string | number;
  /** By default `common`. */
  draws?: Draws;
  captured?: CapturedPlans;
  /** Whether a knob may have changed the time of a captured exchange in a way that its facts do not show. */
  unseen?: (context: DrawContext) => boolean;
  /** For requests without a captured plan. Where these have no plan either, the profile is drawn from. */
  fitted?: FittedPlans;
  /** Extra µs for one boundary, for the causality check. Everything after the boundary moves with it. */
  delay?: (key: DelayKey) => number;
  /** A scenario's link, for all exchanges. A profile's own link is for exchanges drawn from the profile. */
  link?: Link;
  /** A scenario's switches. They draw with the exchange's own key. */
  tune?: (plan: ExchangePlan, context: DrawContext, facts: Facts, draw: Draw) => ExchangePlan;
  /** Called for every request that a stand-in answers. */
  served?: (context: DrawContext, facts: Facts) => void;
}

export interface Planner {
  profile: Profile;
  planOf(context: DrawContext, facts: Facts): ExchangePlan;
  /** The set-up of a connection that is opened ahead of its exchange, by the same draws as the exchange's plan. */
  networkOf(context: DrawContext): NetworkPlan;
}

/** `stage.ordinal.attempt`, plus the fetch where a call makes several: an exchange's part in the key of its draws. */
export function exchangeKey({ stage, ordinal, attempt, fetchIndex }: DrawContext): string {
  return `${stage}.${ordinal}.${attempt}${fetchIndex === 0 ? '' : `.${fetchIndex}`}`;
}
