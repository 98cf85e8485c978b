/**
 * One self-contained HTML page: no network and no other file. The content security policy allows the page's own style and script,
 * by their hashes, and nothing else.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { escapeHtml } from './html-text.ts';

/** A file beside this one. */
export const asset = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
const hashOf = (content: string): string => `'sha256-${createHash('sha256').update(content).digest('base64')}'`;

export interface PageParts {
  /** Plain text. */
  title: string;
  /** Escaped HTML. */
  sections: readonly string[];
  script?: string;
  /** Of the body. */
  style?: 'predicted';
  /** JSON that the script reads, by its id. */
  data?: { id: string; json: string };
}

export function htmlPage({ title, sections, script, data, style: name }: PageParts): string {
  const style = asset('page.css');
  const policy = [
    `default-src 'none'`,
    `style-src ${hashOf(style)}`,
    ...(script === undefined ? [] : [`script-src ${hashOf(script)}`]),
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="referrer" content="no-referrer">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    name === undefined ? '<body>' : `<body class="${name}">`,
    '<main>',
    ...sections,
    '</main>',
    ...(data === undefined ? [] : [`<script type="application/json" id="${data.id}">${data.json}</script>`]),
    ...(script === undefined ? [] : [`<script>${script}</script>`]),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
