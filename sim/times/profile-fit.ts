/** A latency profile from captured exchanges: their quantiles by provider, model and method (docs/virtual-time.md#profiles). Pure. */
import { median, quantile } from '../../service/base/quantile.ts';
import { figureOf, spread } from './empirical.ts';
import { answerUs, FIT_EXCHANGES, FIT_SET_UPS, LINE_EXCHANGES } from './fit.ts';
import { exchangeKind, kindsByName, type Observation } from './observed.ts';
import { isData, sizeOf, sizeOfAll, type NetworkPlan } from './plan.ts';
import { growthUs } from './profile-plan.ts';
import { medianOf, type Figure, type Profile } from './profile.ts';
import { shownSlope } from './slope.ts';
import { BYTES_PER_MS } from './speech-audio.ts';

const FOLDS = 5;
/** Exchanges of a kind that are predicted from each other. Predictions grow with the square of this. */
const ERROR_EXCHANGES = 500;

/** One kind of exchange and how well it was fitted. */
export interface KindFit {
  /** `stt transcriptions`, `llm MODEL`, `tts stream`. */
  kind: string;
  n: number;
  /** Exchanges that found their connection open. */
  reused: number;
  /** First and last day, `YYYY-MM-DD`. */
  from?: string;
  to?: string;
  /** Request → first data, without connection set-up: quantiles of all, medians on new and on open connections. */
  p50Ms: number;
  p95Ms: number;
  newP50Ms?: number;
  reusedP50Ms?: number;
  /** More ms for each ms of audio or character. Absent where the exchanges show no growth: the base's growth stays. */
  slopeMs?: number;
  /** Exchanges that the line went through: fewer than `n` of a large capture. */
  lineN: number;
  /** How far the fitted line's quantiles are from those of left-out exchanges, in % of the latter: the mean size over the folds. */
  errorP50Pct: number;
  errorP90Pct: number;
  /** False for too few exchanges: the base's figures stay. */
  fitted: boolean;
}

export interface ProfileFit {
  profile: Profile;
  kinds: readonly KindFit[];
  setUps: readonly { provider: Provider; n: number }[];
}

const PROVIDERS = ['fal', 'openrouter'] as const;
type Provider = (typeof PROVIDERS)[number];
type Models = Profile['llm']['models'];

/** A profile of this name. Figures that the observations do not show are the base's, with its sources. */
export function fitProfile(observations: readonly Observation[], base: Profile, name: string): ProfileFit {
  const roundTripMs = medianOf(base.network.roundTripMs);
  const kinds: KindFit[] = [];
  const profile: Profile = {
    ...base,
    name,
    llm: { ...base.llm, models: { ...base.llm.models } },
    tts: { ...base.tts },
  };
  for (const [kind, all] of [...Map.groupBy(observations, exchangeKind)].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const about = describe(kind, all, base);
    kinds.push(about);
    if (about.fitted) Object.assign(profile, withKind(profile, all, about, roundTripMs));
  }
  // a request names a model as it did in the capture
  for (const [name, kind] of kindsByName(observations)) {
    const figures = profile.llm.models[kind.slice(4)];
    if (name !== kind && figures !== undefined) profile.llm.models[name.slice(4)] = figures;
  }
  const setUps = PROVIDERS.map((provider) => {
    const own = observations.filter((each) => each.plan.reused === false && providerOf(each) === provider);
    return { provider, ways: own.map(({ plan }) => plan.networkUs), dates: datesOf(own) };
  });
  const fitted = setUps.filter(({ ways }) => ways.length >= FIT_SET_UPS);
  profile.network = {
    ...base.network,
    setUps: { ...base.network.setUps, ...Object.fromEntries(fitted.map((each) => [each.provider, setUpOf(each)])) },
  };
  const days = datesOf(observations);
  profile.description = `Fitted to ${observations.length} exchanges${days.from === undefined ? '' : `, ${days.from} to ${days.to}`}. All other figures are profile ${base.name}'s.`;
  return { profile, kinds, setUps: setUps.map(({ provider, ways }) => ({ provider, n: ways.length })) };
}

