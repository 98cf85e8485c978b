/**
 * `npm run verify -- null-knobs`: a knob that does nothing does nothing in `sim` (docs/virtual-time.md#floor). Sessions are captured in `wire`, in four
 * worlds, and replayed under knobs that cannot act. Common draws: every turn takes as long as before, to the µs. Independent draws: few
 * experiments find a difference, and its mean is 0. A knob that acts must be found. Exit code 1 when a bar is missed.
 */
import { turnKey } from '../service/base/events.ts';
import type { StrategyPatch } from '../service/strategy/patch.ts';
import { commandOf } from '../scripts/programs/options.ts';
import { simWorld } from '../replay/arms/against.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import { diffLanes } from '../replay/diff/diff.ts';
import type { DiffRow } from '../replay/diff/diff-rows.ts';
import type { Verdict } from '../replay/diff/verdict.ts';
import { mean } from '../replay/statistics/estimates.ts';
import type { Draws } from '../sim/times/plan.ts';
import { nullCaptures } from './null-worlds.ts';
import { runLanes, type Lane } from './trust-lanes.ts';

const SESSIONS = 6;
const TURNS = 2;
/** Experiments with independent draws, over all worlds and knobs. */
const EXPERIMENTS = 200;
/** With a knob that acts, in each world. */
const CONTROLS = 4;
/** 5 % of 200 are 10 on average; more than 16 come by chance in 2 % of runs. */
const MOST_DECIDED = 16;

/** Why each does nothing: timeless by its trait, or for something that these turns do not hold. */
const NULL_KNOBS: Readonly<Record<string, StrategyPatch>> = {
  'another voice': { tts: { voice: 'zeynep' } },
  'a third voice': { tts: { voice: 'ali' } },
  'the format that is sent anyway': { tts: { format: 'pcm' } },
  'temperature of the same words': { llm: { temperature: 0 } },
  'seed of the same words': { llm: { seed: 7 } },
  'more tokens than a reply has': { llm: { maxTokens: 2000 } },
  'more history than there is': { llm: { historyTurns: 500 } },
  'polls of a queue that is not used': { tts: { queue: { pollMs: 50 } } },
  'a hedge that comes too late': { llm: { hedge: { afterMs: 60_000, model: 'openai/gpt-4o-mini' } } },
  'a cache of greetings without one': { cache: { greeting: true } },
};
const ACTING: Readonly<Record<string, StrategyPatch>> = {
  'control: replies in one piece': { pipeline: { chunking: 'reply' } },
};

const BASELINE: Lane = { name: 'baseline' };
const laneOf = ([name, patch]: [string, StrategyPatch]): Lane => ({
  name,
  variant: { name, patch, title: name, effect: 'none', risk: 'none', primary: 'first-audible' },
});
const NULL_LANES = Object.entries(NULL_KNOBS).map(laneOf);
const ACTING_LANES = Object.entries(ACTING).map(laneOf);

interface Compared {
  name: string;
  verdict: Verdict;
  /** Of first audible. */
  row: DiffRow;
  /** Turns whose time is another one. */
  changed: number;
}

/** Each lane against the baseline, on one world's capture. */
async function compared(
  captured: readonly CapturedSession[],
  lanes: readonly Lane[],
  { draws, run }: { draws: Draws; run: number },
): Promise<Compared[]> {
  const against = simWorld({ profile: 'seed', seed: 'null', draws, sessions: captured });
  const ran = await runLanes(against, captured, [BASELINE, ...lanes], () => undefined, run);
  const of = (name: string) => ran.filter(({ lane }) => lane === name).map(({ turn }) => turn.summary);
  const before = of(BASELINE.name);
  const waitUs = new Map(before.map((turn) => [turnKey(turn), turn.e2eUs]));
  return lanes.map(({ name }) => {
    const after = of(name);
    const diff = diffLanes(before, after);
    if (diff?.primary === undefined) throw new Error(`${name}: no turn was measured in both lanes`);
    return {
      name,
      verdict: diff.verdict,
      row: diff.primary,
      changed: after.filter((turn) => turn.e2eUs !== waitUs.get(turnKey(turn))).length,
    };
  });
}

