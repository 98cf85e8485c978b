/** A report for a terminal of any width: verdict, ledger, targets, validity. */
import type { TurnSummary } from '../../service/metrics.ts';
import type { Report } from './build.ts';
import { intervalText, printedLedger, signed, type PrintedRow } from './rows.ts';
import { plain, VERDICT_SIGN, validityLine } from './words.ts';

export interface TerminalOptions {
  columns: number;
  color: boolean;
}

const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;
type Paint = (text: string, ...codes: readonly (keyof typeof CODES)[]) => string;

function painter(color: boolean): Paint {
  return (text, ...codes) => (color ? `\u001b[${codes.map((code) => CODES[code]).join(';')}m${text}\u001b[0m` : text);
}

export function terminalReport(report: Report, options: TerminalOptions): string {
  const paint = painter(options.color);
  const { primary, arms, verdict } = report;
  const tone = verdict === 'faster' ? 'green' : verdict === 'slower' ? 'red' : 'yellow';
  const percent = primary.shiftPct === undefined ? '' : ` (${signed(primary.shiftPct)} %)`;
  const lines = [
    paint(
      `${VERDICT_SIGN[verdict]} ${verdict.toUpperCase()}  ${primary.stage} ${signed(primary.deltaMs)} ms ${intervalText(primary)}${percent}`,
      'bold',
      tone,
    ),
    paint(
      `${report.basis}: world ${report.world}${report.validity.profile === undefined ? '' : `, profile ${plain(report.validity.profile)}`}`,
      'dim',
    ),
    ...report.reasons.flatMap((reason) => wrapped(`  ${plain(reason)}`, ' ', options.columns)),
    '',
    `A  ${armText(arms.a)}`,
    `B  ${armText(arms.b)}`,
    ...report.knobs.map(
      ({ knob, a, b }) => `   ${plain(knob)}: ${plain(JSON.stringify(a))} → ${plain(JSON.stringify(b))}`,
    ),
    '',
    ...ledgerLines(printedLedger(report.stages, report.primary), paint),
    '',
    ...targetLines(report, paint),
    '',
    ...wrapped(validityLine(report), ' · ', options.columns),
    ...(report.rerun === undefined ? [] : [paint(plain(report.rerun), 'dim')]),
  ];
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** One turn's waiting time as bars on a common scale. */
export function waterfall(turn: TurnSummary, options: TerminalOptions): string {
  const paint = painter(options.color);
  const { e2eUs } = turn;
  if (e2eUs === undefined) return 'no first audible in this turn: nothing to draw';
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
  const lines = rows.map(({ us, line }) => `${line} ${(us / 1000).toFixed(1).padStart(8)}`);
  const total = `${'end to end'.padEnd(label)}${paint('─'.repeat(width), 'dim')} ${(e2eUs / 1000).toFixed(1).padStart(8)}`;
  return [...lines, total].join('\n');
}

/** Text on as many lines as it needs, broken at `gap`; continued lines are indented by two. */
function wrapped(text: string, gap: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of text.split(gap)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + gap.length + part.length <= columns) {
      lines[lines.length - 1] = `${line}${gap}${part}`;
    } else {
      lines.push(line === undefined ? part : `  ${part}`);
    }
  }
  return lines;
}

function ledgerLines(rows: readonly PrintedRow[], paint: Paint): string[] {
  const format = ({ stage, phase, a, b, delta, interval }: PrintedRow): string =>
    `${stage.padEnd(12)}${phase.padEnd(9)}${a.padStart(9)}${b.padStart(9)}${delta.padStart(9)}  ${interval}`;
  const header = format({
    stage: 'stage',
    phase: 'phase',
    a: 'A ms',
    b: 'B ms',
    delta: 'Δ ms',
    interval: '95 % interval',
  });
  const body = rows.map((row, index) => (index === rows.length - 1 ? paint(format(row), 'bold') : format(row)));
  return [paint(header, 'dim'), ...body];
}

function targetLines(report: Report, paint: Paint): string[] {
  const ms = (value: number | undefined): string => (value === undefined ? '–' : String(Math.round(value)));
  const cell = (measured: Report['targets'][number]['a']): string =>
    measured === undefined
      ? '–'
      : `${ms(measured.medianMs)}${measured.met === undefined ? ' ' : measured.met ? '✓' : '✗'}`;
  const line = (name: string, today: string, target: string, a: string, b: string, n: string): string =>
    `${name.padEnd(34)}${today.padStart(7)}${target.padStart(8)}${a.padStart(9)}${b.padStart(9)}${n.padStart(6)}`;
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
  return plain(
    `${lane}${variant === lane ? '' : ` ${variant}`}, commit ${commit.slice(0, 12)}, strategy ${strategyHash}`,
  );
}
