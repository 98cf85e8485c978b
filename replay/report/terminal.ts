/** A report for a terminal of any width. */
import { highest, lowest } from '../../service/base/quantile.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Report } from './build.ts';
import { tracedTurnKey } from '../traces/trace-tree.ts';
import { LEDGER_STAGES } from '../../service/base/events.ts';
import { histogram, measuredPairs, sparkline, stagesInTime, textBar, typicalPair, type StageSpan } from './charts.ts';
import { signed } from '../statistics/rounding.ts';
import { intervalText, intervalTitle, printedLedger, type PrintedRow } from './rows.ts';
import {
  basisLine,
  compareUrl,
  guardState,
  guardText,
  knobText,
  primaryText,
  rerunText,
  settleText,
  shown,
  shownReasons,
  validityLine,
  verdictSign,
  wrapped,
} from './words.ts';

export interface TerminalOptions {
  columns: number;
  color: boolean;
  /** Base URL of a Jaeger UI that has the traces. */
  jaegerUi?: string;
}

const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;
/** By exit code. */
const TONES: Readonly<Record<number, keyof typeof CODES>> = { 0: 'green', 1: 'red', 3: 'yellow' };
type Paint = (text: string, ...codes: readonly (keyof typeof CODES)[]) => string;

function painter(color: boolean): Paint {
  return (text, ...codes) => (color ? `\u001b[${codes.map((code) => CODES[code]).join(';')}m${text}\u001b[0m` : text);
}

