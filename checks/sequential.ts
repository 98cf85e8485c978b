/**
 * `npm run verify -- sequential`: a run until decided keeps the promises of one of fixed size, and saves sessions. Imagined runs of 8 to 60
 * sessions are looked at after each session from the fourth. Their looks, intervals and verdicts are the pipeline's own functions; the differences
 * B − A of turns are drawn here, since a run of whole turns takes a thousand times as long. Guards are tested on whole turns, in a cell of
 * their own.
 */
import { guardsOff } from './sequential-guards.ts';
import { commandOf, wholeFrom } from '../scripts/programs/options.ts';
import { keyedRandom } from '../service/base/random.ts';
import { median } from '../service/base/quantile.ts';
import { createLooks, FIRST_LOOK, isDecided, type Look } from '../replay/diff/looks.ts';
import { detectableMs, type Spread } from '../replay/diff/power.ts';
import { DEFAULT_BOUNDS, judge, type Verdict } from '../replay/diff/verdict.ts';
import { normalDraw } from '../replay/statistics/distributions.ts';
import { clusteredMean, LEVEL, mean, sum } from '../replay/statistics/estimates.ts';

const SIZES = [8, 20, 40, 60] as const;
/** The true difference, in detectable ones of the plan of fixed size. */
const EFFECTS = [0, 1, 1.5] as const;

type Random = () => number;

const LOG_SD = 0.8;
/** Of mean 0 and standard deviation 1. Two exchangeable arms differ by such a draw. */
const NOISES: Readonly<Record<string, (random: Random) => number>> = {
  normal: normalDraw,
  /** Of two waits that are lognormal. */
  lognormal: (random) =>
    (Math.exp(LOG_SD * normalDraw(random)) - Math.exp(LOG_SD * normalDraw(random))) /
    Math.sqrt(2 * Math.exp(LOG_SD ** 2) * (Math.exp(LOG_SD ** 2) - 1)),
  /** Student's t with 3 degrees of freedom. */
  'heavy tails': (random) =>
    normalDraw(random) / Math.sqrt(normalDraw(random) ** 2 + normalDraw(random) ** 2 + normalDraw(random) ** 2),
};

const TURN_MS = 100;
/** What the turns of one session share, as a part of `TURN_MS`. */
const SHARED = 0.5;
const EQUAL_TURNS = 4;
const MOST_TURNS = 20;
/** Few, so that quantiles of their degrees of freedom are computed once. */
const PATTERNS = 40;

/** Turns of each session, run by run. */
const SESSIONS: Readonly<Record<string, (sessions: number) => (run: number) => readonly number[]>> = {
  'equal sessions': (sessions) => {
    const turns = Array.from({ length: sessions }, () => EQUAL_TURNS);
    return () => turns;
  },
  'sessions of 1 to 20 turns': (sessions) => {
    const random = keyedRandom('turns of sessions', sessions);
    const patterns = Array.from({ length: PATTERNS }, () =>
      Array.from({ length: sessions }, () => 1 + Math.floor(random() * MOST_TURNS)),
    );
    return (run) => patterns[run % PATTERNS] ?? [];
  },
};

/** How far the estimate of a plan of fixed size strays, on average over the patterns. */
function spreadOfPlan(turnsOf: (run: number) => readonly number[]): Spread {
  const patterns = Array.from({ length: PATTERNS }, (_, run) => turnsOf(run));
  const errorMs = (turns: readonly number[]): number =>
    (TURN_MS * Math.sqrt(sum(turns.map((each) => (SHARED * each) ** 2 + each)))) / sum(turns);
  const degrees = (turns: readonly number[]): number => sum(turns) ** 2 / sum(turns.map((each) => each ** 2)) - 1;
  return { errorMs: mean(patterns.map(errorMs)), degrees: mean(patterns.map(degrees)) };
}

interface Cell {
  noise: string;
  kind: string;
  sessions: number;
  /** In standard errors of the plan of fixed size. */
  margin: number;
  effect: number;
}

interface Found {
  /** Shares of runs, in %. */
  slower: number;
  faster: number;
  covered: number;
  /** Median share of sessions that were not needed, in %. */
  saved: number;
  meanSessions: number;
}

