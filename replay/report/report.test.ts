/**
 * Whole reports as golden files in `fixtures/reports/`, and hostile text in them. When a report changes on purpose:
 * `node_modules/.bin/node replay/report/report.test.ts --update`, then read the difference.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { buildReport, type Report, type ReportInput } from './build.ts';
import { readReport } from './json.ts';
import { escapeMarkdown } from './markdown-text.ts';
import { markdownReport } from './markdown.ts';
import { EVERYTHING, HOSTILE } from '../../testing/hostile-texts.ts';
import { FASTER, hostileReport, OPEN, PREDICTED, reportOf, SLOWER } from '../../testing/sample-report.ts';
import { terminalReport } from './terminal.ts';
import { inertJson } from './words.ts';

const GOLDEN = new URL('../../fixtures/reports/', import.meta.url);
const UPDATE = 'node_modules/.bin/node replay/report/report.test.ts --update';
const TERMINAL = { columns: 80, color: false };

function golden(name: string, actual: string): void {
  const path = new URL(name, GOLDEN);
  if (process.argv.includes('--update')) {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  const [expected, found] = [readFileSync(path, 'utf8').split('\n'), actual.split('\n')];
  const line = found.findIndex((text, index) => text !== expected[index]);
  if (line < 0 && expected.length === found.length) return;
  const at = line < 0 ? found.length : line;
  assert.fail(
    `fixtures/reports/${name}:${at + 1}\n  golden ${JSON.stringify(expected[at])}\n  now    ${JSON.stringify(found[at])}\n` +
      `If the change is meant: ${UPDATE}, then read the difference.`,
  );
}

test('golden: a faster candidate, with everything that a report can say', () => {
  const report = reportOf(FASTER);
  assert.equal(report.verdict, 'faster');
  golden('faster.md', markdownReport(report));
  golden('faster.txt', `${terminalReport(report, TERMINAL)}\n`);
  golden('faster.json', `${JSON.stringify(report, null, 2)}\n`);
});

test('golden: the same figures from a simulation that asks for what the capture has not shown are a prediction', () => {
  const report = reportOf(PREDICTED);
  assert.deepEqual([report.verdict, report.exitCode], ['predicted lower', 3]);
  golden('predicted.md', markdownReport(report));
  golden('predicted.txt', `${terminalReport(report, TERMINAL)}\n`);
});

test('golden: a slower lane of one conversation, with failures and turns left out', () => {
  const report = reportOf(SLOWER);
  assert.equal(report.verdict, 'slower');
  golden('slower.md', markdownReport(report));
  golden('slower.txt', `${terminalReport(report, TERMINAL)}\n`);
});

test('golden: an open verdict with what would settle it', () => {
  const report = reportOf(OPEN);
  assert.deepEqual([report.verdict, report.exitCode, report.settle?.sessions], ['inconclusive', 3, 4]);
  golden('open.md', markdownReport(report));
  golden('open.txt', `${terminalReport(report, TERMINAL)}\n`);
  assert.equal(reportOf(FASTER).settle, undefined, 'control: a settled one needs nothing');
});

for (const columns of [60, 80, 120])
  test(`in a terminal of ${columns} columns no line is longer, but the command that repeats the run`, () => {
    for (const input of [FASTER, PREDICTED, SLOWER, OPEN]) {
      const report = reportOf(input);
      const lines = terminalReport(report, { columns, color: false }).split('\n');
      assert.deepEqual(
        lines.filter((line) => [...line].length > columns && line !== report.rerun),
        [],
      );
      assert.ok(
        lines.some((line) => [...line].length > columns * 0.75),
        'control: it uses its width',
      );
    }
  });

test('figures that a simulation has been wrong about are no result, with any verdict', () => {
  const trusted = buildReport(FASTER);
  const distrusted = buildReport({ ...FASTER, invalid: ['wrong before'] });
  assert.deepEqual([trusted?.verdict, trusted?.exitCode], ['faster', 0]);
  assert.deepEqual([distrusted?.verdict, distrusted?.exitCode], ['inconclusive', 3]);
  assert.deepEqual(distrusted?.reasons, ['wrong before']);
});

test('simulated figures whose error was not measured in this world are a prediction: no tick, no green, exit 3', () => {
  const predicted = reportOf({ ...FASTER, simulated: { why: 'error not measured in this world' } });
  assert.deepEqual([predicted.verdict, predicted.exitCode], ['predicted lower', 3]);
  assert.deepEqual(predicted.reasons.slice(0, 1), ['predicted, not measured: error not measured in this world']);
  const text = terminalReport(predicted, { ...TERMINAL, color: true });
  assert.match(text, /^\u001b\[1;33m~ PREDICTED LOWER/);
  assert.match(markdownReport(predicted), /^### ~ predicted lower: /);
  assert.equal(reportOf({ ...FASTER, simulated: {} }).verdict, 'faster', 'control: an error that was measured');
});

test('a narrow terminal loses a column that others tell, and no row', () => {
  const rows = (columns: number): string[] =>
    terminalReport(reportOf(FASTER), { columns, color: false })
      .split('\n')
      .filter((line) =>
        /^(endpointing|stt|llm|chunk|tts|deliver|our code|end to end|median|STT|LLM|TTS|first) /.test(line),
      )
      .map((line) => line.slice(0, 12));
  assert.deepEqual(rows(60), rows(100));
  assert.ok(rows(60).length > 20);
});

test('colour is around the text, never in it', () => {
  const report = reportOf(FASTER);
  const colored = terminalReport(report, { ...TERMINAL, color: true });
  assert.match(colored, /\u001b\[1;32m/);
  assert.equal(
    colored
      .replace(/\u001b\[[\d;]*m/g, '')
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
    terminalReport(report, TERMINAL),
  );
});

test('report.json is read back as it was written, and gives the same Markdown', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-report-'));
  const path = join(folder, 'report.json');
  for (const input of [FASTER, SLOWER, OPEN]) {
    const report = reportOf(input);
    writeFileSync(path, JSON.stringify(report));
    const read = readReport(path);
    assert.deepEqual(read, JSON.parse(JSON.stringify(report)));
    assert.equal(markdownReport(read), markdownReport(report));
    assert.equal(terminalReport(read, TERMINAL), terminalReport(report, TERMINAL));
  }
});

test('a report of lanes that share no turn is none; a turn whose parts do not add up is left out and counted', () => {
  const elsewhere = FASTER.b.turns.map((turn) => ({ ...turn, sessionId: 'dilek' }));
  assert.equal(buildReport({ ...FASTER, b: { ...FASTER.b, turns: elsewhere } }), undefined);
  const [first = assert.fail('no turn'), ...rest] = FASTER.b.turns;
  const torn = { ...first, e2eUs: (first.e2eUs ?? 0) + 1 };
  const lifted = { matchedShare: 0.8 };
  const report = reportOf({ ...FASTER, b: { ...FASTER.b, turns: [torn, ...rest] }, bounds: lifted });
  assert.deepEqual(report.matched.lost, [{ lane: 'b', cause: 'parts do not add up', turns: 1 }]);
  assert.deepEqual([report.verdict, report.validity.turns], ['faster', 5]);
  assert.match(terminalReport(report, TERMINAL), /1 left out \(B: parts do not add up\)/);
  assert.deepEqual(reportOf(FASTER).matched, { share: 1, lost: [] }, 'control');
});

test("a comment stays below GitHub's limit, says what was left out, and keeps its head and marker", () => {
  const turns = (side: ReportInput['a']): TurnSummary[] =>
    Array.from({ length: 100 }, (_, index) =>
      side.turns.map((turn) => ({ ...turn, sessionId: `${turn.sessionId}-${index}` })),
    ).flat();
  const long = reportOf({
    ...FASTER,
    a: { ...FASTER.a, turns: turns(FASTER.a) },
    b: { ...FASTER.b, turns: turns(FASTER.b) },
  });
  const text = markdownReport(long, { marker: 'retake --> x' });
  assert.ok(text.length < 60_000, String(text.length));
  assert.match(text, /^### ✓ faster: end to end/);
  assert.match(text, /Left out, to stay below 60000 characters: Turns \(see report\.json\)/);
  assert.match(text, /<summary>Guards<\/summary>/);
  assert.match(text, /<!-- retake--x -->\n$/);
  assert.ok(!markdownReport(reportOf(FASTER)).includes('Left out'), 'control: a short one is whole');
  // the largest section goes first, and no more than must
  const leftOut = (chars: number): string | undefined => {
    const texts = long.turns
      .filter(({ lane }) => lane === 'candidate')
      .map(({ traceId, turnIndex }) => ({ traceId, turnIndex, reply: 'x'.repeat(chars) }));
    return /Left out, to stay below 60000 characters: (.*) \(see/.exec(markdownReport({ ...long, texts }))?.[1];
  };
  assert.deepEqual([leftOut(600), leftOut(20)], ['Words, Turns', 'Turns']);
});

/** Written out, so that the code's own set is held to something else. */
const UNSEEN_EXAMPLES =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/u;