export function terminalReport(report: Report, options: TerminalOptions): string {
  const paint = painter(options.color);
  const { arms, verdict } = report;
  const tone = TONES[report.exitCode] ?? 'yellow';
  const settle = settleText(report);
  const words = (text: string): string[] => wrapped(text, ' ', options.columns);
  const lines = [
    ...words(`${verdictSign(report)} ${verdict.toUpperCase()}  ${primaryText(report)}`).map((line) =>
      paint(line, 'bold', tone),
    ),
    ...words(basisLine(report)).map((line) => paint(line, 'dim')),
    ...shownReasons(report).flatMap((reason) => words(`  ${shown(reason)}`)),
    ...(settle === undefined ? [] : words(`  ${settle}`)),
    '',
    ...words(`A  ${armText(arms.a)}`),
    ...words(`B  ${armText(arms.b)}`),
    ...report.knobs.flatMap(({ knob, a, b }) =>
      words(`   ${shown(knob)}: ${shown(knobText(a))} → ${shown(knobText(b))}`),
    ),
    '',
    ...ledgerLines(report, options, paint),
    ...pairLines(report, options, paint),
    ...spreadLines(report, options, paint),
    ...targetLines(report, options, paint),
    '',
    ...guardLines(report, options),
    ...spanLines(report, options),
    ...wrapped(validityLine(report), ' · ', options.columns),
    ...(rerunText(report) === undefined ? [] : [paint(rerunText(report) ?? '', 'dim')]),
  ];
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** The typical pair's wait by stage, A above B on one scale. */
function pairLines(report: Report, { columns, jaegerUi }: TerminalOptions, paint: Paint): string[] {
  const pair = typicalPair(report);
  if (pair === undefined) return [];
  const { a, b } = pair;
  const scaleUs = Math.max(a.e2eUs ?? 0, b.e2eUs ?? 0, 1);
  const width = Math.max(10, columns - 14 - 9);
  const [left, right] = [stagesInTime(a), stagesInTime(b)];
  const stages = LEDGER_STAGES.filter((stage) => [...left, ...right].some((each) => each.stage === stage));
  const line = (name: string, side: 'A' | 'B', of: StageSpan | undefined): string => {
    const drawn = textBar(of?.pieces ?? [], scaleUs, width);
    return `${name.padEnd(12)}${side} ${paint(drawn, side === 'A' ? 'dim' : 'cyan')} ${msText(of?.us ?? 0).padStart(8)}`;
  };
  const said = (side: 'A' | 'B', turn: TurnSummary): string[] => {
    const text = report.texts?.find((each) => tracedTurnKey(each) === tracedTurnKey(turn));
    const line = (who: string, words: string | undefined): string[] =>
      words === undefined ? [] : [`${side} ${who}: ${shown(words.slice(0, columns))}`.slice(0, columns)];
    return [...line('user', text?.transcript), ...line('reply', text?.reply)];
  };
  const url = jaegerUi === undefined ? undefined : compareUrl(jaegerUi, a.traceId, b.traceId);
  const title = `typical pair: session ${shown(a.sessionId)}, turn ${a.turnIndex}; ms from its zero`;
  return [
    paint(title.slice(0, columns), 'dim'),
    ...stages.flatMap((stage) => [
      line(
        stage,
        'A',
        left.find((each) => each.stage === stage),
      ),
      line(
        '',
        'B',
        right.find((each) => each.stage === stage),
      ),
    ]),
    ...said('A', a),
    ...said('B', b),
    ...(url === undefined ? [] : [url]),
    '',
  ];
}

/** Below this many turns a histogram says less than the table. */
const SPREAD_TURNS = 8;

function spreadLines(report: Report, { columns }: TerminalOptions, paint: Paint): string[] {
  const pairs = measuredPairs(report);
  if (pairs.length < SPREAD_TURNS) return [];
  const [a, b] = [pairs.map((pair) => pair.a.e2eUs ?? 0), pairs.map((pair) => pair.b.e2eUs ?? 0)];
  const [lowUs, highUs] = [Math.min(lowest(a), lowest(b)), Math.max(highest(a), highest(b))];
  const bins = Math.max(10, Math.min(60, columns - 2 - 24));
  const line = (side: string, values: readonly number[]): string =>
    `${side} ${msText(lowUs).padStart(8)} ${paint(sparkline(histogram(values, lowUs, highUs, bins)), side === 'A' ? 'dim' : 'cyan')} ${msText(highUs)}`;
  const { p95 } = report.validity;
  const tails = [
    ...report.percentiles.map(({ q, aMs, bMs }) => `p${Math.round(q * 100)} ${aMs.toFixed(1)} → ${bMs.toFixed(1)}`),
    ...(p95 === undefined ? [] : [`Δ p95 ${signed(p95.deltaMs)} ${intervalText(p95)}`]),
  ];
  return [paint('end to end, turns by ms', 'dim'), line('A', a), line('B', b), `  ${tails.join(' · ')}`, ''];
}

/** Broken and open guards; those that hold in one line. */
function guardLines({ guards }: Report, { columns }: TerminalOptions): string[] {
  const told = guards.filter(({ state }) => state !== 'holds');
  const held = guards
    .filter(({ state }) => state === 'holds')
    .map(({ name, predicted }) => `${shown(name)}${predicted === true ? ' (predicted)' : ''}`);
  return [
    ...told.flatMap((guard) =>
      wrapped(`guard ${guardState(guard)}: ${shown(guard.name)}, ${shown(guardText(guard))}`, ' ', columns),
    ),
    ...(held.length === 0 ? [] : wrapped(`guards that hold: ${held.join(', ')}`, ' ', columns)),
  ];
}

const UNPAIRED_SHOWN = 3;

function spanLines({ spans = [] }: Report, { columns }: TerminalOptions): string[] {
  if (spans.length === 0) return [];
  const unpaired = spans.filter(({ onlyA, onlyB }) => onlyA > 0 || onlyB > 0);
  const told = unpaired
    .slice(0, UNPAIRED_SHOWN)
    .map(({ path, onlyA, onlyB }) => `${shown(path)} (${onlyA} only in A, ${onlyB} only in B)`.slice(0, columns - 2));
  const more = unpaired.length - told.length;
  const head = `spans: ${spans.length} paths, ${unpaired.length === 0 ? 'all paired' : `${unpaired.length} with unpaired spans`}`;
  return [head, ...told.map((each) => `  ${each}`), ...(more > 0 ? [`  and ${more} more in report.json`] : [])];
}

function msText(us: number): string {
  return (us / 1000).toFixed(1);
}

/** The wait of one turn as bars on one scale. */
export function waterfall(turn: TurnSummary, options: TerminalOptions): string {
  const paint = painter(options.color);
  const { e2eUs } = turn;
  if (e2eUs === undefined) return 'this turn has no first audible: there is nothing to draw';
  const label = 22;
  const width = Math.max(20, options.columns - label - 11);
  let fromUs = 0;
  const rows = turn.ledger.map(({ stage, phase, us }) => {
    const begin = Math.round((fromUs / e2eUs) * width);
    fromUs += us;
    const end = Math.max(Math.round((fromUs / e2eUs) * width), begin);
    const bar = end === begin ? '▏' : '█'.repeat(end - begin);
    const name = stage === phase ? stage : `${stage} ${phase}`;
    return {
      us,
      line: `${name.padEnd(label)}${' '.repeat(begin)}${paint(bar, 'cyan')}${' '.repeat(Math.max(0, width - begin - bar.length))}`,
    };
  });
  const lines = rows.map(({ us, line }) => `${line} ${msText(us).padStart(8)}`);
  const total = `${'end to end'.padEnd(label)}${paint('─'.repeat(width), 'dim')} ${msText(e2eUs).padStart(8)}`;
  return [...lines, total].join('\n');
}

/** Narrower tables leave out a column: B, which is A + Δ, or today's figure. */
const TABLE_COLUMNS = 74;

function ledgerLines({ stages, endToEnd }: Report, { columns }: TerminalOptions, paint: Paint): string[] {
  const rows = printedLedger(stages, endToEnd);
  const isNarrow = columns < TABLE_COLUMNS;
  const format = ({ stage, phase, a, b, delta, interval }: PrintedRow): string =>
    `${stage.padEnd(12)}${phase.padEnd(9)}${a.padStart(9)}${isNarrow ? '' : b.padStart(9)}${delta.padStart(9)}  ${interval}`;
  const header = format({
    stage: 'stage',
    phase: 'phase',
    a: 'A ms',
    b: 'B ms',
    delta: 'Δ ms',
    interval: isNarrow ? intervalTitle(stages).replace(' interval', '').replace('by ', '') : intervalTitle(stages),
  });
  const body = rows.map((row, index) => (index === rows.length - 1 ? paint(format(row), 'bold') : format(row)));
  return rows.length === 0 ? [] : [paint(header, 'dim'), ...body, ''];
}

function targetLines(report: Report, { columns }: TerminalOptions, paint: Paint): string[] {
  const isNarrow = columns < TABLE_COLUMNS;
  const ms = (value: number | undefined): string => (value === undefined ? '–' : String(Math.round(value)));
  const cell = (measured: Report['targets'][number]['a']): string =>
    measured === undefined
      ? '–'
      : `${ms(measured.medianMs)}${measured.met === undefined ? ' ' : measured.met ? '✓' : '✗'}`;
  const line = (name: string, today: string, target: string, a: string, b: string, n: string): string =>
    `${isNarrow ? name.replace(/ \(.*\)$/, '').padEnd(28) : `${name.padEnd(34)}${today.padStart(7)}`}${target.padStart(8)}${a.padStart(9)}${b.padStart(9)}${n.padStart(6)}`;
  return [
    paint(line('median, ms', 'today', 'target', 'A', 'B', 'n'), 'dim'),
    ...report.targets.map(({ name, todayMs, targetMs, a, b }) =>
      line(
        name,
        ms(todayMs),
        targetMs === undefined ? '–' : `<${targetMs}`,
        cell(a),
        cell(b),
        String(b?.n ?? a?.n ?? 0),
      ),
    ),
  ];
}

function armText({ lane, variant, commit, strategyHash }: Report['arms']['a']): string {
  return shown(
    `${lane}${variant === lane ? '' : ` ${variant}`}, commit ${commit.slice(0, 12)}, strategy ${strategyHash}`,
  );
}
