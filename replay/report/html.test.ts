/** The HTML page as text: what its policy allows, and that hostile text adds no markup. Opened in a browser: browser.test.ts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { parseHTML } from 'linkedom';
import { htmlReport } from './html.ts';
import { HOSTILE } from '../../testing/hostile-texts.ts';
import { FASTER, hostileReport, PREDICTED, reportOf, SLOWER } from '../../testing/sample-report.ts';

const tagsOf = (page: string): string[] => page.match(/<\/?[a-z][\w-]*/gi) ?? [];

test('the policy allows the page’s own style and script by hash, and nothing else', () => {
  const page = htmlReport(reportOf(FASTER));
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  const hash = (content = ''): string => `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(page) ?? [];
  const [, script] = /<script>([\s\S]*?)<\/script>/.exec(page) ?? [];
  assert.deepEqual(policy.split('; '), [
    "default-src 'none'",
    `style-src ${hash(style)}`,
    `script-src ${hash(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  assert.ok(!/ (style|on\w+)=/.test(page.replace(/<script[\s\S]*?<\/script>/g, '')), 'no inline style, no handler');
  assert.ok(!/(src|href)=|url\(|@import/.test(page.replace(script ?? '', '')), 'nothing is loaded');
});

test('no hostile text adds an element or an attribute', () => {
  const harmless = htmlReport(hostileReport('harmless'));
  const data = /<script type="application\/json"[\s\S]*?<\/script>/;
  const texts = HOSTILE.map(([text]) => text);
  for (const hostile of [...texts, texts.join(' ')]) {
    const page = htmlReport(hostileReport(hostile));
    const markup = (text: string): string[] => tagsOf(text.replace(data, '')).filter((tag) => !/^<\/?span$/.test(tag));
    assert.deepEqual(markup(page), markup(harmless), hostile);
    const json = data.exec(page)?.[0] ?? '';
    assert.deepEqual(tagsOf(json), ['<script', '</script'], hostile);
    assert.ok(
      !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(page),
      hostile,
    );
    const { document } = parseHTML(page);
    assert.equal(document.querySelectorAll('img,iframe,a,object,[onerror],[onload],[href]').length, 0, hostile);
  }
  const raw = harmless.replace('</main>', `${HOSTILE[0]?.[0] ?? ''}</main>`);
  assert.equal(parseHTML(raw).document.querySelectorAll('img').length, 1, 'control: raw, it would be an element');
});

test('a line of 1 MB is cut and says so', () => {
  const page = htmlReport(hostileReport('x'.repeat(1_000_000)));
  assert.ok(page.length < 3_000_000, String(page.length));
  assert.match(page, /… \(1000000 characters\)/);
});

test('words are in the page only when the report holds them; audio never', () => {
  const report = reportOf(FASTER);
  const texts = report.turns
    .slice(0, 6)
    .map(({ traceId, turnIndex }) => ({ traceId, turnIndex, transcript: 'a secret' }));
  assert.ok(!htmlReport(report).includes('a secret'));
  assert.ok(htmlReport({ ...report, texts }).includes('a secret'), 'control');
});

test('nothing of a prediction that asks for what the capture has not shown is green or ticked', () => {
  const bodyOf = (page: string): string => page.slice(page.indexOf('<body'), page.indexOf('<script'));
  const [predicted, measured] = [PREDICTED, FASTER].map((input) => htmlReport(reportOf(input)));
  assert.ok(bodyOf(predicted ?? '').startsWith('<body class="predicted">') && !bodyOf(predicted ?? '').includes('✓'));
  assert.match(predicted ?? '', /body\.predicted \{\s*--faster: var\(--muted\);/);
  assert.ok(bodyOf(measured ?? '').startsWith('<body>') && bodyOf(measured ?? '').includes('✓'), 'control');
});

test('links go to Jaeger’s comparison, where there is a Jaeger', () => {
  const report = reportOf(SLOWER);
  assert.ok(htmlReport(report, { jaegerUi: 'http://jaeger:16686/ui/' }).includes('http://jaeger:16686/ui/trace/'));
  assert.ok(!htmlReport(report, { jaegerUi: 'javascript:alert(1)' }).includes('javascript:'));
  assert.ok(!htmlReport(report).includes('/trace/'), 'control');
});

test('a report without pairs has no section that promises them', () => {
  const sections = (page: string): number => parseHTML(page).document.querySelectorAll('#pairs, #find, #panel').length;
  const report = reportOf(FASTER);
  assert.deepEqual(
    [report, { ...report, pairs: [] }].map((each) => sections(htmlReport(each))),
    [3, 0],
  );
});
