/** The HTML page opened from disk in a real browser. Skips, visibly, where there is no Chromium. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { ReportInput } from './build.ts';
import { htmlReport } from './html.ts';
import { EVERYTHING } from '../../testing/hostile-texts.ts';
import { FASTER, hostileReport, reportOf } from '../../testing/sample-report.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const skip = CHROMIUM === undefined ? 'no Chromium: apt-get install chromium' : false;
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

const folder = mkdtempSync(join(tmpdir(), 'retake-browser-'));
let browser: BrowserContext | undefined;

before(async () => {
  if (CHROMIUM === undefined) return;
  browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    viewport: { width: 1200, height: 900 },
  });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  /** What the browser complained of: console errors, policy violations, exceptions, dialogs. */
  complaints: string[];
  /** Requests other than the page itself. */
  requests: string[];
}

async function open(html: string, options: { width?: number; dark?: boolean } = {}): Promise<Opened> {
  const path = join(folder, 'report.html');
  writeFileSync(path, html);
  const page = (await browser?.newPage()) ?? assert.fail('no browser');
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const url = pathToFileURL(path).href;
  page.on('request', (request) => {
    if (request.url() !== url) requests.push(request.url());
  });
  await page.setViewportSize({ width: options.width ?? 1200, height: 900 });
  await page.emulateMedia({ colorScheme: options.dark === true ? 'dark' : 'light' });
  await page.goto(url);
  return { page, complaints, requests };
}

/** The faster sample with many turns, so that everything is drawn. */
function manyTurns(): ReportInput {
  const spread = (side: ReportInput['a']): TurnSummary[] =>
    Array.from({ length: 40 }, (_, round) =>
      side.turns.map((turn) => ({ ...turn, sessionId: `${turn.sessionId}-${round}` })),
    ).flat();
  return { ...FASTER, a: { ...FASTER.a, turns: spread(FASTER.a) }, b: { ...FASTER.b, turns: spread(FASTER.b) } };
}

test('opened from disk: no console message and no request, at every width and in both themes', { skip }, async () => {
  const html = htmlReport(reportOf(manyTurns()));
  for (const [width, dark] of [
    [1200, false],
    [390, true],
  ] as const) {
    const { page, complaints, requests } = await open(html, { width, dark });
    assert.equal(await page.locator('#panel svg rect').count(), 16, 'a waterfall: eight parts, two lanes');
    assert.ok((await page.locator('#figures svg').count()) >= 2, 'figures');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    assert.ok(Number(overflow) <= 0, `at ${width} px the page is ${String(overflow)} px too wide`);
    const delta = await page.locator('#ledger th', { hasText: 'Δ ms' }).boundingBox();
    assert.ok(
      delta !== null && delta.x + delta.width <= width,
      `at ${width} px the differences are seen without scrolling`,
    );
    const [r = 0, g = 0, b = 0] = await page.evaluate<number[]>(
      'getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)',
    );
    assert.equal(r + g + b < 384, dark, 'dark is dark');
    assert.deepEqual([complaints, requests], [[], []]);
    await page.close();
  }
});

test('any pair is found and drawn, by keyboard alone', { skip }, async () => {
  const { page, complaints } = await open(htmlReport(reportOf(manyTurns())));
  await page.keyboard.press('/');
  await page.keyboard.type('bora-17');
  assert.match((await page.locator('#count').textContent()) ?? '', /^1 of 240 pairs/);
  assert.match((await page.locator('#panel h3').first().textContent()) ?? '', /^bora-17 · turn 1: 3573\.1 → 3349\.3/);
  await page.locator('#find').fill('turn 2');
  await page.keyboard.press('ArrowDown');
  const first = await page.locator('#panel h3').first().textContent();
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await page.locator('#panel h3').first().textContent(), first);
  assert.equal(await page.locator('#list button[aria-pressed=true]').count(), 1);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('hostile words are text: nothing runs, nothing is loaded, no line is turned round', { skip }, async () => {
  const { page, complaints, requests } = await open(htmlReport(hostileReport(EVERYTHING)));
  assert.ok((await page.locator('.said').count()) > 0, 'the words are shown');
  assert.equal(await page.locator('main img, main a, main iframe, main script').count(), 0);
  const words = (await page.locator('main').innerText()).replaceAll('\n', '');
  assert.ok(words.includes('<img src=x onerror=alert(1)>'));
  assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200f\u001b]/.test(words));
  assert.deepEqual([complaints, requests], [[], []]);
  await page.close();
});

test('control: without its policy’s hash a script does not run, and the browser says so', { skip }, async () => {
  const html = htmlReport(reportOf(FASTER)).replace(
    '</body>',
    '<script>document.title = "ran"</script><img src="https://example.invalid/x.png"></body>',
  );
  const { page, complaints } = await open(html);
  assert.notEqual(await page.title(), 'ran');
  assert.ok(complaints.length >= 2, complaints.join());
  await page.close();
});

test('a page without pairs opens without a complaint', { skip }, async () => {
  const { page, complaints } = await open(htmlReport({ ...reportOf(FASTER), pairs: [] }));
  await page.keyboard.press('/');
  assert.equal(await page.locator('#pairs').count(), 0);
  assert.deepEqual(complaints, []);
  await page.close();
});