const providerOf = ({ operation }: Observation): Provider => (operation === 'llm' ? 'openrouter' : 'fal');

function setUpOf(each: {
  ways: readonly NetworkPlan[];
  dates: Dates;
}): Record<'dnsMs' | 'connectMs' | 'tlsMs', Figure> {
  const source = `fitted: n ${each.ways.length} new connections${datesText(each.dates)}`;
  const figure = (of: (way: NetworkPlan) => number | undefined): Figure =>
    figureOf(each.ways.map((way) => (of(way) ?? 0) / 1000), source); // prettier-ignore
  return {
    dnsMs: figure(({ dns }) => dns),
    connectMs: figure(({ connect }) => connect),
    tlsMs: figure(({ tls }) => tls),
  };
}

/** The error is of a fitted line. A kind's tables differ from that line by this. */
const DRAWN_APART: Readonly<Record<string, string>> = {
  llm: "; headers and first content are drawn independently, ms a prompt character are the base's",
  tts: '; headers and first audio are drawn independently',
};

/** The profile with one kind's figures. A capture does not show the round trip inside each wait: the base's median counts. */
function withKind(
  profile: Profile,
  all: readonly Observation[],
  about: KindFit,
  roundTripMs: number,
): Partial<Profile> {
  const { kind } = about;
  const error = `left-out error of the fitted line p50 ±${about.errorP50Pct.toFixed(1)} %, p90 ±${about.errorP90Pct.toFixed(1)} %`;
  const apart = DRAWN_APART[kind.slice(0, 3)] ?? '';
  const line = about.lineN < about.n ? ` (line through ${about.lineN} of them)` : '';
  const source = `fitted: n ${about.n}${line}${datesText(about)}, ${error}${apart}`;
  const figure = (values: readonly number[]): Figure => figureOf(values, source);
  const constant = (value: number): Figure => ({ source, quantiles: [[0, value]] });
  const waitMs = ({ plan }: Observation): number => (plan.networkUs.send + plan.waitUs) / 1000 - roundTripMs;
  const uploadMs = ({ uploadBytes }: Observation): number =>
    (medianOf(profile.network.sendMsPerKb) * uploadBytes) / 1000;
  const firstGapMs = ({ plan }: Observation): number => (plan.items.find(isData)?.gapUs ?? 0) / 1000;
  const later = all.flatMap(({ plan }) => plan.items.filter(isData).slice(1));
  const gaps = later.length === 0 ? [0] : later.map(({ gapUs }) => gapUs / 1000);
  const what = kind.slice(4);
  if (kind.startsWith('stt')) {
    // the upload of a second of audio is the network's figure
    const wayMs = median(all.map((each) => uploadMs(each) / Math.max(1, each.size)));
    const perMs = about.slopeMs === undefined ? growthMs(all, profile) : Math.max(0, about.slopeMs - wayMs);
    return {
      stt: {
        waitMs: figure(all.map((each) => waitMs(each) - uploadMs(each) - perMs * each.size)),
        perAudioSecondMs: constant(1000 * perMs),
        bodyMs: figure(all.map(({ plan }) => (plan.items[0]?.gapUs ?? 0) / 1000)),
      },
    };
  }
  if (kind.startsWith('llm')) {
    const perPromptCharMs = medianOf(profile.llm.perPromptCharMs);
    const models: Models = {
      ...profile.llm.models,
      [what]: {
        scale: constant(1),
        headersMs: figure(all.map(waitMs)),
        firstContentMs: figure(all.map((each) => firstGapMs(each) - perPromptCharMs * each.size)),
        charsPerDelta: figure(all.flatMap(({ plan }) => plan.items.filter(isData).map(sizeOf))),
        gapMs: figure(gaps),
      },
    };
    return { llm: { ...profile.llm, models } };
  }
  const sizes = all.flatMap(({ plan }) => plan.items.filter(isData).map((item) => sizeOf(item) / BYTES_PER_MS));
  const spokenPerSecond = all.flatMap((each) => {
    const ms = sizeOfAll(each.plan.items) / BYTES_PER_MS - each.plan.leadingSilenceMs;
    return ms <= 0 ? [] : [(1000 * each.size) / ms / each.speed];
  });
  const slopeMs = about.slopeMs ?? growthMs(all, profile);
  const method = {
    waitMs: figure(all.map((each) => waitMs(each) - slopeMs * each.size)),
    perCharMs: constant(slopeMs),
    firstByteMs: figure(all.map(firstGapMs)),
    gapMs: figure(gaps),
    audioMsPerItem: figure(sizes),
  };
  return {
    tts: {
      ...profile.tts,
      [what]: method,
      leadingSilenceMs: figure(all.map(({ plan }) => plan.leadingSilenceMs)),
      charsPerSecond: spokenPerSecond.length === 0 ? profile.tts.charsPerSecond : figure(spokenPerSecond),
    },
  };
}

