/** What strategies gain on the fixture interviews in `sim`: predicted, for docs/strategies.md. */
import { totalBets, type BetTotals } from '../service/turn-log/bets.ts';
import { createMemoryCache } from '../service/calls/speech-cache.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import { resolveStrategy, type StrategyPatch } from '../service/strategy/patch.ts';
import { fixtureAudio, FEW_INTERVIEWS, loadInterviews, runFixtureTurn } from '../sim/world/fixtures.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { createSimWorld } from '../sim/world/world.ts';
import type { PrimaryMetric } from '../replay/diff/diff.ts';

/** Long frames wake the simulation seldom. All arms hear the same. */
const FRAME_MS = 100;
/** The user's pause between a reply's end and the next answer. */
const THINK_MS = 1500;
/** An assumption, for break-even hit rates: 100 ms are worth this. */
export const WORTH_USD_PER_100_MS = 0.001;

const interviews = loadInterviews(FEW_INTERVIEWS);
const audios = new Map(
  interviews.flatMap(({ turns }) => turns.map(({ audio }) => [audio, fixtureAudio(audio, FRAME_MS)] as const)),
);

/** Every turn of a few fixture interviews under a strategy, `seeds` times; the same draws for every strategy. */
export async function runFixtures(
  patches: readonly StrategyPatch[],
  profileName: string,
  seeds: number,
): Promise<TurnSummary[]> {
  const strategy = resolveStrategy(patches, 'docs');
  const profile = loadProfile(profileName);
  const summaries: TurnSummary[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const speechCache = createMemoryCache(() => 0, { earlierSessionsOnly: true });
    for (const interview of interviews) {
      const world = createSimWorld({ profile, seed: String(seed), interviews, speechCache });
      const sessionId = `${interview.name}/${seed}`;
      for (const [turnIndex, { audio: file }] of interview.turns.entries()) {
        const audio = audios.get(file);
        if (audio === undefined) continue;
        const { summary } = await world.clock.run(async () => {
          const turn = await runFixtureTurn(world, interview, turnIndex, {
            strategy,
            audio,
            profile: profileName,
            sessionId,
          });
          const endUs = turn.log.events.find(({ kind }) => kind === 'deliver.reply_end')?.atUs ?? 0;
          await world.clock.sleep(Math.max(0, endUs - world.clock.nowUs()) / 1000 + THINK_MS);
          return turn;
        });
        summaries.push(summary);
      }
      await world.close();
    }
  }
  return summaries;
}

export interface Gain {
  n: number;
  failed: number;
  premature: number;
  /** Means of paired differences in ms, candidate − baseline; absent where fewer than half the turns have both. */
  firstAudibleMs?: number;
  contentAudibleMs?: number;
  replyEndMs?: number;
  stallMs?: number;
  bets: BetTotals[];
}

export function gainOf(baseline: readonly TurnSummary[], candidate: readonly TurnSummary[]): Gain {
  const mean = (of: (turn: TurnSummary) => number | undefined): number | undefined => {
    const pairs = candidate.flatMap((turn, index) => {
      const other = baseline[index];
      const [a, b] = [other === undefined ? undefined : of(other), of(turn)];
      return a === undefined || b === undefined ? [] : [b - a];
    });
    if (pairs.length < candidate.length / 2) return undefined;
    return pairs.reduce((sum, each) => sum + each, 0) / pairs.length / 1000;
  };
  const figures = {
    firstAudibleMs: mean(({ e2eUs }) => e2eUs),
    contentAudibleMs: mean(({ firstContentAudibleUs }) => firstContentAudibleUs),
    replyEndMs: mean(({ replyEndUs }) => replyEndUs),
    stallMs: mean(({ stallUs }) => stallUs),
  };
  return {
    n: candidate.length,
    failed: candidate.filter(({ failure }) => failure !== undefined).length,
    premature: candidate.filter(({ premature }) => premature).length,
    ...Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined)),
    bets: totalBets(
      candidate.map(({ bets = [] }) => bets),
      WORTH_USD_PER_100_MS,
    ),
  };
}

/** The gain in the metric that a variant is judged by. */
export function primaryMs(gain: Gain, primary: PrimaryMetric): number | undefined {
  switch (primary) {
    case 'first-audible':
      return gain.firstAudibleMs;
    case 'first-content-audible':
      return gain.contentAudibleMs;
    case 'reply-end':
      return gain.replyEndMs;
    default:
      return primary satisfies never;
  }
}
