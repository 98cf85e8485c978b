/** Tables of the HTML page. Pure. */
import type { Report } from './build.ts';
import { p95Text } from '../diff/targets.ts';
import { html, htmlTable, escapeHtml, type Cell } from './html-text.ts';
import { signed } from '../statistics/rounding.ts';
import { intervalText, printedQuantile } from './rows.ts';
import { guardState, guardText, knobText } from './words.ts';

export function targetTable({ targets }: Report): string {
  const lane = (measured: Report['targets'][number]['a']): Cell => {
    if (measured === undefined) return '–';
    const met =
      measured.met === undefined
        ? ''
        : measured.met
          ? ' <span class="yes">met</span>'
          : ' <span class="no">missed</span>';
    return html(`${Math.round(measured.medianMs)}${met}`);
  };
  return htmlTable(
    [
      { title: 'median, ms' },
      ...['today', 'target', 'A', 'B', 'B p95', 'n'].map((title) => ({
        title,
        isNumber: true,
        isWideOnly: title === 'today' || title === 'target',
      })),
    ],
    targets.map(({ name, todayMs, targetMs, a, b }) => [
      name,
      todayMs === undefined ? '–' : String(todayMs),
      targetMs === undefined ? '–' : `<${targetMs}`,
      lane(a),
      lane(b),
      p95Text(b),
      String(b?.n ?? 0),
    ]),
  );
}

export function percentileTables({ percentiles, validity }: Report): string {
  const columns = [
    { title: 'stage' },
    { title: 'phase' },
    ...['A ms', 'B ms'].map((title) => ({ title, isNumber: true })),
  ];
  const tables = percentiles.map((each) =>
    htmlTable(
      columns,
      printedQuantile(each.rows).map(({ stage, phase, a, b }) => [stage, phase, a, b]),
      { caption: `p${Math.round(each.q * 100)} of end to end`, hasTotal: true },
    ),
  );
  const { p95, turns } = validity;
  const tail =
    p95 === undefined
      ? `p95: n too small (${turns} turns).`
      : `Difference of the 95th percentiles: ${signed(p95.deltaMs)} ms ${intervalText(p95)}.`;
  return `${tables.join('')}<p class="note">${tail}</p>`;
}

export function knobTable({ knobs }: Report): string {
  return knobs.length === 0
    ? ''
    : htmlTable(
        [{ title: 'knob' }, { title: 'A' }, { title: 'B' }],
        knobs.map(({ knob, a, b }) => [knob, knobText(a), knobText(b)]),
      );
}

const STATE_CLASS = { holds: 'yes', open: 'open', broken: 'no' } as const;

/** What is only predicted is neither good nor bad. */
const stateClass = ({ state, predicted }: Report['guards'][number]): string =>
  predicted === true ? STATE_CLASS.open : STATE_CLASS[state];

export function guardTable({ guards }: Report): string {
  if (guards.length === 0) return '';
  return htmlTable(
    [{ title: 'guard' }, { title: 'state' }, { title: 'detail' }],
    guards.map((guard) => [
      guard.name,
      html(`<span class="${stateClass(guard)}">${guardState(guard)}</span>`),
      guardText(guard),
    ]),
  );
}

export function spanTable({ spans = [] }: Report): string {
  if (spans.length === 0) return '';
  const ms = (value: number | undefined): string => value?.toFixed(1) ?? '–';
  const columns = ['A ms', 'B ms', 'Δ ms', 'pairs', 'only in A', 'only in B'].map((title) => ({
    title,
    isNumber: true,
  }));
  const rows = spans.map((row): Cell[] => [
    html(`<span class="path">${escapeHtml(row.path, 300)}</span>`),
    ms(row.aMs),
    ms(row.bMs),
    row.deltaMs === undefined ? '–' : signed(row.deltaMs),
    ...[row.n, row.onlyA, row.onlyB].map(String),
  ]);
  const unpaired = spans.filter(({ onlyA, onlyB }) => onlyA + onlyB > 0).length;
  return `<details${spans.length > 80 ? '' : ' open'}><summary>${spans.length} paths, ${unpaired} with unpaired spans</summary>${htmlTable([{ title: 'span' }, ...columns], rows)}</details>`;
}
