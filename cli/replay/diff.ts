/** `retake diff A B`: compares two sets of traces, and exits by the verdict. */
import { NOT_RECORDED } from '../../replay/diff/facts.ts';
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import type { PositionOf } from '../../replay/diff/trend.ts';
import { matchByTag, orderTags, wordTag, type Tagged } from '../../replay/diff/pair-by.ts';
import { tracedTurnKey } from '../../replay/traces/trace-tree.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { lossesOf, unusable } from '../../replay/diff/align.ts';
import { boundsOf } from '../options/options.ts';
import { buildReport, type ReportArm, type ReportSide } from '../../replay/report/build.ts';
import { ON_CAPTURED_WORDS } from '../../replay/plan/lanes.ts';
import type { ReportFormat } from '../../replay/report/formats.ts';
import { printerOf, type Printer } from './report.ts';
import { armsIn } from '../../replay/report/run-report.ts';
import { inertJson, plain } from '../../replay/report/words.ts';
import { withoutPassword } from '../../replay/traces/jaeger.ts';
import { loadTurns, type LoadedTurns, type TurnText, type TurnTrace } from '../../replay/traces/load.ts';

interface Side extends ReportSide {
  texts: ReadonlyMap<string, TurnText>;
}

interface Options {
  json?: boolean;
  format: ReportFormat;
  withText?: boolean;
  /** Candidate to compare; a run folder may hold several. */
  variant?: string;
  matched?: number;
  minSessions?: number;
  /** `order`, `text`, `interview`, or an attribute of the turns' spans. */
  pairBy?: string;
}

export async function diffCommand(
  context: CommandContext,
  pathA: string,
  pathB: string,
  options: Options,
): Promise<void> {
  const [shownA, shownB] = [withoutPassword(pathA), withoutPassword(pathB)];
  const print = options.json === true ? printShort(context) : printerOf(context, options.format);
  const [turnsA, turnsB] = [await turnsOf(context, pathA, 'a', options), await turnsOf(context, pathB, 'b', options)];
  const paired = pairedBy(options.pairBy, turnsA, turnsB);
  const [a, b] = [sideOf(turnsA, shownA), sideOf({ ...turnsB, turns: paired.turns }, shownB)];
  const worlds = [...new Set([...a.turns, ...b.turns].map(({ world }) => world))];
  const report = buildReport({
    world: worlds.every((world) => world === 'live') ? 'live' : (worlds.find((world) => world !== 'live') ?? 'sim'),
    a,
    b,
    mayBeUnpaired: true,
    notes: [
      ...problemNotes('A', turnsA),
      ...problemNotes('B', turnsB),
      ...(paired.note === undefined ? [] : [paired.note]),
    ],
    bounds: boundsOf(options),
    positionOf: worlds.includes('sim') ? undefined : startOf([...turnsA.turns, ...paired.turns]),
    simulated: worlds.includes('sim') ? { why: 'traces do not tell how far this simulation errs' } : undefined,
    texts: options.withText === true ? new Map([...a.texts, ...b.texts]) : undefined,
  });
  if (report === undefined) throw new InputError(unusableText({ a: [shownA, a], b: [shownB, b] }));
  await print(report, { a: a.spans ?? new Map(), b: b.spans ?? new Map() });
  context.exit(report.exitCode);
}

/** Which side has no usable turn, and why. */
function unusableText(sides: Readonly<Record<'a' | 'b', readonly [shown: string, side: Side]>>): string {
  for (const lane of ['a', 'b'] as const) {
    const [shown, { turns }] = sides[lane];
    if (turns.some((turn) => unusable(turn) === undefined)) continue;
    const why = lossesOf(lane, turns).map(({ cause, turns: lost }) => `${lost} × ${cause}`);
    return `${shown}: no turn could be measured${why.length === 0 ? '' : ` (${why.join(', ')})`}; name traces that Retake wrote, or see docs/foreign-traces.md`;
  }
  return `no turn was measured both in ${sides.a[0]} and in ${sides.b[0]}; name two recordings of the same turns`;
}

/** `--json` leaves out turns and pairs, of which there may be many; `--format json` has them. */
function printShort(context: CommandContext): Printer {
  return async ({ turns: _turns, pairs: _pairs, ...short }) => context.out(inertJson(short));
}

interface Loaded extends LoadedTurns {
  arms: readonly ReportArm[];
}

/** A run folder holds several lanes. As A its baseline is taken, as B its candidate. */
async function turnsOf(
  context: CommandContext,
  path: string,
  side: 'a' | 'b',
  { variant, pairBy }: Options,
): Promise<Loaded> {
  const shown = withoutPassword(path);
  context.progress(`reading ${shown} …`);
  const attribute = pairBy === 'interview' ? ATTRIBUTES.interview.key : pairBy;
  const { turns, problems, texts, commit } = await loadTurns(path, context.signal, attribute);
  context.progressDone();
  for (const problem of problems) context.problem(problem);
  return {
    turns: oneArmOf(turns, shown, side, variant),
    problems,
    texts,
    commit,
    arms: await recordedArms(context, path),
  };
}

