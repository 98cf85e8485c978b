/** Ranks strategies on captured sessions: simulates every variant and combines the best. All figures are predicted. */
import { InputError } from '../../service/base/errors.ts';
import { weakFitNotes } from '../run/fit-error.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import type { SetUp } from '../plan/acts-where.ts';
import { settlingWorld, unpredictedBy } from '../plan/unpredicted.ts';
import { lacksCapture } from '../plan/plan.ts';
import { lanesOf, type CandidateSpec } from '../plan/lanes.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { runExperiment, type Experiment } from '../run/experiment.ts';
import { REFITS } from '../run/refits.ts';
import { summariesOf } from '../run/schedule.ts';
import { errorNotMeasured, foreignWorld, loadTrust, tableFor, trustInEndToEnd, type Trusted } from '../run/trust.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { COMBINED_BY } from '../variants/variants.ts';
import { capturedProfile } from '../sessions/load.ts';
import { proposalFor, sessionsToShow, worthReplaying, type Proposal, type SettlingWorld } from './proposals.ts';
import {
  attribute,
  combinationName,
  compatible,
  isGain,
  identityError,
  inRank,
  judgeable,
  rankCandidates,
  subsetsOf,
  type Ranked,
  type RankedVariant,
  type Sorted,
} from './rank.ts';
import type { Ranking } from './text.ts';

/** How many of the best are combined and attributed: 2^3 lanes. */
const COMBINED = 3;
const PROPOSED = 3;

export interface RankOptions {
  /** Of this checkout. */
  commit: string;
  variants: readonly RankedVariant[];
  /** By default that of the capture. */
  profile?: string;
  seed: string;
  runs: number;
  signal?: AbortSignal;
  onTurn?: (done: number, total: number) => void;
  /** Of the captured service: variants that cannot act in it are left out. By default all can. */
  setUp?: SetUp;
  /** The command that replays a variant, or several as `a+b`, on so many sessions. */
  commandOf?(name: string, sessions: number, world: SettlingWorld): string;
}

/** Simulates each variant, then the combinations of the best. Throws `InputError` where nothing can be ranked. */
export async function rankSessions(sessions: readonly CapturedSession[], options: RankOptions): Promise<Ranking> {
  const { commit, seed, runs, signal, onTurn } = options;
  const baseline = sessions[0]?.strategy;
  if (baseline === undefined)
    throw new InputError(
      'there is no session to rank strategies on; capture some with "retake serve" and "retake send"',
    );
  const profile = options.profile ?? capturedProfile(sessions);
  const { setUp, commandOf = bareCommand } = options;
  const replayOf = (name: string): string => commandOf(name, sessionsToShow(sessions), settlingWorld(sessions));
  const { judged, left } = applicable(judgeable(options.variants, baseline, { setUp, replayOf }), sessions, profile);
  if (judged.length === 0)
    throw new InputError(
      `none of the variants can be judged in virtual time: ${left.map(({ name, why }) => `${name} ${why}`).join('; ')}`,
    );
  const unmeasured: string[] = [];
  const simulate: Simulate = (candidates, more) =>
    runExperiment({
      sessions,
      candidates,
      baseline: [],
      world: 'sim',
      profile,
      seed,
      draws: 'common',
      runs,
      refits: 0,
      commit,
      signal,
      onTurn: (_turn, done, total) => onTurn?.(done, total),
      onUnmeasured: (what) => unmeasured.push(what),
      ...more,
    });

  const single = await simulate(judged.map(({ name, patch }) => ({ variant: name, patches: [patch] })));
  const lane = summariesOf(single.replayed, 'baseline', 'baseline');
  const captured = single.captured.filter((turn) => unlikeItself(turn) === undefined);
  const identity = identityError(captured, lane);
  const ranked = rankCandidates(single, new Map(judged.map(({ name, risk }) => [name, risk])));
  const table = tableFor({ sessions, profile }, loadTrust());
  const primaries = new Map(judged.map(({ name, primary }) => [name, primary]));
  const trustOf = ({ name }: Ranked): Trusted =>
    table === undefined ? foreignWorld(sessions) : trustInEndToEnd(name, primaries.get(name) ?? 'first-audible', table);
  const results = identity.within ? ranked.filter((each) => trustOf(each).shown) : [];
  const best = bestTogether(results, judged, (set) => compatible(set, baseline));
  const combined = best.length < 2 ? undefined : await combine(best, simulate);
  const simulated = [
    ...results.map((each) => ({ ...each, trust: trustOf(each) })),
    ...(combined?.ranked ?? []).map((each) => ({ ...each, trust: COMBINED_TRUST })),
  ].sort(inRank);
  const settled = await settle(worthReplaying(simulated, PROPOSED), { sessions, judged, captured, simulate, options });
  return {
    basis: 'predicted',
    turns: lane.length,
    sessions: sessions.length,
    profile,
    seed,
    identity,
    results: simulated.map((each) => ({ ...each, ...settled.whole.get(each.name) })),
    untrusted: ranked
      .filter((each) => identity.within && !results.includes(each))
      .map((each) => ({ name: each.name, why: trustOf(each).text })),
    left: [...left, ...unmeasured.map((what) => ({ name: 'not measured', why: what }))],
    leftOut: single.captured.flatMap((turn) => {
      const why = unlikeItself(turn);
      return why === undefined ? [] : [`session ${turn.sessionId}, turn ${turn.turnIndex}: ${why}`];
    }),
    weakFits: weakFitNotes(single.fitErrors, settlingWorld(sessions)),
    together: combined?.together,
    proposals: settled.proposals,
  };
}

