/** Text, tables and small bars of HTML, safe for any text. Pure. */
import { shown } from './words.ts';

/** One text of a page is cut here. */
const TEXT_LIMIT_CHARS = 20_000;

/** HTML made by this program. A plain string is text and gets escaped. */
export interface Html {
  readonly html: string;
}

export const html = (markup: string): Html => ({ html: markup });

/** Untrusted text without markup, control or bidirectional characters, cut to what a page can take. */
export function escapeHtml(untrusted: string, limitChars = TEXT_LIMIT_CHARS): string {
  return shown(untrusted, limitChars).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

export type Cell = string | Html;

/** A longer text may break anywhere, so that its column stays narrow. */
const LONG_CHARS = 40;

function cell(value: Cell): string {
  if (typeof value !== 'string') return value.html;
  return value.length > LONG_CHARS ? `<span class="long">${escapeHtml(value)}</span>` : escapeHtml(value);
}

export interface Column {
  title: string;
  /** Aligned right. */
  isNumber?: boolean;
  /** Left out on a narrow page, so that the other columns are seen without scrolling. */
  isWideOnly?: boolean;
}

/** A table that scrolls when the page is narrow. With `hasTotal` the last row is a total. */
export function htmlTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: { caption?: string; hasTotal?: boolean } = {},
): string {
  const kind = (index: number): string => {
    const { isNumber = false, isWideOnly = false } = columns[index] ?? {};
    const names = [...(isNumber ? ['number'] : []), ...(isWideOnly ? ['wide'] : [])];
    return names.length === 0 ? '' : ` class="${names.join(' ')}"`;
  };
  const head = columns.map(({ title }, index) => `<th scope="col"${kind(index)}>${escapeHtml(title)}</th>`).join('');
  const body = rows.map((row, at) => {
    const isTotal = options.hasTotal === true && at === rows.length - 1;
    const cells = row.map((value, index) =>
      index === 0 ? `<th scope="row">${cell(value)}</th>` : `<td${kind(index)}>${cell(value)}</td>`,
    );
    return `<tr${isTotal ? ' class="total"' : ''}>${cells.join('')}</tr>`;
  });
  const caption = options.caption === undefined ? '' : `<caption>${escapeHtml(options.caption)}</caption>`;
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(options.caption ?? columns[0]?.title ?? 'table')}"><table>${caption}<thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

const BAR_WIDTH = 160;

/** A's bar above B's. All rows share the scale. */
export function twinBar(aMs: number, bMs: number, scaleMs: number): Html {
  const width = (value: number): string => ((Math.max(0, value) / Math.max(scaleMs, 1e-9)) * BAR_WIDTH).toFixed(1);
  return html(
    `<svg class="bar" viewBox="0 0 ${BAR_WIDTH} 14" width="${BAR_WIDTH}" height="14" aria-hidden="true">` +
      `<rect class="a" x="0" y="1" height="5" width="${width(aMs)}" rx="1"/><rect class="b" x="0" y="8" height="5" width="${width(bMs)}" rx="1"/></svg>`,
  );
}

/** A difference as a bar from the middle, faster to the left, with its interval as a line. */
export function deltaBar(row: { deltaMs: number; lowMs?: number; highMs?: number }, scaleMs: number): Html {
  const middle = BAR_WIDTH / 2;
  const at = (value: number): number =>
    Math.max(0, Math.min(BAR_WIDTH, middle + (value / Math.max(scaleMs, 1e-9)) * middle));
  const to = at(row.deltaMs);
  const interval =
    row.lowMs === undefined || row.highMs === undefined
      ? ''
      : `<line class="interval" x1="${at(row.lowMs).toFixed(1)}" x2="${at(row.highMs).toFixed(1)}" y1="7" y2="7"/>`;
  return html(
    `<svg class="bar" viewBox="0 0 ${BAR_WIDTH} 14" width="${BAR_WIDTH}" height="14" aria-hidden="true">` +
      `<line class="axis" x1="${middle}" x2="${middle}" y1="0" y2="14"/>` +
      `<rect class="${row.deltaMs < 0 ? 'faster' : 'slower'}" x="${Math.min(to, middle).toFixed(1)}" y="3" height="8" width="${Math.abs(to - middle).toFixed(1)}" rx="1"/>${interval}</svg>`,
  );
}

export function htmlSection(id: string, title: string, body: string, note = ''): string {
  if (body === '') return '';
  return `<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escapeHtml(title)}</h2>${note === '' ? '' : `<p class="note">${escapeHtml(note)}</p>`}${body}</section>`;
}
