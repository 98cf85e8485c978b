/** Tables, fences and cells of Markdown, safe for any text. Pure. */
import { shown } from './words.ts';

/** `align`: one cell a column, `:` = right. */
export function markdownTable(head: readonly string[], align: string, rows: readonly (readonly string[])[]): string {
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

/** A code block. Its fence is longer than any run of backticks in the text, so the text stays as it is. */
export function fenced(text: string): string {
  const runs = (text.match(/`+/g) ?? []).map((run) => run.length);
  const fence = '`'.repeat(Math.max(2, ...runs) + 1);
  return `${fence}sh\n${text}\n${fence}`;
}

/**
 * Untrusted text in a table cell: no HTML, Markdown, mention, reference or link. GitHub finds mentions and references after it has
 * rendered Markdown, when an escaped `@` is an `@` again. So a zero-width space follows. What reads as the hash of a commit would become
 * a link to it, but not as code: an id stays one that can be copied.
 */
export function escapeMarkdown(text: string, limitChars?: number): string {
  return shown(text, limitChars)
    .replace(
      /[&<>\\`*_{}[\]()#|~!$@]/g,
      (character) => `&#${character.charCodeAt(0)};${/[@#]/.test(character) ? APART : ''}`,
    )
    .replaceAll('://', '&#58;//')
    .replace(/www\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replace(/\bgh-(?=\d)/gi, (prefix) => `${prefix}${APART}`)
    .replace(COMMIT_HASH, '`$&`');
}

/** GitHub links from 7 hexadecimal digits on. Shorter numbers than a whole hash stay numbers. */
const COMMIT_HASH = /(?<![0-9a-z&#])(?=[0-9a-f]*[a-f]|\d{40})[0-9a-f]{7,}(?![0-9a-z])/gi;

const APART = '&#8203;';
