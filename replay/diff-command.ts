/** `retake diff A B`: two sets of traces → a verdict, which is also the exit code. */
import { InputError } from '../service/errors.ts';
import type { TurnSummary } from '../service/metrics.ts';
import { turnKey } from './align-spans.ts';
import type { CommandContext } from './context.ts';
import { buildReport, type ReportArm, type ReportSide } from './report/build.ts';
import { printerOf, type Printer } from './report-command.ts';
import { loadTurns, type TurnText } from './trace.ts';

interface Side extends ReportSide {
  texts: ReadonlyMap<string, TurnText>;
}

interface Options {
  json?: boolean;
  format?: string;
  withText?: boolean;
}

export async function diffCommand(
  context: CommandContext,
  pathA: string,
  pathB: string,
  options: Options,
): Promise<void> {
  const print = options.json === true ? printShort(context) : printerOf(context, options.format ?? 'terminal');
  const [a, b] = [await sideOf(context, pathA, 'a'), await sideOf(context, pathB, 'b')];
  const worlds = [...new Set([...a.turns, ...b.turns].map(({ world }) => world))];
  const report = buildReport({
    world: worlds.every((world) => world === 'live') ? 'live' : (worlds.find((world) => world !== 'live') ?? 'sim'),
    a,
    b,
    mayBeUnpaired: true,
    ...(options.withText === true ? { texts: new Map([...a.texts, ...b.texts]) } : {}),
  });
  if (report === undefined) throw new InputError(`${pathA} and ${pathB} hold no turn that was measured on both sides`);
  await print(report, { a: a.spans ?? new Map(), b: b.spans ?? new Map() });
  context.exit(report.exitCode);
}

/** What scripts rely on; turns and pairs, of which there may be many, are in `--format json`. */
function printShort(context: CommandContext): Printer {
  return async ({ turns: _turns, pairs: _pairs, ...short }) => context.out(JSON.stringify(short, null, 2));
}

/** A run folder holds several lanes: as A it stands for its baseline, as B for its candidate. */
async function sideOf(context: CommandContext, path: string, side: 'a' | 'b'): Promise<Side> {
  context.progress(`reading ${path} …`);
  const { turns: all, problems, texts } = await loadTurns(path, context.signal);
  context.progressDone();
  for (const problem of problems) context.progress(problem);
  const lanes = new Set(all.map(({ summary }) => summary.lane));
  const wanted = side === 'b' && lanes.has('candidate') ? 'candidate' : 'baseline';
  const own = lanes.size === 1 ? all : all.filter(({ summary }) => summary.lane === wanted);
  const turns = own.map(({ summary }) => summary);
  return {
    arm: armOf(turns, path),
    turns,
    spans: new Map(own.map(({ summary, spans }) => [turnKey(summary), spans])),
    texts,
  };
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
