/**
 * Predicts strategies in `sim` from a capture made in `wire`. Then measures them in `wire` on the same turns, beside the captured
 * strategy, which runs again (docs/virtual-time.md#counterfactual-error).
 */
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { simWorld, startWire } from '../replay/arms/against.ts';
import type { ArmWorld } from '../replay/arms/arm.ts';
import { basisShares } from '../replay/run/basis.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import { diffLanes, PRIMARY_FIGURES } from '../replay/diff/diff.ts';
import { asksOf } from '../replay/plan/asks.ts';
import { identityError, judgeable } from '../replay/rank/rank.ts';
import { clusteredMean } from '../replay/statistics/estimates.ts';
import { loadTrust, trustInCandidate, type Trust, type TrustRow } from '../replay/run/trust.ts';
import { namedVariants } from '../replay/variants/variants.ts';
import { BASELINE } from '../bench/turns/arm-result.ts';
import { turnKey } from '../service/base/events.ts';
import { capturedFrom, runLanes, withHistory, type Lane, type LaneTurn } from './trust-lanes.ts';
import { benchSessions } from '../bench/turns/sessions.ts';
import { PREDICTED_WITH, type TrustWorld } from './trust-worlds.ts';

const WARM_UP = { sessions: 24 } as const;
/** Drawn times, of a profile or of fitted exchanges, are averaged over so many runs. */
const DRAWN_RUNS = 3;
/** Strategies whose gain loopback, or these fixtures, cannot show. */
const INVISIBLE: readonly (readonly [name: string, why: string])[] = [
  ['pre-resolve', 'loopback: stand-ins cannot delay a lookup, it is part of the TLS set-up'],
  ['route-latency', 'stand-ins have one provider'],
  ['route-throughput', 'stand-ins have one provider'],
  ['reasoning-none', 'stand-ins do not reason'],
  ['llm-fallback', 'shows only when the model fails'],
  ['prefetch-prompt', 'the fixtures’ prompts are below the cache minimum'],
  ['cache-greeting', 'no fixture turn is a greeting'],
  ['cache-responses', 'the scripted replies repeat no sentence'],
];

/** Where strategies are measured: in `sim` too, to see the model's own error apart from the machine's. */
export const MEASURED_IN = ['wire', 'sim'] as const;

export interface TrustOptions extends TrustWorld {
  seed: string;
  world: (typeof MEASURED_IN)[number];
  /** Today, `YYYY-MM-DD`. */
  at: string;
  progress: (text: string) => void;
}

type Metric = (turn: TurnSummary) => number | undefined;

/** One world's table, and errors that would be stated for its captures though they are of another world: there must be none. */
export interface MeasuredTrust {
  table: Trust;
  strayErrors: readonly string[];
  /** Why the table is no measurement: the machine was busy, or too few turns were measured. */
  unusable: readonly string[];
}

/** With the draws of the capture, today's strategy takes as long as before, on a machine that is not busy. */
const REPEATED_LIMIT_PCT = 2;

