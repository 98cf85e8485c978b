/** A ranking as text for a terminal and as JSON. Pure. */
import { basisText } from '../run/basis.ts';
import type { Proposal } from './proposals.ts';
import { breaks, isGain, IDENTITY_LIMIT, type IdentityError, type Ranked } from './rank.ts';
import type { Attribution } from './shapley.ts';
import { roundToSum, signed } from '../statistics/rounding.ts';
import { plain, wrapped } from '../report/words.ts';
import { ERROR_LIMIT_PCT, TRUST_PAGE, type Trusted } from '../run/trust.ts';

export interface Ranking {
  basis: 'predicted';
  turns: number;
  sessions: number;
  profile: string;
  seed: string;
  identity: IdentityError;
  /** In rank, with combinations of the best. None where the simulation does not reproduce its capture. */
  results: readonly (Ranked & { trust: Trusted })[];
  /** Simulated, but the simulation has been wrong about them. */
  untrusted: readonly { name: string; why: string }[];
  /** Not simulated. */
  left: readonly { name: string; why: string }[];
  /** Captured turns that are in neither the identity error nor a plan, a line each. */
  leftOut: readonly string[];
  /** Kinds of exchanges whose fit says little, a line each. */
  weakFits: readonly string[];
  /** `attribution` in µs, summed over `turns` turns. */
  together?: { names: readonly string[]; attribution: Attribution; turns: number };
  proposals: readonly Proposal[];
}

/** Figures in ms a turn. In `sumUs`, parts add up to `together` exactly: µs over `turns` turns and `shares` orders. */
export function asJson({ results, together, ...ranking }: Ranking): unknown {
  return {
    ...ranking,
    results: results.map(({ name, primary, verdict, asks, model, usdPerTurn, charactersPerTurn, ...more }) => ({
      ...{ name, verdict, asks, model },
      ...{ stage: primary.stage, aMs: primary.aMs, bMs: primary.bMs, deltaMs: primary.deltaMs, n: primary.n },
      ...{ lowMs: primary.lowMs, highMs: primary.highMs, usdPerTurn },
      ...{ charactersPerTurn, sources: more.sources, trust: more.trust.text, risk: more.risk },
      broken: more.broken.map(({ name: guard, detail, predicted }) => ({ name: guard, detail, predicted })),
    })),
    together: together && togetherJson(together),
  };
}

function togetherJson({ names, attribution, turns }: NonNullable<Ranking['together']>): unknown {
  const { contributions, shares, alone, interactions } = attribution;
  return {
    ...{ turns, shares, sumUs: attribution.together * shares, deltaMs: attribution.together / turns / 1000 },
    parts: names.map((name, index) => {
      const sumUs = contributions[index] ?? 0;
      return {
        ...{ name, sumUs, deltaMs: sumUs / shares / turns / 1000 },
        aloneMs: (alone[index] ?? 0) / turns / 1000,
      };
    }),
    interactions: interactions.map(({ pair, value }) => ({
      names: pair.map((index) => names[index]),
      deltaMs: value / turns / 1000,
    })),
  };
}

/** `--json` has all. */
const LEFT_OUT_SHOWN = 5;

/** Lines for a terminal. None is wider than `columns`, but a longer word and the table of 80 columns. */
export function rankingRows(ranking: Ranking, columns: number): string[] {
  const { identity, untrusted, left, together } = ranking;
  const rows = [
    `predicted (sim): ${ranking.turns} turns in ${ranking.sessions} sessions, profile ${ranking.profile}, seed ${ranking.seed}; gain: end to end`,
    `identity error: the captured strategy simulated is off by median ${identity.medianPct.toFixed(2)} %, p95 ${identity.p95Pct.toFixed(2)} % (limits ${IDENTITY_LIMIT.medianPct} %, ${IDENTITY_LIMIT.p95Pct} %)`,
  ];
  if (ranking.leftOut.length > 0)
    rows.push(
      `left out of the identity error: ${ranking.leftOut
        .slice(0, LEFT_OUT_SHOWN)
        .map((each) => plain(each))
        .join(
          '; ',
        )}${ranking.leftOut.length > LEFT_OUT_SHOWN ? `; and ${ranking.leftOut.length - LEFT_OUT_SHOWN} more` : ''}`,
    );
  rows.push(...ranking.weakFits.map((each) => `weak fit: ${plain(each)}`));
  const told = (lines: readonly string[]): string[] => lines.flatMap((line) => wrapped(line, ' ', columns));
  if (!identity.within) {
    return told([
      ...rows,
      'beyond the limit: the simulation does not reproduce this capture, so no prediction is a result',
    ]);
  }
  const listed = (items: readonly { name: string; why: string }[]): string =>
    items.map(({ name, why }) => `${name} (${why})`).join('; ');
  const after = ['', ...intervalNotes(ranking.results), ...notesOn(ranking.results)];
  if (untrusted.length > 0)
    after.push(
      '',
      `no result, since the simulation has been wrong in sign or by more than ${ERROR_LIMIT_PCT} % (${TRUST_PAGE}): ${listed(untrusted)}`,
    );
  if (left.length > 0) after.push('', `left out: ${listed(left)}`);
  if (together !== undefined) after.push('', ...attributionRows(together));
  // what the simulation cannot settle comes before its own figures
  return [...told([...rows, '', ...proposalRows(ranking)]), '', ...tableOf(ranking.results), ...told(after)];
}

