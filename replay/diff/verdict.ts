/** The verdict on a comparison: nine rules in one order, of which the first that applies decides. Pure. */
import { percentText, signed } from '../statistics/rounding.ts';
import type { Guard } from './guards.ts';

/** Every verdict, worst first. */
export const VERDICTS = [
  'worse',
  'slower',
  'inconclusive',
  'predicted higher',
  'predicted lower',
  'predicted same',
  'higher (observational)',
  'lower (observational)',
  'same',
  'faster',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The exit code of `diff` and `replay --gate`, and the sign that reports print before the word. */
export const VERDICT_TABLE: Readonly<Record<Verdict, { exitCode: number; sign: string }>> = {
  worse: { exitCode: 1, sign: '✗' },
  slower: { exitCode: 1, sign: '✗' },
  inconclusive: { exitCode: 3, sign: '?' },
  'predicted higher': { exitCode: 3, sign: '~' },
  'predicted lower': { exitCode: 3, sign: '~' },
  'predicted same': { exitCode: 3, sign: '~' },
  'higher (observational)': { exitCode: 3, sign: '~' },
  'lower (observational)': { exitCode: 3, sign: '~' },
  same: { exitCode: 0, sign: '=' },
  faster: { exitCode: 0, sign: '✓' },
};

/** docs/reading-a-report.md#exit-codes lists all codes. */
export function verdictExitCode(verdict: Verdict): number {
  return VERDICT_TABLE[verdict].exitCode;
}

/** The verdict of several candidates together: the worst one. */
export function verdictOfAll(verdicts: readonly Verdict[]): Verdict {
  return VERDICTS.find((each) => verdicts.includes(each)) ?? 'inconclusive';
}

/** A difference B − A in ms with its 95 % interval; without one where too few turns were measured. */
export interface Effect {
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
}

/** What a reader may set; the defaults are those of `DEFAULT_BOUNDS`. */
export interface Bounds {
  /** The smallest share of turns that must be present in both lanes, 0–1. */
  matchedShare: number;
  minSessions: number;
}

export const DEFAULT_BOUNDS: Bounds = { matchedShare: 0.9, minSessions: 4 };

export interface Simulation {
  /** What keeps the figures from standing as a result; absent where their error was measured in this world. */
  why?: string;
  /** All times of both lanes were captured: no model made any. */
  isCaptured?: boolean;
}

export interface WorstCase extends Effect {
  /** Turns of A that B lacks, or whose primary figure it lacks. */
  lacking: number;
  /** Turns that B, and not A, decided to be over while the user went on: what B measured there answers half of what was said. */
  cutOff: number;
  /** The effect on all other turns, where there are cut-off ones and others. */
  withoutCutOff?: Effect;
}

/** All that the rules read. */
export interface Evidence {
  /** Absent where no turn was measured in both lanes. */
  effect?: Effect;
  marginMs: number;
  guards: readonly Guard[];
  /** Of each lane's turns, those present in both lanes, with the primary figure where either has it; the smaller of both shares. */
  matchedShare: number;
  /** The primary figure, where turns that have it in one lane alone lower the matched share. */
  lacking?: string;
  /** Sessions with a measured pair, and the share of all pairs in the largest of them. */
  sessions: number;
  largestShare: number;
  /** The effect if every turn that B lacks or newly cuts off had waited as long as the slowest turn seen. Absent where there is no such turn. */
  worstCase?: WorstCase;
  /** Why the figures cannot be trusted, a line each: bounds of validity that are broken. */
  invalid: readonly string[];
  /** A and B share no turn. */
  observational: boolean;
  /** Absent where the figures were measured. */
  simulated?: Simulation;
  bounds: Bounds;
}

export interface Judged {
  verdict: Verdict;
  /** Why, in words. */
  reasons: string[];
}

/** The margin rule alone: what the effect is called, or undefined where the interval leaves it open. */
export function wordOf({ deltaMs, lowMs, highMs }: Effect, marginMs: number): 'same' | 'slower' | 'faster' | undefined {
  if (lowMs === undefined || highMs === undefined) return undefined;
  if (lowMs > -marginMs && highMs < marginMs) return 'same';
  if (lowMs > 0 && deltaMs > marginMs) return 'slower';
  if (highMs < 0 && deltaMs < -marginMs) return 'faster';
  return undefined;
}

const PREDICTED = { same: 'predicted same', slower: 'predicted higher', faster: 'predicted lower' } as const;

/** Rule 0, a lane without a usable turn, is an error of the input and never comes here. */
export function judge(evidence: Evidence): Judged {
  const { effect, marginMs, guards, simulated } = evidence;
  if (evidence.observational) return observed(evidence);

  const broken = guards.filter(({ state }) => state === 'broken').map(textOf);
  if (broken.length > 0 && simulated === undefined) return { verdict: 'worse', reasons: broken };

  const harmed = broken.map((text) => `predicted to break a guard: ${text}`);
  if (effect === undefined)
    return inconclusive([
      evidence.lacking === undefined
        ? 'no turn was measured in both A and B'
        : `no turn has a figure of "${evidence.lacking}" in both A and B`,
      ...evidence.invalid,
      ...harmed,
    ]);
  const unsafe = [...doubts(evidence), ...harmed];
  if (unsafe.length > 0) return inconclusive(unsafe);

  const word = wordOf(effect, marginMs);
  if (word === undefined) return inconclusive([openText(effect, marginMs)]);
  if (simulated?.why !== undefined)
    return { verdict: PREDICTED[word], reasons: [`predicted, not measured: ${simulated.why}`, WHY[word]] };
  if (word !== 'slower' && evidence.worstCase !== undefined) {
    const reasons = worstCaseDoubts(evidence.worstCase, word, marginMs);
    if (reasons.length > 0) return inconclusive(reasons);
  }
  return { verdict: word, reasons: word === 'slower' ? [WHY.slower] : [WHY[word], ...openGuards(guards)] };
}

/** Why a claim does not stand when unmatched turns are counted against it: empty where it does. */
export function worstCaseDoubts(worstCase: WorstCase, word: 'same' | 'faster', marginMs: number): string[] {
  const { lacking, cutOff, withoutCutOff } = worstCase;
  const turns = [
    ...(lacking === 0 ? [] : [`the ${lacking} that it lacks`]),
    ...(cutOff === 0 ? [] : [`the ${cutOff} that it alone cuts off`]),
  ];
  return [
    ...(cutOff > 0 && (withoutCutOff === undefined || wordOf(withoutCutOff, marginMs) !== word)
      ? [
          `B answers before the user has finished in ${cutOff} turns that A does not cut off: without them it is not ${word}${rangeText(withoutCutOff)}`,
        ]
      : []),
    ...(wordOf(worstCase, marginMs) === 'slower'
      ? [
          `B would be slower if its unmatched turns, ${turns.join(' and ')}, had waited as long as the slowest turn seen`,
        ]
      : []),
  ];
}

function rangeText({ deltaMs, lowMs, highMs }: Effect = { deltaMs: 0 }): string {
  return lowMs === undefined || highMs === undefined
    ? ''
    : ` (${signed(deltaMs)} ms [${signed(lowMs)}, ${signed(highMs)}])`;
}

const WHY = {
  same: 'the interval lies inside the margin',
  slower: 'the interval excludes 0, and the estimate is beyond the margin',
  faster: 'the interval excludes 0, the estimate is beyond the margin, and no guard is broken',
} as const;

/** What a claim stands beside: harm that is neither shown nor ruled out. */
function openGuards(guards: readonly Guard[]): string[] {
  const open = guards.filter(({ state }) => state === 'open').map(({ name, limit = '' }) => `${name} (${limit})`);
  return open.length === 0 ? [] : [`open guards, not ruled out: ${open.join(', ')}`];
}

const textOf = ({ name, detail }: Guard): string => `${name}: ${detail}`;

const inconclusive = (reasons: string[]): Judged => ({ verdict: 'inconclusive', reasons });

function observed({ effect }: Evidence): Judged {
  const why = 'A and B share no turn: more than the change may differ between them (observational)';
  const { lowMs, highMs } = effect ?? {};
  if (lowMs !== undefined && lowMs > 0) return { verdict: 'higher (observational)', reasons: [why] };
  if (highMs !== undefined && highMs < 0) return { verdict: 'lower (observational)', reasons: [why] };
  return inconclusive([lowMs === undefined ? 'too few turns for an interval' : 'the interval includes 0', why]);
}

/** What keeps any figure of the comparison from being a result. */
function doubts({ matchedShare, lacking, sessions, largestShare, invalid, bounds }: Evidence): string[] {
  const what = lacking === undefined ? 'be in both A and B' : `have a figure of "${lacking}" in both A and B`;
  return [
    ...(matchedShare < bounds.matchedShare
      ? [
          `matched share ${percentText(matchedShare)}: ${percentText(bounds.matchedShare)} of the turns must ${what} (--matched)`,
        ]
      : []),
    ...(sessions > 0 && sessions < bounds.minSessions
      ? [`${sessions} session${sessions === 1 ? '' : 's'}, ${bounds.minSessions} needed (--min-sessions)`]
      : []),
    ...(sessions > 1 && largestShare > 0.5
      ? [`one session holds ${percentText(largestShare)} of the turns: no session may hold over half`]
      : []),
    ...invalid,
  ];
}

function openText(effect: Effect, marginMs: number): string {
  const { deltaMs, lowMs, highMs } = effect;
  if (lowMs === undefined || highMs === undefined) return 'one turn has no interval: replay more turns';
  if (lowMs <= 0 && highMs >= 0) return 'the interval includes 0 and reaches beyond the margin';
  return `the interval touches the margin: the estimate is ${Math.abs(deltaMs) > marginMs ? 'beyond' : 'inside'}, and the interval reaches across`;
}
