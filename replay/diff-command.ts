/** `retake diff A B`: two sets of traces → a verdict, which is also the exit code. */
import { InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';
import type { CommandContext } from './context.ts';
import { buildReport, type ReportArm, type ReportSide } from './report/build.ts';
import { terminalReport } from './report/terminal.ts';
import { loadTurns } from './trace.ts';

export async function diffCommand(
  context: CommandContext,
  pathA: string,
  pathB: string,
  options: { json?: boolean },
): Promise<void> {
  const [a, b] = [await sideOf(context, pathA, 'a'), await sideOf(context, pathB, 'b')];
  const worlds = [...new Set([...a.turns, ...b.turns].map(({ world }) => world))];
  const report = buildReport({
    world: worlds.every((world) => world === 'live') ? 'live' : (worlds.find((world) => world !== 'live') ?? 'sim'),
    a,
    b,
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
async function sideOf(context: CommandContext, path: string, side: 'a' | 'b'): Promise<ReportSide> {
  context.progress(`reading ${path} …`);
  const { turns: all, problems } = await loadTurns(path);
  context.progressDone();
  for (const problem of problems) context.progress(problem);
  const lanes = new Set(all.map(({ summary }) => summary.lane));
  const wanted = side === 'b' && lanes.has('candidate') ? 'candidate' : 'baseline';
  const own = lanes.size === 1 ? all : all.filter(({ summary }) => summary.lane === wanted);
  const turns = own.map(({ summary }) => summary);
  return { arm: armOf(turns, path), turns, spans: new Map(own.map(({ summary, spans }) => [summary.traceId, spans])) };
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
