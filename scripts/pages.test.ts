/** The pages of docs/: every link to them leads somewhere, and what they repeat of the code is what the code says. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PHASES } from '../service/base/events.ts';
import { FILE_LIMITS } from '../service/base/input-file.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** What may name a page. */
const SOURCES = globSync(
  [
    '{*.{md,yml,json,ts},.env.example,Dockerfile}',
    '{bench,bin,checks,cli,collector,docs,jaeger,replay,scripts,service,sim,testing}/**/*.{ts,mjs,js,md,html,yml,yaml,json,sh}',
  ],
  { cwd: ROOT },
).filter((path) => path !== 'scripts/pages.test.ts');

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replace(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-');
    const taken = (candidate: string, index: number): string =>
      anchors.has(candidate) ? taken(`${anchor}-${index}`, index + 1) : candidate;
    anchors.add(taken(anchor, 1));
  }
  return anchors;
}

interface Link {
  path: string;
  anchor?: string;
}

/** Pages that a text names from the root (`docs/x.md#y`, in code and help texts too), and a page's own relative links. */
function linksIn(path: string, text: string): Link[] {
  const named = [...text.matchAll(/(?<![\w./-])(docs\/[\w./-]+?\.md)(?:#([\w-]+))?/g)];
  const relative = path.endsWith('.md')
    ? [...text.matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([all, to = '', anchor]) => [
        all,
        to === '' ? path : join(dirname(path), to),
        anchor,
      ])
    : [];
  return [...named, ...relative].map(([, to = '', anchor]) => ({ path: to, anchor }));
}

/** Links that lead nowhere. `pageOf` is undefined where there is no such file. */
function deadLinks(path: string, text: string, pageOf: (path: string) => string | undefined): string[] {
  const complaints = linksIn(path, text).flatMap(({ path: to, anchor }) => {
    const page = pageOf(to);
    if (page === undefined) return [`${path}: there is no ${to}`];
    const lost = anchor !== undefined && to.endsWith('.md') && !anchorsOf(page).has(anchor);
    return lost ? [`${path}: ${to} has no #${anchor}`] : [];
  });
  return [...new Set(complaints)];
}

function pageOf(path: string): string | undefined {
  if (!existsSync(join(ROOT, path))) return undefined;
  return path.endsWith('.md') ? read(path) : '';
}

test('every page and heading that code, help texts and pages name is there', () => {
  assert.ok(SOURCES.length > 300 && SOURCES.includes('cli/main.ts') && SOURCES.includes('README.md'));
  assert.deepEqual(
    SOURCES.flatMap((path) => deadLinks(path, read(path), pageOf)),
    [],
  );
});

test('control: a missing page, heading and file are reported, existing ones are not', () => {
  const pages: Readonly<Record<string, string>> = {
    'docs/a.md': '# A `b`, and c\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n',
    'docs/sub/b.md': '',
  };
  const dead = (path: string, text: string): string[] => deadLinks(path, text, (to) => pages[to]);
  assert.deepEqual(dead('x.ts', '// docs/a.md#a-b-and-c, docs/a.md#twice-1. docs/sub/b.md'), []);
  assert.deepEqual(dead('x.ts', 'print("docs/a.md#twice-2 docs/c.md docs/a.md#no-heading")'), [
    'x.ts: docs/a.md has no #twice-2',
    'x.ts: there is no docs/c.md',
    'x.ts: docs/a.md has no #no-heading',
  ]);
  assert.deepEqual(dead('docs/sub/b.md', '[a](../a.md#twice) [web](https://x.y/#z) [me](#gone) [code](../../z.ts)'), [
    'docs/sub/b.md: docs/sub/b.md has no #gone',
    'docs/sub/b.md: there is no z.ts',
  ]);
});

/** The words that head ports.ts: a line's first column, where the meaning stands after two blanks or more. */
function termsOf(source: string): string[] {
  const [comment = ''] = source.split('*/');
  return [...comment.matchAll(/^ \* (\S.*?) {2,}\S/gm)].map(([, term = '']) => term);
}

const isIn = (page: string, term: string): boolean => page.split('\n').some((line) => line.startsWith(`| ${term} `));

test('the glossary has every word that heads service/base/ports.ts; control: others are missed', () => {
  const [terms, page] = [termsOf(read('service/base/ports.ts')), read('docs/glossary.md')];
  assert.ok(terms.length > 20 && terms.includes('first content audible'));
  assert.deepEqual(
    terms.filter((term) => !isIn(page, term)),
    [],
  );
  assert.equal(isIn(page, 'audible'), false);
});

test('the report that is read line by line is the golden one', () => {
  assert.ok(read('docs/reading-a-report.md').includes(read('fixtures/reports/faster.txt')), 'copy it onto the page');
});

test('docs/metrics.md says from where to where each phase is; control: another word is missed', () => {
  const page = read('docs/metrics.md');
  assert.deepEqual(
    PHASES.filter((phase) => !isIn(page, `\`${phase}\``)),
    [],
  );
  assert.equal(isIn(page, '`detects`'), false);
});

/** Rows `| kind | most bytes |` of the page's table of limits. */
const limitsOn = (page: string): [kind: string, maxBytes: number][] =>
  [...page.matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)].map(([, kind = '', bytes = '']) => [
    kind,
    Number(bytes.replaceAll(',', '')),
  ]);

test('docs/security.md has every limit of files, and a test for each door; control: another limit is seen', () => {
  const page = read('docs/security.md');
  const limits = Object.entries(FILE_LIMITS).map(([kind, { maxBytes }]) => [kind, maxBytes]);
  assert.deepEqual(limitsOn(page), limits);
  assert.notDeepEqual(limitsOn(page.replace('256,000 | `--set', '256,001 | `--set')), limits);
  const [, table = ''] = /## What each door lets in\n\n([\s\S]*?)\n\n/.exec(page) ?? [];
  const doors = table.split('\n').slice(2);
  assert.ok(doors.length > 20);
  for (const door of doors) assert.match(door, /\]\(\.\.\/[\w/.-]+\.test\.ts\) \|$/);
});