const isLater = ({ verdict }: Compared): boolean => verdict === 'slower' || verdict === 'worse';
const isDecided = (each: Compared): boolean => isLater(each) || each.verdict === 'faster';

commandOf('npm run verify -- null-knobs').parse();
let missed = 0;
function judged(holds: boolean, text: string): void {
  if (!holds) missed++;
  console.log(`${holds ? 'ok ' : 'OFF'} ${text}`);
}

const worlds = await nullCaptures(SESSIONS, TURNS);
for (const { name, captured } of worlds) {
  const common = await compared(captured, [...NULL_LANES, ...ACTING_LANES], { draws: 'common', run: 0 });
  const [nulls, acting] = [common.slice(0, NULL_LANES.length), common.slice(NULL_LANES.length)];
  const changed = nulls.filter((each) => each.changed > 0);
  const what = changed.map((each) => `${each.name}: ${each.changed}`).join(', ');
  judged(
    changed.length === 0,
    `${name}, common draws: ${nulls.length} null knobs × ${SESSIONS * TURNS} turns, turns that changed: ${what || '0'}`,
  );
  for (const each of acting) judged(isLater(each), `${name}, common draws: ${each.name}: ${figure(each)}`);
}

const nulls: Compared[] = [];
const inEach = EXPERIMENTS / worlds.length;
const controls: Compared[] = [];
for (const { name, captured } of worlds) {
  const here: Compared[] = [];
  // every experiment has draws of its own, the baseline's too
  for (let run = 0; run < inEach; run++) {
    const lane = NULL_LANES[run % NULL_LANES.length];
    if (lane !== undefined) here.push(...(await compared(captured, [lane], { draws: 'independent', run: run + 1 })));
  }
  nulls.push(...here);
  const later = here.filter(({ row }) => row.deltaMs > 0).length;
  console.log(
    `    ${name}, independent draws: ${here.filter(isDecided).length} of ${here.length} decided, ${later} with Δ > 0, ${meanText(here)}`,
  );
  for (let run = 0; run < CONTROLS; run++)
    controls.push(...(await compared(captured, ACTING_LANES, { draws: 'independent', run: -1 - run })));
}
const decided = nulls.filter(isDecided).length;
judged(
  decided <= MOST_DECIDED,
  `independent draws: ${decided} of ${nulls.length} null experiments decided (at most ${MOST_DECIDED})`,
);
const { centreMs, errorMs } = meanOf(nulls);
judged(Math.abs(centreMs) <= 2 * errorMs, `independent draws: ${meanText(nulls)}, within two standard errors of 0`);
const acting = meanOf(controls);
judged(
  acting.centreMs > 2 * acting.errorMs,
  `independent draws: control: ${controls.length} experiments with a knob that acts, ${controls.filter(isDecided).length} decided, ${meanText(controls)}, beyond two`,
);
process.exitCode = missed === 0 ? 0 : 1;

function figure({ verdict, row: { deltaMs, lowMs, highMs } }: Compared): string {
  return `${verdict}, Δ ${deltaMs.toFixed(1)} [${lowMs?.toFixed(1)}, ${highMs?.toFixed(1)}] ms`;
}

function meanOf(experiments: readonly Compared[]): { centreMs: number; errorMs: number } {
  const deltas = experiments.map(({ row }) => row.deltaMs);
  const centreMs = mean(deltas);
  const variance = deltas.reduce((sum, delta) => sum + (delta - centreMs) ** 2, 0) / (deltas.length - 1);
  return { centreMs, errorMs: Math.sqrt(variance / deltas.length) };
}

function meanText(experiments: readonly Compared[]): string {
  const { centreMs, errorMs } = meanOf(experiments);
  return `mean Δ ${centreMs.toFixed(1)} ms, standard error ${errorMs.toFixed(1)}`;
}