/** Captures, predicts, measures. Takes about as long as its longest session, times lanes × sessions ÷ 64. */
export async function measureTrust(options: TrustOptions): Promise<MeasuredTrust> {
  const { seed, progress, at, profile, hours } = options;
  const { chosen, left } = judgedLanes(options);
  const told = (what: string) => (done: number, all: number) =>
    progress(`${profile}: ${what}: ${done} of ${all} sessions`);
  const fixtures = benchSessions(Math.max(options.captured, options.sessions), options.turns).map(withHistory);
  const a = await inWorld(options, hours?.captured, (world) =>
    runLanes(world, fixtures, [{ name: 'captured' }], told('capturing')),
  );
  const all = fixtures.map((session) => ({ ...capturedFrom(session, a), profile }));
  const captured = all.slice(0, options.sessions);
  // today's strategy runs beside the others, so that the machine is equally busy
  const b = await inWorld(options, hours?.measured, (world) =>
    runLanes(world, captured, [{ name: BASELINE }, ...chosen], told('measuring')),
  );
  const standIns = { profile: PREDICTED_WITH, seed: `${seed}/predicted`, draws: 'common' } as const;
  const against = simWorld({ ...standIns, sessions: all });
  const baseline = await runLanes(against, captured, [{ name: BASELINE }], () => undefined);
  const chosenIds = new Set(captured.map(({ sessionId }) => sessionId));
  const before = a.map(({ turn }) => turn.summary).filter(({ sessionId }) => chosenIds.has(sessionId));
  const identity = identityError(
    before,
    baseline.map(({ turn }) => turn.summary),
  );
  const rows: TrustRow[] = [];
  for (const lane of chosen) {
    progress(`${profile}: predicting: ${rows.length} of ${chosen.length} strategies`);
    rows.push(await rowOf(lane, { b, baseline, against, captured }));
  }
  const { turns, medianPct, p95Pct } = identity;
  const table: Trust = {
    ...{ at, profile, predictedWith: PREDICTED_WITH, hours, seed, world: options.world },
    sessions: options.sessions,
    identity: { turns, medianPct: rounded(medianPct), p95Pct: rounded(p95Pct) },
    rows,
    left: [...left],
  };
  const again = b.filter(({ lane }) => lane === BASELINE).map(({ turn }) => turn.summary);
  const repeated = hours === undefined ? identityError(before, again) : undefined;
  return {
    table,
    strayErrors: strayErrors(captured, chosen, table),
    unusable: [
      ...(repeated === undefined || repeated.medianPct <= REPEATED_LIMIT_PCT
        ? []
        : [
            `${profile}: today's strategy took other times again, median ${repeated.medianPct.toFixed(1)} %: the machine was busy`,
          ]),
      ...rows
        .filter(({ lowPct, highPct }) => !Number.isFinite(lowPct) || !Number.isFinite(highPct))
        .map(({ name, turns: n }) => `${profile}: ${name} has ${n} measured turns, too few for an interval`),
    ],
  };
}

/** Stand-ins of the world at an hour, with connections warm, for as long as `work` takes. */
async function inWorld<T>(
  { profile, seed, world }: TrustOptions,
  hour: number | undefined,
  work: (against: ArmWorld) => Promise<T>,
): Promise<T> {
  const scenario = hour === undefined ? undefined : { title: `hour ${hour}`, rules: [], hour };
  const standIns = { profile, seed, draws: 'common', scenario } as const;
  if (world === 'sim') return work(simWorld(standIns, 'profile'));
  const wire = await startWire(standIns);
  try {
    await runLanes(wire.against, benchSessions(WARM_UP.sessions, 1), [{ name: 'warm-up' }], () => undefined);
    return await work(wire.against);
  } finally {
    await wire.close();
  }
}

/** The captures are asked for under the tables of other worlds, and under their own as if they were live: no error may be stated. */
function strayErrors(captured: readonly CapturedSession[], chosen: readonly Lane[], own: Trust): string[] {
  const others = loadTrust().filter(({ profile }) => profile !== own.profile);
  const live = captured.map((session) => ({
    ...session,
    turns: session.turns.map((log) => ({ ...log, identity: { ...log.identity, world: 'live' as const } })),
  }));
  return chosen.flatMap(({ name, variant }) => {
    const spec = { variant: name, patches: variant === undefined ? [] : [variant.patch] };
    const asked = { spec, baseline: [], profile: PREDICTED_WITH };
    const stated = [
      trustInCandidate({ ...asked, sessions: captured }, others),
      trustInCandidate({ ...asked, sessions: live }, [own, ...others]),
    ];
    return stated.flatMap(({ isMeasured, text }) => (isMeasured ? [`${own.profile}, ${name}: ${text}`] : []));
  });
}

