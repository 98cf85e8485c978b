/** Bench results as lines for a terminal. Pure. */
import { verdictSign, wrapped } from '../../replay/report/words.ts';
import type { Interval } from '../../replay/statistics/estimates.ts';
import type { TargetRow } from '../../replay/diff/targets.ts';
import { betText, ledgerText, type MetricRow, type StageGroup } from './arm-result.ts';
import type { ArmComparison } from './earlier.ts';
import type { BenchResult } from './engine.ts';
import { METRICS, type MetricName } from './metrics.ts';

/** Widths of a row's columns: with the longest interval they come to 80. */
const [LABEL, MEDIAN, P95, N] = [30, 9, 8, 5];

/** A block for each arm, its metrics below one another. */
export function benchTable(
  { bench, title, limits, grouping, arms, stopped }: Omit<BenchResult, 'turns' | 'servedFrom'>,
  columns: number,
): string {
  const lines = [`bench ${bench}: ${title}`, ''];
  const indented = (text: string): void => void lines.push(...wrapped(`  ${text}`, ' ', columns));
  lines.push(
    `${''.padEnd(LABEL)}${'median'.padStart(MEDIAN)}${'p95'.padStart(P95)}${'n'.padStart(N)}  Δ from the baseline [95 %]`,
  );
  for (const arm of arms) {
    lines.push(
      `${arm.arm}${arm.verdict === undefined ? '' : `  ${verdictSign({ verdict: arm.verdict })} ${arm.verdict}`}`,
    );
    if (arm.note !== undefined) indented(`(${arm.note})`);
    if (arm.reasons !== undefined) indented(arm.reasons.join('; '));
    lines.push(...arm.rows.map(metricLine));
    if (arm.connections !== undefined) indented(`by connection: ${groupText(arm.connections)}`);
    if (arm.groups !== undefined) indented(`${grouping ?? ''}: ${groupText(arm.groups)}`);
    if (arm.ledger !== undefined) indented(`wait, mean ms: ${ledgerText(arm.ledger)}`);
    for (const bet of arm.bets ?? []) indented(`${bet.kind}: ${betText(bet)}`);
    if (arm.turns < arm.planned) lines.push(`  ${arm.turns} of ${arm.planned} planned turns`);
    if (arm.failed > 0) indented(`${arm.failed} of ${arm.turns} turns failed: ${arm.firstFailure ?? ''}`);
  }
  lines.push('', ...wrapped(limits, ' ', columns, ''));
  if (stopped !== undefined) lines.push(...wrapped(`ended early: ${stopped}`, ' ', columns, ''));
  return lines.join('\n');
}

function metricLine({ metric, n, median, mean = median, p95, difference }: MetricRow): string {
  const { title, unit } = METRICS[metric];
  const p95Text = p95 === undefined ? '' : numberText(metric, p95);
  return `  ${`${title}, ${unit}`.padEnd(LABEL - 2)}${numberText(metric, mean).padStart(MEDIAN)}${p95Text.padStart(P95)}${String(n).padStart(N)}  ${differenceText(metric, difference)}`.trimEnd();
}

/** `new 1108.5 ms (n 12), kept 716.7 ms (n 3)`. */
function groupText(groups: readonly StageGroup[]): string {
  return groups.map(({ group, n, medianMs }) => `${group} ${medianMs.toFixed(1)} ms (n ${n})`).join(', ');
}

export function differenceText(metric: MetricName, difference: Interval | undefined): string {
  if (difference === undefined) return '';
  const { mean, low, high } = difference;
  const text = (value: number): string => {
    const rounded = numberText(metric, Math.abs(value));
    return Number(rounded) === 0 ? rounded : `${value < 0 ? '−' : '+'}${rounded}`;
  };
  return low === undefined || high === undefined ? text(mean) : `${text(mean)} [${text(low)}, ${text(high)}]`;
}

/** As many decimals as the unit deserves. */
export function numberText(metric: MetricName, value: number): string {
  const { unit } = METRICS[metric];
  return value.toFixed(unit === 'ms' || unit === 'kB' ? 1 : unit === 'USD/1000' ? 3 : 2);
}

/** Today's figures beside what the baseline and the combined strategies measured. */
export function targetLines(targets: readonly TargetRow[]): string[] {
  const line = (name: string, cells: readonly string[], met = ''): string =>
    `${name.padEnd(31)}${cells.map((cell, index) => cell.padStart(TARGET_WIDTHS[index] ?? 0)).join('')} ${met}`.trimEnd();
  const cell = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0));
  const met = ({ b }: TargetRow): string => (b?.met === undefined ? '' : b.met ? 'met' : 'missed');
  return [
    line('targets, median ms', ['today', 'target', 'baseline', 'combined', 'p95', 'n']),
    ...targets.map((row) => {
      const values = [row.todayMs, row.targetMs, row.a?.medianMs, row.b?.medianMs, row.b?.p95Ms];
      return line(row.name, [...values.map(cell), String(row.b?.n ?? 0)], met(row));
    }),
  ];
}

const TARGET_WIDTHS = [6, 7, 9, 9, 6, 5];

export function comparisonLines(comparisons: readonly ArmComparison[]): string[] {
  return [
    'compared with the earlier folder (first audible, ms)',
    ...comparisons.flatMap(({ bench, arm, verdict, reasons, deltaMs, lowMs, highMs }) => [
      `  ${verdictSign({ verdict })} ${verdict.padEnd(13)}${`${bench}, ${arm}`.padEnd(36)} ${deltaMs.toFixed(1)}${lowMs === undefined || highMs === undefined ? '' : ` [${lowMs.toFixed(1)}, ${highMs.toFixed(1)}]`}`,
      ...wrapped(`    ${reasons.join('; ')}`, ' ', 80, '    '),
    ]),
  ];
}
