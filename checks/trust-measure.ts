/**
 * Predicts strategies in `sim` from a capture made in `wire`. Then measures them in `wire` on the same turns, beside the captured
 * strategy, which runs again (docs/virtual-time.md#counterfactual-error).
 */
import { isDeepStrictEqual } from 'node:util';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { simWorld, startWire } from '../replay/arms/against.ts';
import type { ArmWorld } from '../replay/arms/arm.ts';
import { basisShares } from '../replay/run/basis.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import { PRIMARY_FIGURES } from '../replay/diff/diff.ts';
import { identityError, judgeable } from '../replay/rank/rank.ts';
import { clusteredMean } from '../replay/statistics/estimates.ts';
import type { Trust, TrustRow } from '../replay/run/trust.ts';
import { namedVariants } from '../replay/variants/variants.ts';
import { BASELINE } from '../bench/turns/arm-result.ts';
import { turnKey } from '../service/base/events.ts';
import { capturedFrom, runLanes, withHistory, type Lane, type LaneTurn } from './trust-lanes.ts';
import { benchSessions } from '../bench/turns/sessions.ts';

const PROFILE = 'seed';
const WARM_UP = { sessions: 24 } as const;
/** Drawn times, of a profile or of fitted exchanges, are averaged over so many runs. */
const DRAWN_RUNS = 3;
/** Sessions of the capture that the model is fitted to. They run at once, so more take no longer. */
const CAPTURED_SESSIONS = 36;

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
export const TRUST_WORLDS = ['wire', 'sim'] as const;

export interface TrustOptions {
  sessions: number;
  turns: number;
  /** Sessions of the capture that the model is fitted to; 36 by default. */
  captured?: number;
  /** Only these strategies; by default all that can be judged. */
  variants?: readonly string[];
  seed: string;
  world: (typeof TRUST_WORLDS)[number];
  /** Today, `YYYY-MM-DD`. */
  at: string;
  progress: (text: string) => void;
}

/** The options of the committed measurement. */
export const COMMITTED = { sessions: 24, turns: 3, seed: 'trust', world: 'wire' } as const;

/** Whether a measurement may replace the committed one: it has the same size, seed and world, and all variants. */
export function replacesCommitted({ variants, sessions, turns, seed, world }: TrustOptions): boolean {
  return variants === undefined && isDeepStrictEqual({ sessions, turns, seed, world }, COMMITTED);
}

type Metric = (turn: TurnSummary) => number | undefined;

/** Captures, predicts, measures. Takes about as long as its longest session, times lanes × sessions ÷ 64. */
export async function measureTrust(options: TrustOptions): Promise<Trust> {
  const { seed, progress, at } = options;
  const { chosen, left } = judgedLanes(options.variants);
  const standIns = { profile: PROFILE, seed, draws: 'common' } as const;
  const wire =
    options.world === 'wire'
      ? await startWire(standIns)
      : { against: simWorld(standIns, 'profile'), close: () => Promise.resolve() };
  try {
    const fixtures = benchSessions(
      Math.max(options.captured ?? CAPTURED_SESSIONS, options.sessions),
      options.turns,
    ).map(withHistory);
    const told = (what: string) => (done: number, all: number) => progress(`${what}: ${done} of ${all} sessions`);
    progress('warming up');
    if (options.world === 'wire')
      await runLanes(wire.against, benchSessions(WARM_UP.sessions, 1), [{ name: 'warm-up' }], () => undefined);
    const a = await runLanes(wire.against, fixtures, [{ name: 'captured' }], told('capturing'));
    const all = fixtures.map((session) => capturedFrom(session, a));
    const captured = all.slice(0, options.sessions);
    // today's strategy runs beside the others, so that the machine is equally busy
    const b = await runLanes(wire.against, captured, [{ name: BASELINE }, ...chosen], told('measuring'));
    const against = simWorld({ profile: PROFILE, seed: `${seed}/predicted`, draws: 'common', sessions: all });
    const baseline = await runLanes(against, captured, [{ name: BASELINE }], () => undefined);
    const summaries = a.map(({ turn }) => turn.summary);
    const identity = identityError(
      summaries,
      baseline.map(({ turn }) => turn.summary),
    );
    const rows: TrustRow[] = [];
    for (const lane of chosen) {
      progress(`predicting: ${rows.length} of ${chosen.length} strategies`);
      rows.push(await rowOf(lane, { b, baseline, against, captured }));
    }
    const { turns, medianPct, p95Pct } = identity;
    return {
      at,
      profile: PROFILE,
      seed,
      world: options.world,
      sessions: options.sessions,
      identity: { turns, medianPct: rounded(medianPct), p95Pct: rounded(p95Pct) },
      rows,
      left: [...left],
    };
  } finally {
    await wire.close();
  }
}

function judgedLanes(wanted: readonly string[] | undefined): { chosen: Lane[]; left: { name: string; why: string }[] } {
  const all = namedVariants();
  const { judged, left } = judgeable(all, DEFAULT_STRATEGY);
  const why = new Map(INVISIBLE);
  const names = new Set(judged.map(({ name }) => name));
  const chosen = all.filter(({ name }) => names.has(name) && !why.has(name) && (wanted?.includes(name) ?? true));
  return {
    chosen: chosen.map((variant) => ({ name: variant.name, variant })),
    left: [...left, ...INVISIBLE.map(([name, because]) => ({ name, why: because }))],
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
  let simulated = await runLanes(against, captured, [lane], () => undefined);
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
  const pct = (us: number): number => rounded((100 * us) / measured.meanUs);
  return {
    name: lane.name,
    turns: measured.bySession.flat().length,
    predictedPct: pct(clusteredMean(predicted.bySession).mean),
    measuredPct: pct(mean),
    lowPct: pct(low),
    highPct: pct(high),
    basis: Object.fromEntries(Object.entries(basis).map(([name, share]) => [name, rounded(share)])),
  };
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