/** A damaged input may have a problem for each turn. */
const PROBLEMS_NOTED = 10;

/** What was left out of a side, for those who see the report alone. */
function problemNotes(side: 'A' | 'B', { problems }: Pick<LoadedTurns, 'problems'>): string[] {
  const notes = problems.slice(0, PROBLEMS_NOTED).map((problem) => `${side}: ${problem}`);
  const more = problems.length - notes.length;
  return more === 0 ? notes : [...notes, `${side}: ${more} more problems of the input`];
}

/** When a turn began. Virtual time begins anew in every session: `sim` has no such order. */
function startOf(turns: readonly TurnTrace[]): PositionOf {
  const starts = new Map(turns.map(({ summary, startUs }) => [summary, startUs]));
  return (turn) => starts.get(turn);
}

function sideOf({ turns: own, texts, arms, commit }: Loaded, shown: string): Side {
  const turns = own.map(({ summary }) => summary);
  return {
    arm: armOf(turns, shown, arms, commit),
    turns,
    spans: new Map(own.map(({ summary, spans }) => [tracedTurnKey(summary), spans])),
    texts,
  };
}

/** B's turns under the names of their turns in A, and what the report says of it. */
function pairedBy(by: string | undefined, a: Loaded, b: Loaded): { turns: readonly TurnTrace[]; note?: string } {
  if (by === undefined) return b;
  const tagged = ({ turns, texts }: Loaded): Tagged<TurnTrace>[] => {
    const places = by === 'order' ? orderTags(turns.map(({ summary }) => summary)) : [];
    return turns.map((turn, index) => ({ turn, tag: tagOf(by, turn, places[index], texts) }));
  };
  const { b: turns, pairs } = matchByTag(tagged(a), tagged(b), by);
  const note = `paired by ${plain(by)}: ${pairs} of ${a.turns.length} turns of A and of ${b.turns.length} of B`;
  return { turns, note };
}

function tagOf(by: string, turn: TurnTrace, place: string | undefined, texts: Loaded['texts']): string | undefined {
  if (by === 'order') return place;
  if (by === 'text') return wordTag(texts.get(tracedTurnKey(turn.summary))?.transcript);
  if (turn.attribute === undefined) return undefined;
  return by === 'interview' ? `${turn.attribute}/${turn.summary.turnIndex}` : turn.attribute;
}

/** B is one candidate. A is the baseline that worked on the same kind of words. */
function oneArmOf(
  all: readonly TurnTrace[],
  path: string,
  side: 'a' | 'b',
  variant: string | undefined,
): readonly TurnTrace[] {
  const lanes = new Set(all.map(({ summary }) => summary.lane));
  const wanted = side === 'b' && lanes.has('candidate') ? 'candidate' : 'baseline';
  const lane = lanes.size === 1 ? all : all.filter(({ summary }) => summary.lane === wanted);
  const ofVariant = (name: string): TurnTrace[] => lane.filter(({ summary }) => summary.variant === name);
  if (side === 'a') {
    const baseline = ofVariant(`baseline${variant?.endsWith(ON_CAPTURED_WORDS) === true ? ON_CAPTURED_WORDS : ''}`);
    return lanes.has('candidate') && baseline.length > 0 ? baseline : lane;
  }
  // traces of production may hold several strategies: they are compared as they are
  const variants = lanes.has('candidate') ? [...new Set(lane.map(({ summary }) => summary.variant))] : [];
  const names = variants.map((name) => plain(name)).join(', ');
  if (variant !== undefined && !variants.includes(variant))
    throw new InputError(
      `${path} has no candidate "${plain(variant)}"; ${names === '' ? 'it is no run folder with candidates' : `candidates: ${names}`}`,
    );
  if (variant === undefined && variants.length > 1)
    throw new InputError(`${path} holds ${variants.length} candidates: name one with --variant (${names})`);
  return variant === undefined ? lane : ofVariant(variant);
}

/** A damaged report costs the names of commits and strategies, no figure. */
async function recordedArms(context: CommandContext, path: string): Promise<readonly ReportArm[]> {
  try {
    return await armsIn(path);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    context.problem(`commit and strategy are not known: ${error.message}`);
    return [];
  }
}

function armOf(
  turns: readonly TurnSummary[],
  path: string,
  recorded: readonly ReportArm[],
  commit = NOT_RECORDED,
): ReportArm {
  const [first] = turns;
  const [lane, variant] = [first?.lane ?? 'captured', first?.variant ?? path];
  const known = recorded.find((arm) => arm.lane === lane && arm.variant === variant);
  return known ?? { lane, variant, commit, strategyHash: NOT_RECORDED };
}
