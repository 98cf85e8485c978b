/** Bench results as lines for a terminal. Pure. */
import { VERDICT_SIGN } from '../replay/report/words.ts';
import type { Interval } from '../replay/stats.ts';
import type { TargetRow } from '../replay/targets.ts';
import { betText, ledgerText } from './arm-totals.ts';
import type { ArmComparison } from './earlier.ts';
import type { ArmResult, MetricRow } from './arm-result.ts';
import type { BenchResult } from './engine.ts';
import { METRICS, type MetricName } from './metrics.ts';

const NUMBER = 9;

/** A block for each metric would hide the arms: a block for each arm, its metrics below one another. */
export function benchTable(
  { bench, title, limits, grouping, arms, stopped }: Omit<BenchResult, 'turns' | 'servedFrom'>,
  columns: number,
): string {
  const lines = [`bench ${bench}: ${title}`, ''];
  const label = 30;
  lines.push(
    `${''.padEnd(label)}${['median', 'p95'].map((name) => name.padStart(NUMBER)).join('')}     n  Δ from the baseline [95 %]`,
  );
  for (const arm of arms) {
    lines.push(
      `${arm.arm}${arm.verdict === undefined ? '' : `  ${VERDICT_SIGN[arm.verdict]} ${arm.verdict}`}${arm.note === undefined ? '' : `  (${arm.note})`}`,
    );
    lines.push(...arm.rows.map((row) => metricLine(row, label)));
    lines.push(...connectionLine(arm, label));
    lines.push(...groupLine(arm, grouping, label));
    if (arm.ledger !== undefined)
      lines.push(...wrap(`wait, mean ms: ${ledgerText(arm.ledger)}`, columns - 2).map((line) => `  ${line}`));
    for (const bet of arm.bets ?? [])
      lines.push(...wrap(`${bet.kind}: ${betText(bet)}`, columns - 2).map((line) => `  ${line}`));
    if (arm.turns < arm.planned) lines.push(`  ${arm.turns} of ${arm.planned} planned turns`);
    if (arm.failed > 0)
      lines.push(`  ${arm.failed} of ${arm.turns} turns failed: ${arm.firstFailure ?? ''}`.slice(0, columns));
  }
  lines.push('', ...wrap(limits, columns));
  if (stopped !== undefined) lines.push(`ended early: ${stopped}`);
  return lines.join('\n');
}

function metricLine({ metric, n, median, mean = median, p95, difference }: MetricRow, label: number): string {
  const { title, unit } = METRICS[metric];
  const numbers = [numberText(metric, mean), p95 === undefined ? '' : numberText(metric, p95)];
  return `  ${`${title}, ${unit}`.padEnd(label - 2)}${numbers.map((text) => text.padStart(NUMBER)).join('')}${String(n).padStart(6)}  ${differenceText(metric, difference)}`.trimEnd();
}

function connectionLine({ cold, warm }: ArmResult, label: number): string[] {
  const part = (name: string, each: ArmResult['cold']): string[] =>
    each === undefined ? [] : [`${name} ${each.medianMs.toFixed(1)} ms (n ${each.n})`];
  const parts = [...part('new connection', cold), ...part('kept', warm)];
  return parts.length === 0 ? [] : [`  ${'by connection'.padEnd(label - 2)} ${parts.join(', ')}`];
}

function groupLine({ groups = [] }: ArmResult, title: string | undefined, label: number): string[] {
  const parts = groups.map(({ group, n, medianMs }) => `${group} ${medianMs.toFixed(1)} ms (n ${n})`);
  return parts.length === 0 ? [] : [`  ${(title ?? '').padEnd(label - 2)} ${parts.join(', ')}`];
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
  const cell = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0)).padStart(NUMBER);
  const met = (row: TargetRow): string => (row.b?.met === undefined ? '' : row.b.met ? 'met' : 'missed');
  return [
    `${'targets, median ms'.padEnd(34)}${['today', 'target', 'baseline', 'combined', 'p95'].map((name) => name.padStart(NUMBER)).join('')}     n`,
    ...targets.map((row) =>
      `${row.name.padEnd(34)}${cell(row.todayMs)}${cell(row.targetMs)}${cell(row.a?.medianMs)}${cell(row.b?.medianMs)}${cell(row.b?.p95Ms)}${String(row.b?.n ?? 0).padStart(6)}  ${met(row)}`.trimEnd(),
    ),
  ];
}

export function comparisonLines(comparisons: readonly ArmComparison[]): string[] {
  return [
    'compared with the earlier folder (first audible, ms)',
    ...comparisons.map(
      ({ bench, arm, verdict, deltaMs, lowMs, highMs }) =>
        `  ${VERDICT_SIGN[verdict]} ${verdict.padEnd(13)}${`${bench}, ${arm}`.padEnd(40)} ${deltaMs.toFixed(1)}${lowMs === undefined || highMs === undefined ? '' : ` [${lowMs.toFixed(1)}, ${highMs.toFixed(1)}]`}`,
    ),
  ];
}

function wrap(text: string, columns: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length + 1 > columns) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