/** Whose intervals hold what. */
function intervalNotes(ranked: Ranking['results']): string[] {
  const whole = ranked.flatMap(({ name, model }) =>
    model === undefined ? [] : [`${name} (${model.variancePct.toFixed(0)} % of the variance)`],
  );
  const [first] = ranked.flatMap(({ model }) => model ?? []);
  return first === undefined
    ? []
    : [
        `model uncertainty (${first.refits} refits) is in the intervals of ${whole.join(', ')}; all others are over sessions only`,
      ];
}

/** A longer name has a line of its own. */
const NAME_CHARS = 28;

function tableOf(ranked: Ranking['results']): string[] {
  if (ranked.length === 0) return ['nothing to show'];
  const line = (cells: readonly [name: string, gain: string, interval: string, usd: string, error: string]): string => {
    const [name, gain, interval, usd, error] = cells;
    const figures = `${gain.padStart(8)} ${interval.padStart(14)} ${usd.padStart(9)} ${error}`;
    return `${name.length > NAME_CHARS ? `${name}\n${' '.repeat(NAME_CHARS)}` : name.padEnd(NAME_CHARS)}${figures}`;
  };
  const rows = ranked.map((each) => {
    const { name, primary, usdPerTurn, trust } = each;
    const { deltaMs, lowMs, highMs } = primary;
    const interval =
      lowMs === undefined || highMs === undefined ? 'one session' : `[${signed(lowMs, 0)}, ${signed(highMs, 0)}]`;
    const usd = usdPerTurn === undefined ? 'unpriced' : signed(usdPerTurn, 6);
    return line([name, signed(deltaMs, 1), interval, usd, breaks(each) ? 'breaks a guard' : trust.short]);
  });
  return [line(['strategy', 'gain ms', '[95 %]', 'USD/turn', 'error, % of wait']), ...rows].flatMap((row) =>
    row.split('\n'),
  );
}

/** The basis, trust and risk of each variant that gains, and the guards of those that break one. `--json` has the rest. */
function notesOn(ranked: Ranking['results']): string[] {
  const worth = ranked
    .filter(isGain)
    .map(
      ({ name, verdict, asks, sources, trust, risk, broken }) =>
        `  ${name}: ${wordText(verdict, asks)}; ${basisText(sources)}; ${trust.text}; ${predictedHarm(broken)}risk: ${risk}`,
    );
  const bought = ranked.filter(breaks).map(({ name, broken }) => `  ${name}: ${guardsText(broken)}`);
  return [
    ...(worth.length === 0 ? [] : ['of those that gain:', ...worth]),
    ...(bought.length === 0 ? [] : ['gain by breaking a guard, so neither combined nor proposed:', ...bought]),
  ];
}

const guardsText = (guards: Ranked['broken']): string =>
  guards.map(({ name, detail }) => `${name} (${detail})`).join(', ');

/** Guards that a model's figures break: shown, and a replay's to judge. */
const predictedHarm = (broken: Ranked['broken']): string =>
  broken.length === 0 ? '' : `predicted to break a guard: ${guardsText(broken)}; `;

/** Contributions in ms a turn; the printed rows add up to the printed total. */
function attributionRows({ names, attribution, turns }: NonNullable<Ranking['together']>): string[] {
  const ms = (us: number): number => us / turns / 1000;
  const parts = roundToSum(
    attribution.contributions.map((each) => ms(each / attribution.shares)),
    1,
  );
  const width = Math.max(...names.map((name) => name.length), 8);
  const total = parts.reduce((sum, each) => sum + each, 0);
  return [
    `together, by Shapley's value over ${1 << names.length} simulated lanes of ${turns} turns (ms a turn)`,
    ...names.map(
      (name, index) =>
        `  ${name.padEnd(width)} ${signed(parts[index] ?? 0, 1).padStart(9)}   alone ${signed(ms(attribution.alone[index] ?? 0), 1)}`,
    ),
    `  ${'together'.padEnd(width)} ${signed(total, 1).padStart(9)}   adds up exactly`,
    ...attribution.interactions.map(
      ({ pair: [a, b], value }) => `  ${names[a]} × ${names[b]}: interaction ${signed(ms(value), 1)}`,
    ),
  ];
}

/** `predicted lower, asks for another model (llm.model)`. */
const wordText = (verdict: string, asks: readonly string[]): string =>
  [verdict, ...asks.map((each) => `asks for ${each}`)].join(', ');

function proposalRows({ results, proposals }: Ranking): string[] {
  if (!results.some(isGain)) return ['nothing gains: no replay is proposed'];
  if (proposals.length === 0)
    return ['too few captured sessions to plan a replay by, or no number of them would settle it'];
  return [
    'replays that would settle it, best first: so many sessions decide four in five, if the true difference is the predicted one (how far sessions differ is simulated too, under independent draws):',
    ...proposals.map(({ name, verdict, asks, sessions, pairs, usd, ttsCharacters, world, ...more }) => {
      const price = usd === undefined ? 'LLM unpriced' : `LLM about ${usd.toFixed(4)} USD`;
      const costs = world === 'wire' ? 'nothing is paid for' : `${price}, TTS unpriced: ${ttsCharacters} characters`;
      const found = `find ${more.detectablePct.toFixed(1)} % (${more.detectableMs.toFixed(0)} ms) or more`;
      return `  ${name}: ${wordText(verdict, asks)}; ${sessions} sessions (${pairs} turn pairs) ${found}; ${costs}; ${more.command}`;
    }),
  ];
}
