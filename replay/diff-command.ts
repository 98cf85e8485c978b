/** `retake diff A B`: two sets of traces → a verdict, which is also the exit code. */
import { InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';
import type { CommandContext } from './context.ts';
import { buildReport, type ReportArm } from './report/build.ts';
import { terminalReport } from './report/terminal.ts';
import { loadTurns } from './trace.ts';

export async function diffCommand(
  context: CommandContext,
  pathA: string,
  pathB: string,
  options: { json?: boolean },
): Promise<void> {
  const [a, b] = [laneOf(await loadTurns(pathA), 'a'), laneOf(await loadTurns(pathB), 'b')];
  const worlds = [...new Set([...a, ...b].map(({ world }) => world))];
  const report = buildReport({
    world: worlds.every((world) => world === 'live') ? 'live' : (worlds.find((world) => world !== 'live') ?? 'sim'),
    a: { arm: armOf(a, pathA), turns: a },
    b: { arm: armOf(b, pathB), turns: b },
  });
  if (report === undefined)
    throw new InputError(`${pathA} and ${pathB} have no measured turn in common (pairs are by session and turn)`);
  const { verdict, primary, stages, validity, basis } = report;
  context.out(
    options.json === true
      ? JSON.stringify({ basis, verdict, primary, stages, validity }, null, 2)
      : terminalReport(report, context),
  );
  context.exit(report.exitCode);
}

/** A run folder holds several lanes: as A it stands for its baseline, as B for its candidate. */
function laneOf(turns: readonly TurnSummary[], side: 'a' | 'b'): TurnSummary[] {
  const lanes = new Set(turns.map(({ lane }) => lane));
  if (lanes.size === 1) return [...turns];
  const wanted = side === 'b' && lanes.has('candidate') ? 'candidate' : 'baseline';
  return turns.filter(({ lane }) => lane === wanted);
}

function armOf(turns: readonly TurnSummary[], path: string): ReportArm {
  const [first] = turns;
  return {
    lane: first?.lane ?? 'captured',
    variant: first?.variant ?? path,
    commit: 'not recorded',
    strategyHash: 'not recorded',
  };
}
