/** `retake replay --rank`: what would help, before a cent is spent. Everything printed is predicted. */
import { InputError } from '../service/errors.ts';
import { basisText } from './basis.ts';
import type { CommandContext } from './context.ts';
import type { CandidateSpec } from './experiment-plan.ts';
import { runExperiment } from './experiment.ts';
import {
  ASSUMED_CORRELATION,
  attribute,
  combinationName,
  compatible,
  IDENTITY_LIMIT,
  identityError,
  judgeable,
  pairsFor,
  rankCandidates,
  type Ranked,
  type RankedVariant,
} from './rank.ts';
import { chosenSessions, type ReplayCommandOptions } from './replay-command.ts';
import { summariesOf } from './run.ts';
import { currentCommit } from './serve-command.ts';
import { roundToSum } from './stats.ts';
import { ERROR_LIMIT_PCT, loadTrust, trustIn, TRUST_PAGE, type Trust } from './trust.ts';
import { namedVariants } from './variants.ts';

/** How many of the best are combined and attributed: 2^3 lanes. */
const COMBINED = 3;
const PROPOSED = 3;

export async function rankCommand(context: CommandContext, options: ReplayCommandOptions): Promise<void> {
  if (options.world !== 'sim') throw new InputError(`--rank simulates: use it without --world ${options.world}`);
  const sessions = await chosenSessions(context, options);
  const baseline = sessions[0]?.strategy;
  if (baseline === undefined) throw new InputError('there is no session to rank strategies on');
  const profile = options.profile ?? sessions[0]?.profile ?? 'seed';
  const wanted = options.variant;
  const all = namedVariants().filter(({ name }) => wanted === undefined || wanted.includes(name));
  const { judged, left } = judgeable(all, baseline);
  if (judged.length === 0) throw new InputError('none of the variants can be judged in virtual time');
  const simulate = (candidates: readonly CandidateSpec[]) =>
    runExperiment({
      sessions,
      candidates,
      baseline: [],
      world: 'sim',
      profile,
      seed: options.seed,
      draws: 'common',
      runs: options.runs,
      commit: currentCommit(),
      signal: context.signal,
      onTurn: (_turn, done, total) => {
        if (done % 20 === 0) context.progress(`simulating: ${done} of ${total} turns`);
      },
    });

  const single = await simulate(judged.map(({ name, patch }) => ({ variant: name, patches: [patch] })));
  const lane = summariesOf(single.replayed, 'baseline', 'baseline');
  const identity = identityError(single.captured, lane);
  const print = (text: string): void => context.out(text);
  context.progressDone();
  print(
    `predicted (sim): ${lane.length} turns in ${sessions.length} sessions, profile ${profile}, seed ${options.seed}`,
  );
  print(
    `identity error: the captured strategy simulated is off by median ${identity.medianPct.toFixed(2)} %, p95 ${identity.p95Pct.toFixed(2)} % (limits ${IDENTITY_LIMIT.medianPct} %, ${IDENTITY_LIMIT.p95Pct} %)`,
  );
  if (!identity.within) {
    print('beyond the limit: the simulation does not reproduce this capture, so no prediction is shown as a result');
    context.exit(3);
    return;
  }
  const ranked = rankCandidates(single, new Map(judged.map(({ name, risk }) => [name, risk])));
  print('');
  const trust = loadTrust();
  const results = ranked.filter(({ name }) => trustIn(name, trust).shown);
  for (const row of tableOf(results, trust)) print(row);
  const hidden = ranked.filter((each) => !results.includes(each));
  if (hidden.length > 0)
    print(
      `\nno result, since the simulation has been wrong by more than ${ERROR_LIMIT_PCT} % (${TRUST_PAGE}): ${hidden.map(({ name }) => `${name} (${trustIn(name, trust).text})`).join('; ')}`,
    );
  if (left.length > 0) print(`\nleft out: ${left.map(({ name, why }) => `${name} (${why})`).join('; ')}`);

  const best = bestTogether(results, judged, (a, b) => compatible(a, b, baseline));
  if (best.length >= 2) {
    const sets = Array.from({ length: (1 << best.length) - 1 }, (_, index) =>
      best.filter((_each, at) => ((index + 1) & (1 << at)) !== 0),
    );
    const combined = await simulate(
      sets.map((set) => ({
        variant: combinationName(set.map(({ name }) => name)),
        patches: set.map(({ patch }) => patch),
      })),
    );
    context.progressDone();
    print('');
    for (const row of attributionRows(
      combined,
      best.map(({ name }) => name),
    ))
      print(row);
  }
  print('');
  for (const row of proposals(results, single.captured)) print(row);
}

