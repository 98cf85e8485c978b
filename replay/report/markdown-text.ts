/** Markdown's tables, fences and cells, safe for any text. Pure. */
import { shown } from './words.ts';

/** `align`: one cell a column, `:` = right. */
export function table(head: readonly string[], align: string, rows: readonly (readonly string[])[]): string {
  const cells = align.split('|').slice(1, head.length + 1);
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (cells[index] === ':' ? '---:' : '---'))), ...rows.map(line)].join(
    '\n',
  );
}

/** Untrusted text for a code span. */
export function code(text: string): string {
  return shown(text).replace(/[`|<>]/g, ' ');
}

/** In a fence longer than any run of backticks in the text, so that nothing in it needs to change. */
export function fenced(text: string): string {
  const runs = (text.match(/`+/g) ?? []).map((run) => run.length);
  const fence = '`'.repeat(Math.max(2, ...runs) + 1);
  return `${fence}sh\n${text}\n${fence}`;
}

/**
 * Untrusted text in a table cell: no HTML, no Markdown, no mention, no reference, no link. GitHub looks for mentions and
 * references after Markdown has run, when an escaped `@` is an `@` again: there a zero-width space has to follow it.
 */
export function escapeText(text: string, limitChars?: number): string {
  return shown(text, limitChars)
    .replace(
      /[&<>\\`*_{}[\]()#|~!$@]/g,
      (character) => `&#${character.charCodeAt(0)};${/[@#]/.test(character) ? APART : ''}`,
    )
    .replaceAll('://', '&#58;//')
    .replace(/www\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replace(/\bgh-(?=\d)/gi, (prefix) => `${prefix}${APART}`);
}

const APART = '&#8203;';
