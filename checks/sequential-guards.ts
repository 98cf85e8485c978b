/** Guards at the looks of a run until decided: how often one breaks although no harm is beyond its margin. On whole turns. */
import { keyedRandom } from '../service/base/random.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import type { TurnPair } from '../replay/diff/align.ts';
import { guardsOf } from '../replay/diff/guards.ts';
import { createLooks } from '../replay/diff/looks.ts';
import { normalDraw } from '../replay/statistics/distributions.ts';
import { BARE_SUMMARY } from '../testing/bare-summary.ts';

const GUARDED = { sessions: 20, turns: 4, marginMs: 60 } as const;
/** At least one guard breaks in at most so many runs, in %. */
const BARS = [
  { harm: 0, what: 'no harm', bar: 5.4 },
  { harm: 1, what: 'every guard at its margin', bar: 6.4 },
] as const;

/** A turn in both lanes: B does `harm` times as much harm as every guard's margin allows, on average. */
function guardedPair(sessionId: string, turnIndex: number, harm: 0 | 1, random: () => number): TurnPair {
  const turn = { ...BARE_SUMMARY, sessionId, turnIndex, e2eUs: 1_500_000, characters: 100 };
  const near = (middle: number, sd: number): number => middle * Math.max(0.01, 1 + sd * normalDraw(random));
  const lane = (more: 0 | 1): TurnSummary => ({
    ...turn,
    firstContentAudibleUs: 2_000_000 + 1000 * (more * GUARDED.marginMs + 100 * normalDraw(random)),
    replyChars: near(100 + 10 * more, 0.2),
    replyAudioMs: near(6000 - 600 * more, 0.1),
    refused: random() < 0.02 + 0.02 * more,
    premature: random() < 0.02 + 0.02 * more,
    stallUs: random() < 0.02 + 0.02 * more ? 60_000 : 0,
  });
  // most turns have no word changed
  return { a: lane(0), b: { ...lane(harm), transcriptChange: random() < 0.25 ? 0.2 * harm : 0 } };
}

/** Runs in which at least one guard breaks at one of the looks, in %. */
function guardsBroken(harm: 0 | 1, runs: number): number {
  const random = keyedRandom('guards', harm);
  const lookAfter = createLooks(GUARDED.sessions);
  let broken = 0;
  for (let run = 0; run < runs; run++) {
    const pairs: TurnPair[] = [];
    for (let session = 1; session <= GUARDED.sessions; session++) {
      for (let turn = 0; turn < GUARDED.turns; turn++) pairs.push(guardedPair(`${session}`, turn, harm, random));
      const { looks, level } = lookAfter(session, pairs.length);
      if (looks === 0) continue;
      if (!guardsOf({ pairs, both: pairs }, GUARDED.marginMs, { level }).some(({ state }) => state === 'broken'))
        continue;
      broken++;
      break;
    }
  }
  return (100 * broken) / runs;
}

/** Prints a line for each bar; returns how many are missed. */
export function guardsOff(runs: number, print: (line: string) => void): number {
  const { sessions, turns } = GUARDED;
  const missed = BARS.map(({ harm, what, bar }) => {
    const broken = guardsBroken(harm, runs);
    print(
      `${broken > bar ? 'OFF' : 'ok '} ${sessions} sessions of ${turns} turns, ${what}: a guard breaks in ${broken.toFixed(1)} % (≤${bar})`,
    );
    return broken > bar;
  });
  return missed.filter((each) => each).length;
}