/** The best compatible variants that gain something, best first. */
function bestTogether(
  ranked: readonly Ranked[],
  judged: readonly RankedVariant[],
  fits: (a: RankedVariant, b: RankedVariant) => boolean,
): RankedVariant[] {
  const chosen: RankedVariant[] = [];
  for (const { name, diff } of ranked) {
    const variant = judged.find((each) => each.name === name);
    if (variant === undefined || diff.primary.deltaMs >= 0 || chosen.length >= COMBINED) continue;
    if (chosen.every((each) => fits(each, variant))) chosen.push(variant);
  }
  return chosen;
}

const signed = (value: number, digits: number): string =>
  `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value).toFixed(digits)}`;

function tableOf(ranked: readonly Ranked[], trust: Trust): string[] {
  if (ranked.length === 0) return ['nothing to show'];
  const width = Math.max(...ranked.map(({ name }) => name.length));
  return [
    `${'strategy'.padEnd(width)}      gain ms             [95 %]  USD/turn    times from                     prediction                                    risk`,
    ...ranked.map(({ name, diff: { primary }, usdPerTurn, sources, risk }) => {
      const interval =
        primary.lowMs === undefined || primary.highMs === undefined
          ? 'one session'
          : `[${signed(primary.lowMs, 0)}, ${signed(primary.highMs, 0)}]`;
      const usd = usdPerTurn === undefined ? 'unpriced' : signed(usdPerTurn, 6);
      const from = basisText(sources);
      return `${name.padEnd(width)} ${signed(primary.deltaMs, 1).padStart(12)} ${interval.padStart(18)}  ${usd.padEnd(10)}  ${from.padEnd(30)} ${trustIn(name, trust).text.padEnd(45)} ${risk}`;
    }),
  ];
}

/** Contributions in ms a turn; the printed rows add up to the printed total. */
function attributionRows(experiment: Parameters<typeof attribute>[0], names: readonly string[]): string[] {
  const attributed = attribute(experiment, names);
  if (attributed === undefined) return ['no turn was measured in every combination: nothing to attribute'];
  const { attribution, turns } = attributed;
  const ms = (us: number): number => us / turns / 1000;
  const parts = roundToSum(
    attribution.contributions.map((each) => ms(each / attribution.shares)),
    1,
  );
  const width = Math.max(...names.map((name) => name.length), 8);
  return [
    `together, by Shapley's value over ${1 << names.length} simulated lanes of ${turns} turns (ms a turn)`,
    ...names.map(
      (name, index) =>
        `  ${name.padEnd(width)} ${signed(parts[index] ?? 0, 1).padStart(9)}   alone ${signed(ms(attribution.alone[index] ?? 0), 1)}`,
    ),
    `  ${'together'.padEnd(width)} ${signed(
      parts.reduce((sum, each) => sum + each, 0),
      1,
    ).padStart(9)}   adds up exactly`,
    ...attribution.interactions.map(
      ({ pair: [a, b], value }) => `  ${names[a]} × ${names[b]}: interaction ${signed(ms(value), 1)}`,
    ),
  ];
}

/** The few live replays that would settle it. */
function proposals(ranked: readonly Ranked[], captured: Parameters<typeof pairsFor>[0]): string[] {
  const worth = ranked.filter(({ diff }) => diff.primary.deltaMs < 0).slice(0, PROPOSED);
  if (worth.length === 0) return ['nothing gains: no live replay is proposed'];
  const priced = captured.flatMap(({ costUsd }) => costUsd ?? []);
  const usd = priced.reduce((sum, each) => sum + each, 0) / Math.max(1, priced.length);
  const characters = captured.reduce((sum, turn) => sum + (turn.characters ?? 0), 0) / Math.max(1, captured.length);
  return [
    `live replays that would settle it, at 80 % power (two-sided 5 %; spread from the capture, correlation of the arms assumed ${ASSUMED_CORRELATION}):`,
    ...worth.map(({ name, diff: { primary }, usdPerTurn = 0 }) => {
      const pairs = pairsFor(captured, -primary.deltaMs / primary.aMs);
      if (pairs === undefined) return `  ${name}: too few captured turns to plan`;
      const price =
        priced.length === 0 ? 'LLM unpriced' : `LLM about ${(pairs * (2 * usd + usdPerTurn)).toFixed(4)} USD`;
      return `  ${name}: ${pairs} turn pairs, ${price}, TTS unpriced: ${Math.round(2 * pairs * characters)} characters; npx retake replay --variant ${name} --world live`;
    }),
  ];
}
