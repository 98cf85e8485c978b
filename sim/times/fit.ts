/** A capture's exchanges as what times are drawn from: by kind, ordinal and place, each kind with its line. */
import { spread } from './empirical.ts';
import { exchangeKind, kindsByName, type Observation } from './observed.ts';
import { exchangeKey, isData, type DrawContext, type NetworkPlan, type ReplayedPlan } from './plan.ts';
import { medianOf, type Profile } from './profile.ts';
import { growthUs } from './profile-plan.ts';
import { AS_CAPTURED, type Redraw } from './redraw.ts';
import { shownSlope } from './slope.ts';

/** Fewer exchanges of a kind are not fitted. */
export const FIT_EXCHANGES = 8;
/** With fewer new connections, set-ups come from the profile. */
export const FIT_SET_UPS = 3;
/** A line is fitted to at most this many exchanges, spread over the capture. Pairs grow with the square of this. */
export const LINE_EXCHANGES = 200;
/** A capture's exchanges by kind. A kind's line is fitted when somebody asks for the kind. */
export interface Fit {
  /** The kind that a request is answered by: of the exchange in its place, else of most that asked by the same name. */
  nameOf(asked: Pick<Observation, 'operation' | 'what'>, twin: Observation | undefined): string;
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
  /** What all its times are multiplied by: 1, but for refits of a weak fit. */
  level: number;
}

/** With `redraw` kinds, set-ups and waits are those of another capture. Captured exchanges keep their places, and what is fitted stays fitted. */
export function fitTo(observations: readonly Observation[], profile: Profile, redraw = AS_CAPTURED): Fit {
  const byKind = Map.groupBy(observations, exchangeKind);
  const byPlace = new Map(observations.map((each) => [placeOf(each, each.exchange), each]));
  const fitted = new Map<string, FittedKind | undefined>();
  const uploadUsPerKb = 1000 * medianOf(profile.network.sendMsPerKb);
  const setUps = Map.groupBy(
    observations.filter(({ plan }) => plan.reused === false),
    ({ operation }) => operation === 'llm',
  );
  const byStage = Map.groupBy(observations, ({ operation }): DrawContext['stage'] => operation);
  const plansOf = (seen: readonly Observation[], usOf: (plan: NetworkPlan) => number): NetworkPlan[] =>
    redraw.inPlace(seen, ({ plan }) => usOf(plan.networkUs)).map(({ plan }) => plan.networkUs);
  const queues = new Map(
    [...byStage].map(([stage, seen]) => [stage, plansOf(seen, ({ queue }) => queue).map(({ queue }) => queue)]),
  );
  const ways = new Map([...setUps].map(([llm, seen]) => [llm, plansOf(seen, setUpUs)]));
  const byName = kindsByName(observations);
  return {
    nameOf(asked, twin) {
      if (twin?.operation === asked.operation && twin.what === asked.what) return exchangeKind(twin);
      const name = exchangeKind(asked);
      return byName.get(name) ?? name;
    },
    kind(name) {
      if (!fitted.has(name)) {
        const level = redraw.levelOf(name);
        fitted.set(name, fitKind(byKind.get(name) ?? [], { uploadUsPerKb, profile, redraw, level }));
      }
      return fitted.get(name);
    },
    twin: (context) =>
      byPlace.get(placeOf(context, `${exchangeKey({ ...context, fetchIndex: 0 })}.${context.fetchIndex}`)),
    setUps: (llm) => ways.get(llm) ?? [],
    queues: (stage) => queues.get(stage) ?? [],
  };
}

function placeOf({ sessionId, turnIndex }: { sessionId: string; turnIndex: number }, exchange: string): string {
  return `${sessionId}/${turnIndex}/${exchange}`;
}

const setUpUs = ({ dns = 0, connect = 0, tls = 0 }: NetworkPlan): number => dns + connect + tls;

function fitKind(
  observations: readonly Observation[],
  { uploadUsPerKb, profile, redraw, level }: { uploadUsPerKb: number; profile: Profile; redraw: Redraw; level: number },
): FittedKind | undefined {
  const [first] = observations;
  if (first === undefined || observations.length < FIT_EXCHANGES) return undefined;
  const timeUs = (each: Observation): number => answerUs(each.plan) - uploadUs(each, uploadUsPerKb);
  const drawn = redraw.sample(observations);
  const points = spread(drawn, LINE_EXCHANGES).map((each): [x: number, y: number] => [each.size, timeUs(each)]);
  const slopeUs = shownSlope(points) ?? growthUs(profile, first);
  let [least, most] = [Infinity, 0];
  for (const { size } of observations) [least, most] = [Math.min(least, size), Math.max(most, size)];
  return {
    observations: drawn,
    like: poolsOf(observations, (pool) => redraw.inPlace(pool, (each) => timeUs(each) - slopeUs * each.size)),
    sizes: [least, most],
    slopeUs,
    level,
  };
}

/** A reply's first piece may wait for what the later ones find warm. Pools of fewer than `FIT_EXCHANGES` are not drawn from. */
function poolsOf(
  observations: readonly Observation[],
  inPlace: (pool: readonly Observation[]) => readonly Observation[],
): FittedKind['like'] {
  const byOrdinal = Map.groupBy(observations, ordinalOf);
  const bySide = Map.groupBy(observations, (each) => ordinalOf(each) === 0);
  const pools = new Map<readonly Observation[], readonly Observation[]>();
  return (ordinal) => {
    const own =
      [byOrdinal.get(ordinal), bySide.get(ordinal === 0)].find((some = []) => some.length >= FIT_EXCHANGES) ??
      observations;
    const pool = pools.get(own) ?? inPlace(own);
    pools.set(own, pool);
    return pool;
  };
}

/** Which of its stage's calls in the turn an exchange belongs to. */
export const ordinalOf = ({ exchange }: Observation): number => Number(exchange.split('.')[1]);

/** Sending begins → first data, or headers of an answer without data. */
export function answerUs(plan: Pick<ReplayedPlan, 'networkUs' | 'waitUs' | 'items'>): number {
  const first = plan.items.findIndex(isData);
  const gapsUs = plan.items.slice(0, first + 1).reduce((sum, { gapUs }) => sum + gapUs, 0);
  return plan.networkUs.send + plan.waitUs + gapsUs;
}

/** µs that the profile's median upload takes. Only an upload of audio has a length that counts. */
export function uploadUs(
  { operation, uploadBytes }: Pick<Observation, 'operation' | 'uploadBytes'>,
  usPerKb: number,
): number {
  return operation === 'stt' ? (usPerKb * uploadBytes) / 1000 : 0;
}