function judgedLanes({ variants: wanted, visible }: TrustOptions): {
  chosen: Lane[];
  left: { name: string; why: string }[];
} {
  const all = namedVariants();
  const { judged, left } = judgeable(all, DEFAULT_STRATEGY);
  const invisible = INVISIBLE.filter(([name]) => visible?.includes(name) !== true);
  const why = new Map(invisible);
  const names = new Set(judged.map(({ name }) => name));
  const chosen = all.filter(({ name }) => names.has(name) && !why.has(name) && (wanted?.includes(name) ?? true));
  return {
    chosen: chosen.map((variant) => ({ name: variant.name, variant })),
    left: [...left, ...invisible.map(([name, because]) => ({ name, why: because }))],
  };
}

interface Measured {
  b: readonly LaneTurn[];
  baseline: readonly LaneTurn[];
  against: ArmWorld & { world: 'sim' };
  captured: readonly CapturedSession[];
}

async function rowOf(lane: Lane, { b, baseline, against, captured }: Measured): Promise<TrustRow> {
  const metric = PRIMARY_FIGURES[lane.variant?.primary ?? 'first-audible'].us;
  const measured = differences(
    b.filter((each) => each.lane === BASELINE),
    b.filter((each) => each.lane === lane.name),
    metric,
  );
  const first = await runLanes(against, captured, [lane], () => undefined);
  let simulated = first;
  const basis = basisShares(
    simulated.map(({ turn }) => turn),
    'candidate',
    lane.name,
  );
  if ((basis.captured ?? 0) < 1)
    for (let run = 1; run < DRAWN_RUNS; run++)
      simulated = [...simulated, ...(await runLanes(against, captured, [lane], () => undefined, run))];
  const predicted = differences(baseline, simulated, metric);
  const { mean, low = Number.NaN, high = Number.NaN } = clusteredMean(measured.bySession);
  const failed = b.filter((each) => each.lane === lane.name && each.turn.summary.failure !== undefined).length;
  const pct = (us: number): number => rounded((100 * us) / measured.meanUs);
  return {
    name: lane.name,
    turns: measured.bySession.flat().length,
    predictedPct: pct(clusteredMean(predicted.bySession).mean),
    measuredPct: pct(mean),
    lowPct: pct(low),
    highPct: pct(high),
    says: saysOf(lane, baseline, first),
    ...(failed === 0 ? {} : { failed }),
    basis: Object.fromEntries(Object.entries(basis).map(([name, share]) => [name, rounded(share)])),
  };
}

/** The word of a simulated report whose error is known: what the candidate asks for decides whether it is a claim. */
function saysOf({ name, variant }: Lane, before: readonly LaneTurn[], after: readonly LaneTurn[]): TrustRow['says'] {
  const candidate = variant === undefined ? DEFAULT_STRATEGY : resolveStrategy([variant.patch], name);
  const asks = asksOf(DEFAULT_STRATEGY, candidate);
  const summaries = (lane: readonly LaneTurn[]): TurnSummary[] => lane.map(({ turn }) => turn.summary);
  return diffLanes(summaries(before), summaries(after), {
    primary: variant?.primary,
    simulated: asks.length === 0 ? {} : { why: asks.join('; ') },
  })?.verdict;
}

/** Paired by turn, clustered by session. */
function differences(
  before: readonly LaneTurn[],
  after: readonly LaneTurn[],
  metric: Metric,
): { bySession: number[][]; meanUs: number } {
  const valueUs = new Map(before.map(({ turn }) => [turnKey(turn.summary), metric(turn.summary)]));
  const pairs = after.flatMap(({ turn: { summary } }) => {
    const [aUs, bUs] = [valueUs.get(turnKey(summary)), metric(summary)];
    return aUs === undefined || bUs === undefined ? [] : [{ session: summary.sessionId, aUs, bUs }];
  });
  const bySession = [...Map.groupBy(pairs, ({ session }) => session).values()];
  return {
    bySession: bySession.map((each) => each.map(({ aUs, bUs }) => bUs - aUs)),
    meanUs: pairs.reduce((sum, { aUs }) => sum + aUs, 0) / pairs.length,
  };
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
