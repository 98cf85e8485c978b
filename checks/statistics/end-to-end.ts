/** Whole simulated replays of strategies that are equal, or plainly are not. */
import { simWorld } from '../../replay/arms/against.ts';
import { runExperiment } from '../../replay/run/experiment.ts';
import type { Verdict } from '../../replay/diff/verdict.ts';
import { uploadSessions } from '../../testing/sessions.ts';

export interface EndToEnd {
  /** Verdicts on two identical strategies whose draws are independent, one a seed. */
  identical: Verdict[];
  /** The whole reply in one piece, which is slower. */
  slower: Verdict[];
  /** Differences in ms of identical strategies under common draws. */
  commonMs: number[];
}

export async function endToEnd(seeds: number): Promise<EndToEnd> {
  const sessions = await uploadSessions({ sessions: 8, turns: 2 });
  const found: EndToEnd = { identical: [], slower: [], commonMs: [] };
  for (let index = 1; index <= seeds; index++) {
    const seed = String(index);
    const of = async (draws: 'independent' | 'common') =>
      runExperiment({
        sessions,
        candidates: [
          { variant: 'identical', patches: [] },
          { variant: 'whole-reply', patches: [{ pipeline: { chunking: 'reply' } }] },
        ],
        baseline: [],
        world: 'sim',
        against: simWorld({ profile: 'seed', seed, draws }, 'profile'),
        profile: 'seed',
        seed,
        draws,
        runs: 1,
        commit: 'check',
      });
    const { reports } = await of('independent');
    found.identical.push(reports[0]?.report.verdict ?? 'inconclusive');
    found.slower.push(reports[1]?.report.verdict ?? 'inconclusive');
    if (index > 1) continue;
    const common = await of('common');
    found.commonMs.push(common.reports[0]?.report.primary?.deltaMs ?? Number.NaN);
  }
  return found;
}