function describe(kind: string, all: readonly Observation[], base: Profile): KindFit {
  const ms = (some: readonly Observation[]): number[] => some.map(({ plan }) => answerUs(plan) / 1000);
  const middle = (some: readonly Observation[]): number | undefined =>
    some.length === 0 ? undefined : median(ms(some));
  const reused = all.filter(({ plan }) => plan.reused === true);
  const { p50, p90 } = leftOutError(all, growthMs(all, base));
  return {
    kind,
    n: all.length,
    reused: reused.length,
    ...datesOf(all),
    p50Ms: median(ms(all)),
    p95Ms: quantile(ms(all), 0.95),
    newP50Ms: middle(all.filter(({ plan }) => plan.reused !== true)),
    reusedP50Ms: middle(reused),
    slopeMs: slopeOf(all),
    lineN: Math.min(all.length, LINE_EXCHANGES),
    errorP50Pct: p50,
    errorP90Pct: p90,
    fitted: all.length >= FIT_EXCHANGES,
  };
}

/** Undefined where the exchanges show no growth. */
function slopeOf(all: readonly Observation[]): number | undefined {
  return shownSlope(spread(all, LINE_EXCHANGES).map((each) => [each.size, answerUs(each.plan) / 1000]));
}

function growthMs([first]: readonly Observation[], profile: Profile): number {
  return first === undefined ? 0 : growthUs(profile, first) / 1000;
}

/**
 * The mean size of the fit's error in %. Each fifth of the exchanges is left out in turn and the rest fitted. Then the fit's quantiles
 * for the sizes left out are compared with the true ones. `otherwiseMs` is the growth where the rest shows none. NaN where a fifth is empty.
 */
export function leftOutError(all: readonly Observation[], otherwiseMs = 0): { p50: number; p90: number } {
  const some = spread(all, ERROR_EXCHANGES);
  const errors = Array.from({ length: FOLDS }, (_, fold) => {
    const out = some.filter((_each, index) => index % FOLDS === fold);
    const rest = some.filter((_each, index) => index % FOLDS !== fold);
    const slope = slopeOf(rest) ?? otherwiseMs;
    const residuals = rest.map((each) => answerUs(each.plan) / 1000 - slope * each.size);
    const predicted = out.flatMap(({ size }) => residuals.map((each) => each + slope * size));
    const seen = out.map(({ plan }) => answerUs(plan) / 1000);
    const error = (p: number): number =>
      (100 * Math.abs(quantile(predicted, p) - quantile(seen, p))) / quantile(seen, p);
    return { p50: error(0.5), p90: error(0.9) };
  });
  const mean = (of: (each: { p50: number; p90: number }) => number): number =>
    errors.reduce((sum, each) => sum + of(each), 0) / FOLDS;
  return { p50: mean(({ p50 }) => p50), p90: mean(({ p90 }) => p90) };
}

interface Dates {
  from?: string;
  to?: string;
}

function datesOf(all: readonly Observation[]): Dates {
  const days = all
    .flatMap(({ anchorUs }) => (anchorUs === undefined ? [] : [new Date(anchorUs / 1000).toISOString().slice(0, 10)]))
    .sort();
  return { from: days[0], to: days.at(-1) };
}

const datesText = ({ from, to }: Dates): string =>
  from === undefined ? '' : `, ${from === to ? from : `${from} to ${to}`}`;