const COMBINED_TRUST: Trusted = errorNotMeasured('of combinations');

type Simulate = (
  candidates: readonly CandidateSpec[],
  more?: Pick<ExperimentOptions, 'draws' | 'refits'>,
) => Promise<Experiment>;

interface Settling {
  sessions: readonly CapturedSession[];
  judged: readonly RankedVariant[];
  captured: readonly TurnSummary[];
  simulate: Simulate;
  options: RankOptions;
}

/**
 * The variants that are worth a replay, simulated twice more: with refits, so that their intervals hold the model's uncertainty, and under
 * independent draws, which show how far sessions differ.
 */
async function settle(
  worth: readonly Ranked[],
  { sessions, judged, captured, simulate, options }: Settling,
): Promise<{ proposals: Proposal[]; whole: ReadonlyMap<string, Pick<Ranked, 'primary' | 'verdict' | 'model'>> }> {
  if (worth.length === 0) return { proposals: [], whole: new Map() };
  const specs = worth.map(({ name }): CandidateSpec => {
    const parts = name.split(COMBINED_BY).flatMap((part) => judged.find((each) => each.name === part) ?? []);
    return {
      variant: name,
      patches: parts.map(({ patch }) => patch),
      primary: parts.length === 1 ? parts[0]?.primary : undefined,
    };
  });
  const predicted = await simulate(specs, { draws: 'common', refits: REFITS });
  const spread = await simulate(specs, { draws: 'independent', refits: 0 });
  const reportIn = ({ reports }: Experiment, name: string) => reports.find(({ variant }) => variant === name)?.report;
  const world = settlingWorld(sessions);
  const { commit, commandOf = bareCommand } = options;
  const proposals = worth.flatMap((ranked) => {
    const [of, by] = [reportIn(predicted, ranked.name), reportIn(spread, ranked.name)];
    const spec = specs.find(({ variant }) => variant === ranked.name);
    if (of === undefined || by === undefined || spec === undefined) return [];
    const { lanes } = lanesOf({ candidates: [spec], baseline: [], world, commit });
    const about = { ranked, primary: spec.primary ?? 'first-audible', predicted: of, spread: by, lanes };
    return proposalFor(about, captured, { world, commandOf }) ?? [];
  });
  const whole = worth.flatMap(({ name }) => {
    const report = reportIn(predicted, name);
    if (report?.endToEnd === undefined) return [];
    const { endToEnd: primary, verdict, validity } = report;
    return [[name, { primary, verdict, model: validity.model }] as const];
  });
  return { proposals, whole: new Map(whole) };
}

const bareCommand = (name: string, sessions: number, world: SettlingWorld): string =>
  `npx retake replay --variant ${name} --world ${world} --sample ${sessions}`;

/** All combinations of these in one more experiment: their ranks, and the contribution of each variant. */
async function combine(
  best: readonly RankedVariant[],
  simulate: Simulate,
): Promise<{ ranked: Ranked[]; together: Ranking['together'] }> {
  const sets = subsetsOf(best).map((set) => ({ set, variant: combinationName(set.map(({ name }) => name)) }));
  const experiment = await simulate(
    sets.map(({ set, variant }) => ({ variant, patches: set.map(({ patch }) => patch) })),
  );
  const risks = sets
    .filter(({ set }) => set.length > 1)
    .map(({ set, variant }) => [variant, set.map(({ risk }) => risk).join(' ')] as const);
  const names = best.map(({ name }) => name);
  const found = attribute(experiment, names);
  return {
    ranked: rankCandidates(experiment, new Map(risks)),
    together: found === undefined ? undefined : { names, ...found },
  };
}

/** The best compatible variants that gain and break no guard, best first. */
function bestTogether(
  ranked: readonly Ranked[],
  judged: readonly RankedVariant[],
  fits: (set: readonly RankedVariant[]) => boolean,
): RankedVariant[] {
  const chosen: RankedVariant[] = [];
  for (const { name } of ranked.filter(isGain)) {
    const variant = judged.find((each) => each.name === name);
    if (variant === undefined || chosen.length >= COMBINED) continue;
    if (fits([...chosen, variant])) chosen.push(variant);
  }
  return chosen;
}

/** Why a captured turn does not tell whether the simulation reproduces it: what ended it is not in its exchanges. */
function unlikeItself({ failure, interrupted }: TurnSummary): string | undefined {
  if (failure !== undefined) return `failed (${failure.stage} ${failure.kind})`;
  return interrupted === true ? 'interrupted by the user' : undefined;
}

/** Leaves out variants that these sessions cannot be replayed under. */
function applicable({ judged, left }: Sorted, sessions: readonly CapturedSession[], profile: string): Sorted {
  const asked = judged.map((variant) => ({ variant, why: inapplicable(variant, sessions, profile) }));
  return {
    judged: asked.filter(({ why }) => why === undefined).map(({ variant }) => variant),
    left: [...left, ...asked.flatMap(({ variant: { name }, why }) => (why === undefined ? [] : [{ name, why }]))],
  };
}

function inapplicable(
  { name, patch }: RankedVariant,
  sessions: readonly CapturedSession[],
  profile: string,
): string | undefined {
  const strategyOf = (captured: Strategy): Strategy => resolveStrategy([patch], name, captured);
  try {
    return lacksCapture(sessions, strategyOf, 'sim') ?? unpredictedBy(sessions, { variant: name, strategyOf }, profile);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}