/** What GitHub would make of the text besides text. Mentions and references are looked for after Markdown has run. */
function complaintsIn(markdown: string): string[] {
  const found = new Set<string>();
  const own = /^(<details><summary>[A-Z][\w ]+<\/summary>|<\/details>|<!-- [\w-]+ -->)$/;
  let columns: number | undefined;
  let fence = '';
  for (const [index, line] of markdown.split('\n').entries()) {
    if (UNSEEN_EXAMPLES.test(line)) found.add('control character');
    const ticks = /^(`{3,})(sh)?$/.exec(line)?.[1];
    if (ticks !== undefined && (fence === '' || ticks === fence)) {
      fence = fence === '' ? ticks : '';
      continue;
    }
    if (fence !== '') continue;
    if (own.test(line) && index > 0) continue;
    if ((line.match(/`/g) ?? []).length % 2 === 1) found.add('backticks');
    const text = line.replace(/`[^`]*`/g, '');
    if (text.includes('<')) found.add('HTML');
    if (/:\/\/|www\.|\]\(/i.test(text)) found.add('link');
    const rendered = decoded(text);
    if (/@[\w-]/.test(rendered)) found.add('mention');
    if (/#\d|\bgh-\d/i.test(rendered)) found.add('reference');
    if (/(?<![&#\w])(?=\d*[a-f])[0-9a-f]{7,40}(?!\w)/i.test(text)) found.add('commit');
    const cells = line.startsWith('|') ? line.split('|').length : undefined;
    if (cells !== undefined && columns !== undefined && cells !== columns) found.add('columns');
    columns = cells;
  }
  return [...found];
}

/** One pass, as a browser decodes: what an entity stands for is not decoded again. */
function decoded(text: string): string {
  const named: Readonly<Record<string, string>> = { commat: '@', lt: '<', gt: '>', amp: '&' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (entity, code: string | undefined, name: string | undefined) =>
    code === undefined ? (named[name ?? ''] ?? entity) : String.fromCodePoint(Number(code)),
  );
}

test('hostile text is inert in Markdown', () => {
  assert.deepEqual(complaintsIn(markdownReport(hostileReport('harmless'))), []);
  const text = markdownReport(hostileReport(EVERYTHING));
  assert.deepEqual(complaintsIn(text), []);
  golden('hostile.md', text);
  // the same lines of the same kinds as a harmless report
  const kinds = (markdown: string): string[] =>
    markdown.split('\n').map((line) => /^(\||#+ |`{3,}|<\/?[a-z]+|)/.exec(line)?.[0]?.replace(/^`+/, '`') ?? '');
  assert.deepEqual(kinds(text), kinds(markdownReport(hostileReport('harmless'))));
});

