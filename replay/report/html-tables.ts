/** Tables of the HTML page. Pure. */
import type { Report } from './build.ts';
import { html, htmlTable, escapeHtml, type Cell } from './html-text.ts';
import { signed } from '../diff/stats.ts';
import { printedLedger } from './rows.ts';
import { knobText } from './words.ts';

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
      b?.p95Ms === undefined ? 'n too small' : String(Math.round(b.p95Ms)),
      String(b?.n ?? 0),
    ]),
  );
}

export function percentileTables({ percentiles, validity }: Report): string {
  const columns = [
    { title: 'stage' },
    { title: 'phase' },
    ...['A ms', 'B ms', 'Δ ms'].map((title) => ({ title, isNumber: true })),
  ];
  const tables = percentiles.map((each) =>
    htmlTable(
      columns,
      printedLedger(each.rows, each).map(({ stage, phase, a, b, delta }) => [stage, phase, a, b, delta]),
      { caption: `p${Math.round(each.q * 100)} of end to end`, hasTotal: true },
    ),
  );
  const few = percentiles.some(({ q }) => q > 0.9)
    ? ''
    : `<p class="note">p95: n too small (${validity.pairs} pairs).</p>`;
  return tables.join('') + few;
}

export function knobTable({ knobs }: Report): string {
  return knobs.length === 0
    ? ''
    : htmlTable(
        [{ title: 'knob' }, { title: 'A' }, { title: 'B' }],
        knobs.map(({ knob, a, b }) => [knob, knobText(a), knobText(b)]),
      );
}

export function guardTable({ validity }: Report): string {
  return htmlTable(
    [{ title: 'guard' }, { title: 'holds' }, { title: 'detail' }],
    validity.guards.map(({ name, holds, detail }) => [
      name,
      html(holds ? '<span class="yes">yes</span>' : '<span class="no">no</span>'),
      detail,
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