/** `levelOf` a look takes the place of its own level. */
function simulate(
  { noise, kind, sessions, margin, effect }: Cell,
  runs: number,
  levelOf = ({ level }: Look): number => level,
): Found {
  const turnsOf = SESSIONS[kind]?.(sessions);
  const draw = NOISES[noise];
  if (turnsOf === undefined || draw === undefined) throw new TypeError(`${noise}, ${kind}`);
  const random = keyedRandom('sequential', noise, kind, sessions, margin, effect);
  const lookAfter = createLooks(sessions);
  const spread = spreadOfPlan(turnsOf);
  const marginMs = margin * spread.errorMs;
  const effectMs = effect * detectableMs(spread, marginMs);
  const verdicts: Verdict[] = [];
  const used: number[] = [];
  let covered = 0;
  for (let run = 0; run < runs; run++) {
    const played: number[][] = [];
    let turns = 0;
    for (const size of turnsOf(run)) {
      const shared = effectMs + TURN_MS * SHARED * draw(random);
      played.push(Array.from({ length: size }, () => shared + TURN_MS * draw(random)));
      turns += size;
      if (played.length < FIRST_LOOK) continue;
      const {
        mean: deltaMs,
        low: lowMs,
        high: highMs,
      } = clusteredMean(played, levelOf(lookAfter(played.length, turns)));
      const { verdict } = judge({
        effect: { deltaMs, lowMs, highMs },
        marginMs,
        guards: [],
        matchedShare: 1,
        sessions: played.length,
        largestShare: Math.max(...played.map((session) => session.length)) / turns,
        invalid: [],
        observational: false,
        bounds: DEFAULT_BOUNDS,
      });
      if (!isDecided(verdict) && played.length < sessions) continue;
      verdicts.push(verdict);
      used.push(played.length);
      if (lowMs !== undefined && highMs !== undefined && lowMs <= effectMs && highMs >= effectMs) covered++;
      break;
    }
  }
  const shareOf = (wanted: Verdict): number => (100 * verdicts.filter((each) => each === wanted).length) / runs;
  return {
    slower: shareOf('slower'),
    faster: shareOf('faster'),
    covered: (100 * covered) / runs,
    saved: (100 * (sessions - median(used))) / sessions,
    meanSessions: sum(used) / runs,
  };
}

const NO_SAVING = Number.NEGATIVE_INFINITY;
/** What must hold at an effect, in %. `saved` of runs of at least `fromSessions`. */
const BARS: Readonly<Record<number, { falsely?: number; power?: number; saved?: number }>> = {
  0: { falsely: 6.4 },
  1: { power: 73, saved: 20 },
  1.5: { saved: 35 },
};
const SAVING_FROM = 20;
const COVERAGE = 93;

function missed({ sessions, effect }: Cell, { slower, faster, covered, saved }: Found): string[] {
  const bars = BARS[effect] ?? {};
  const savedBar = sessions < SAVING_FROM ? NO_SAVING : (bars.saved ?? NO_SAVING);
  return [
    ...(bars.falsely !== undefined && slower + faster > bars.falsely ? [`false verdicts above ${bars.falsely} %`] : []),
    ...(covered < COVERAGE ? [`coverage below ${COVERAGE} %`] : []),
    ...(bars.power !== undefined && slower < bars.power ? [`power below ${bars.power} %`] : []),
    ...(saved < savedBar ? [`median saving below ${savedBar} %`] : []),
  ];
}

function cells(): Cell[] {
  const margins = (noise: string, kind: string): number[] =>
    noise === 'normal' && kind === 'equal sessions' ? [0.25, 1, 2] : [0.25];
  return Object.keys(NOISES).flatMap((noise) =>
    Object.keys(SESSIONS).flatMap((kind) =>
      margins(noise, kind).flatMap((margin) =>
        SIZES.flatMap((sessions) => EFFECTS.map((effect) => ({ noise, kind, sessions, margin, effect }))),
      ),
    ),
  );
}

function main(runs: number): void {
  let off = 0;
  console.log(
    `     ${runs} runs a cell; the margin in standard errors, the effect in detectable ones of a plan of fixed size`,
  );
  for (const cell of cells()) {
    const found = simulate(cell, runs);
    const misses = missed(cell, found);
    off += misses.length;
    const percent = (value: number): string => value.toFixed(1).padStart(5);
    console.log(
      [
        misses.length === 0 ? 'ok ' : 'OFF',
        `${cell.noise}, ${cell.kind}, margin ${cell.margin},`.padEnd(52),
        `N ${String(cell.sessions).padStart(2)} effect ${cell.effect.toFixed(1)}:`,
        `slower ${percent(found.slower)} faster ${percent(found.faster)} covered ${percent(found.covered)}`,
        `sessions ${found.meanSessions.toFixed(1).padStart(4)}, half of the runs save ${found.saved.toFixed(0).padStart(2)} %`,
        misses.join(', '),
      ]
        .join(' ')
        .trimEnd(),
    );
  }
  const [first = { noise: '', kind: '', margin: 0, sessions: 0, effect: 0 }] = cells();
  const naive = simulate({ ...first, sessions: 20 }, runs, () => LEVEL);
  const isNaive = naive.slower + naive.faster > 15;
  off += isNaive ? 0 : 1;
  console.log(
    `${isNaive ? 'ok ' : 'OFF'} control: 5 % at every look of 20 sessions is wrong in ${(naive.slower + naive.faster).toFixed(1)} % (>15)`,
  );
  off += guardsOff(runs / 4, (line) => console.log(line));
  process.exitCode = off === 0 ? 0 : 1;
}

const { runs } = commandOf('npm run verify -- sequential')
  .option('--runs <n>', 'imagined runs a cell', wholeFrom(100), 4000)
  .parse()
  .opts<{ runs: number }>();
main(runs);