for (const [text, complaint] of HOSTILE) {
  test(`${JSON.stringify(text)} alone is inert in Markdown; unescaped it would be ${complaint}`, () => {
    assert.deepEqual(complaintsIn(markdownReport(hostileReport(text))), []);
    const cell = complaintsIn(['| session | turn |', '| --- | --- |', `| ${text} | 1 |`].join('\n'));
    assert.ok(cell.includes(complaint), `control: ${cell.join()}`);
  });
}

test('escaped text reads as the text did', () => {
  const visible = (text: string): string => decoded(escapeMarkdown(text)).replaceAll('\u200b', '');
  const texts = HOSTILE.map(([text]) => text).filter((text) => !UNSEEN_EXAMPLES.test(text));
  for (const text of texts) assert.equal(visible(text).replace(/`([0-9a-f]+)`/gi, '$1'), text);
  assert.equal(visible('a\u001b[31m\u202e\n'), 'a\\u001b[31m\\u202e\\u000a');
});

test('names inside the rerun command do not alter it: no fence closes early, no quote opens', () => {
  const rerun = "npx retake replay --seed '```$(touch /tmp/x)`'";
  const text = markdownReport({ ...reportOf(FASTER), rerun });
  const [, fence = '', command] = /^(`{3,})sh\n(.*)\n\1$/m.exec(text) ?? [];
  assert.equal(command, rerun);
  assert.ok(!rerun.includes(fence), 'a fence longer than any run of backticks in the command');
});

test('hostile text is inert in a terminal', () => {
  const text = terminalReport(hostileReport(EVERYTHING), TERMINAL);
  const unseen = (shown: string): boolean => UNSEEN_EXAMPLES.test(shown.replaceAll('\n', ''));
  assert.ok(!unseen(text));
  assert.equal(text.split('\n').filter((line) => line.startsWith('✓ FASTER')).length, 1, 'no line can be forged');
  assert.ok(unseen(EVERYTHING) && /\n✓ FASTER/.test(EVERYTHING), 'control: it would have been');
  golden('hostile.txt', `${text}\n`);
});

test('JSON for a terminal steers nothing, and is the same report', () => {
  const report = hostileReport(EVERYTHING);
  const text = inertJson(report);
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(text));
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(report)));
  assert.ok(/\u009b|\u202e/.test(JSON.stringify(report)), 'control: plain JSON keeps them');
});

test('ten thousand reasons and targets: the comment keeps its limit and its verdict', () => {
  const many = <Item>(item: Item): Item[] => new Array<Item>(10_000).fill(item);
  const report = reportOf(FASTER);
  const reasons = many('a reason that goes on for long, as texts of guards do '.repeat(20));
  const text = markdownReport({ ...report, reasons, targets: many({ name: 'heron' }) });
  assert.ok(text.length <= 60_000, `${text.length}`);
  assert.match(text, /^### ✓ faster: /);
  assert.match(text, /; 9990 more reasons: see report\.json/);
  assert.match(text, /Left out, to stay below 60000 characters: Targets /);
  assert.ok(terminalReport({ ...report, reasons }, TERMINAL).length < 60_000);
});

test('a line of 1 MB in every place: reports stay readable in size, and say what was cut', async () => {
  const long = `${'<b>@x\u202e'.repeat(150_000)}`;
  const report = hostileReport(long);
  const markdown = markdownReport(report);
  assert.ok(markdown.length <= 60_000, `Markdown has ${markdown.length} characters`);
  assert.deepEqual(complaintsIn(markdown), []);
  assert.match(markdown, /Left out, to stay below 60000 characters/);
  const terminal = terminalReport(report, TERMINAL);
  assert.ok(terminal.length < 60_000, `the terminal gets ${terminal.length} characters`);
  const path = join(mkdtempSync(join(tmpdir(), 'retake-report-')), 'report.json');
  const valid = { ...report, turns: report.turns.map((turn) => ({ ...turn, traceId: 'a'.repeat(32) })) };
  writeFileSync(path, JSON.stringify({ ...valid, validity: { ...valid.validity, profile: 'seed' } }));
  assert.equal(readReport(path).texts?.[0]?.transcript, long, 'JSON keeps it whole, as JSON');
});

const BROKEN: readonly [what: string, change: (report: Report) => unknown, message: RegExp][] = [
  ['a newer format', (report) => ({ ...report, format: 3 }), /field format must be equal to constant/],
  [
    'an older format',
    (report) => ({ ...report, format: 1 }),
    /a report of format 1, whose verdicts followed other rules; .*npx retake diff/,
  ],
  ['no verdict', ({ verdict: _, ...report }) => report, /must have required property 'verdict'/],
  ['another verdict', (report) => ({ ...report, verdict: 'best' }), /field verdict must be equal to one of/],
  [
    'an unknown stage',
    (report) => ({ ...report, stages: [{ ...report.primary, stage: '\u001b[31m' }] }),
    /field stages\.0\.stage must be equal to one of/,
  ],
  [
    'an unknown phase',
    (report) => ({ ...report, stages: [{ ...report.primary, phase: '<b>' }] }),
    /field stages\.0\.phase must be equal to one of/,
  ],
  ['a target with markup', (report) => ({ ...report, targets: [{ name: '<b>' }] }), /field targets\.0\.name/],
  ['a rerun that is no text', (report) => ({ ...report, rerun: 1 }), /field rerun must be string/],
  [
    'a profile with escapes',
    (report) => ({ ...report, validity: { ...report.validity, profile: '\u001b[31m' } }),
    /field validity\.profile/,
  ],
  [
    'a drift without figures',
    (report) => ({ ...report, validity: { ...report.validity, drift: {} } }),
    /field validity\.drift must have required property/,
  ],
  [
    'an unknown cause',
    (report) => ({ ...report, matched: { share: 1, lost: [{ lane: 'a', cause: '\u001b', turns: 1 }] } }),
    /field matched\.lost\.0\.cause/,
  ],
  ['a trace id with markup', (report) => ({ ...report, turns: [{ ...report.turns[0], traceId: '`<b>' }] }), /traceId/],
];
for (const [what, change, message] of BROKEN) {
  test(`report.json with ${what} is one line that names file and field`, () => {
    const path = join(mkdtempSync(join(tmpdir(), 'retake-report-')), 'report.json');
    writeFileSync(path, JSON.stringify(change(reportOf(FASTER))));
    assert.throws(
      () => readReport(path),
      (error) => {
        assert.ok(error instanceof InputError, String(error));
        assert.ok(error.message.startsWith(`${path}: `) && !/[\n\u001b]/.test(error.message), error.message);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
