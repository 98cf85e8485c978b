/**
 * Whole reports as golden files in `fixtures/reports/`, and hostile text in them. When a report changes on purpose:
 * `node_modules/.bin/node replay/report/report.test.ts --update`, then read the difference.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError, InvariantError } from '../../service/errors.ts';
import type { TurnSummary } from '../../service/metrics.ts';
import type { Lane } from '../../service/ports.ts';
import type { Strategy } from '../../service/strategy.ts';
import { buildReport, type Report, type ReportArm, type ReportInput } from './build.ts';
import { readReport } from './json.ts';
import { escapeText } from './markdown-text.ts';
import { markdownReport } from './markdown.ts';
import { terminalReport } from './terminal.ts';

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

interface Sample {
  lane: Lane;
  variant?: string;
  /** Hold-back of the first piece and wait for its synthesis, by session. */
  holdMs: readonly number[];
  ttsMs: readonly number[];
  more?: (index: number) => Partial<TurnSummary>;
}

/** One turn each of three sessions, small enough to add up by eye. */
function turnsOf({ lane, variant = lane, holdMs, ttsMs, more = () => ({}) }: Sample): TurnSummary[] {
  return holdMs.map((hold, index) => {
    const ttsWait = ttsMs[index] ?? 0;
    const ledger: TurnSummary['ledger'] = [
      { stage: 'endpointing', phase: 'detect', us: 500_000 },
      { stage: 'stt', phase: 'wait', us: 780_333 + index },
      { stage: 'llm', phase: 'wait', us: 900_250 },
      { stage: 'llm', phase: 'body', us: 612_125 },
      { stage: 'chunk', phase: 'hold', us: Math.round(hold * 1000) },
      { stage: 'tts', phase: 'wait', us: Math.round(ttsWait * 1000) },
      { stage: 'deliver', phase: 'silence', us: 60_000 },
      { stage: 'our code', phase: 'our code', us: 417 },
    ];
    const e2eUs = ledger.reduce((sum, { us }) => sum + us, 0);
    return {
      sessionId: ['ada', 'bora', 'cem'][index] ?? 'x',
      turnIndex: index,
      traceId: `${index}${lane.length}`.padEnd(32, 'a'),
      lane,
      variant,
      world: 'sim',
      zero: 'audio',
      e2eUs,
      firstAudioByteUs: e2eUs - 560_000,
      firstContentAudibleUs: e2eUs,
      replyEndUs: e2eUs + 3_000_000,
      stallUs: 0,
      ledger,
      serviceUs: { endpointing: 500_000, stt: 780_333, llm: 1_512_375, tts: Math.round(ttsWait * 1000) },
      premature: false,
      model: { requested: 'google/gemini-2.5-flash', served: 'google/gemini-2.5-flash', provider: 'Google' },
      transcriptChars: 40,
      replyChars: 120,
      costUsd: 0.0001,
      characters: 120,
      ...more(index),
    };
  });
}

/** Some knobs stand for all: a new knob moves no golden report. */
const knobs = (chunking: string): Strategy =>
  ({ pipeline: { chunking }, tts: { concurrency: 2 } }) as unknown as Strategy;
const arm = (lane: Lane, variant: string, chunking = 'sentence'): ReportArm => ({
  lane,
  variant,
  commit: '0123456789abcdef0123456789abcdef01234567',
  strategyHash: chunking === 'sentence' ? '90b83b115370' : '95ebc7a37b6f',
  strategy: knobs(chunking),
});

function reportOf(input: ReportInput): Report {
  const report = buildReport(input);
  assert.ok(report, 'no turn was measured in both lanes');
  return report;
}

/** Everything that a report can say. */
const FASTER: ReportInput = {
  world: 'sim',
  a: {
    arm: arm('baseline', 'baseline'),
    turns: turnsOf({ lane: 'baseline', holdMs: [210, 250, 190], ttsMs: [480, 470, 500] }),
  },
  b: {
    arm: arm('candidate', 'clause-chunking', 'clause'),
    turns: turnsOf({
      lane: 'candidate',
      variant: 'clause-chunking',
      holdMs: [20.4, 55.2, 10.3],
      ttsMs: [440, 441, 450],
    }),
  },
  a2: turnsOf({ lane: 'baseline2', variant: 'baseline', holdMs: [211, 249.5, 190], ttsMs: [480, 470, 500] }),
  captured: turnsOf({ lane: 'captured', holdMs: [212, 250, 190], ttsMs: [480, 471, 500] }),
  draws: 'common',
  seed: '1',
  profile: 'seed',
  rerun:
    'npx retake replay --sessions ada,bora,cem --variant clause-chunking --world sim --runs 1 --draws common --seed 1',
};

/** Little is known, and much went wrong: one conversation, measured live, without second baseline, seed or profile. */
const SLOWER: ReportInput = (() => {
  const live = (index: number): Partial<TurnSummary> => ({ world: 'live', sessionId: 'ada', turnIndex: index });
  const failure = { stage: 'tts', kind: 'timeout', message: 'no audio within 10 s' };
  const a = turnsOf({ lane: 'captured', holdMs: [210, 250, 190], ttsMs: [480, 470, 500], more: live });
  const b = turnsOf({
    lane: 'captured',
    variant: 'tuesday',
    holdMs: [360, 402, 341],
    ttsMs: [480, 470, 500],
    more: live,
  });
  const [first = a[0]!, second = first] = a;
  const { e2eUs: _, firstAudioByteUs: __, firstContentAudibleUs: ___, replyEndUs: ____, ...unmeasured } = first;
  return {
    world: 'live',
    a: { arm: arm('captured', 'captured'), turns: [...a, { ...first, turnIndex: 3 }, { ...second, turnIndex: 5 }] },
    b: {
      arm: { ...arm('captured', 'tuesday'), commit: 'not recorded', strategyHash: 'not recorded' },
      turns: [
        ...b,
        { ...unmeasured, variant: 'tuesday', turnIndex: 3, ledger: [], failure },
        { ...unmeasured, variant: 'tuesday', turnIndex: 4, ledger: [] },
      ],
    },
  };
})();

test('golden: a faster candidate, with everything that a report can say', () => {
  const report = reportOf(FASTER);
  assert.equal(report.verdict, 'faster');
  golden('faster.md', markdownReport(report));
  golden('faster.txt', `${terminalReport(report, TERMINAL)}\n`);
  golden('faster.json', `${JSON.stringify(report, null, 2)}\n`);
});

test('golden: a slower lane of one conversation, with failures and turns left out', () => {
  const report = reportOf(SLOWER);
  assert.equal(report.verdict, 'slower');
  golden('slower.md', markdownReport(report));
  golden('slower.txt', `${terminalReport(report, TERMINAL)}\n`);
});

test('in a terminal of 80 columns no line is longer, but the command that repeats the run', () => {
  for (const input of [FASTER, SLOWER]) {
    const report = reportOf(input);
    const lines = terminalReport(report, TERMINAL).split('\n');
    assert.deepEqual(
      lines.filter((line) => [...line].length > 80 && line !== report.rerun),
      [],
    );
    assert.ok(
      lines.some((line) => [...line].length > 60),
      'control: it uses its width',
    );
  }
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
  for (const input of [FASTER, SLOWER]) {
    const report = reportOf(input);
    writeFileSync(path, JSON.stringify(report));
    const read = await readReport(path);
    assert.deepEqual(read, JSON.parse(JSON.stringify(report)));
    assert.equal(markdownReport(read), markdownReport(report));
    assert.equal(terminalReport(read, TERMINAL), terminalReport(report, TERMINAL));
  }
});

test('a report of lanes that share no turn is none; one whose parts do not add up is an error', () => {
  const elsewhere = FASTER.b.turns.map((turn) => ({ ...turn, sessionId: 'dilek' }));
  assert.equal(buildReport({ ...FASTER, b: { ...FASTER.b, turns: elsewhere } }), undefined);
  const [first = assert.fail('no turn'), ...rest] = FASTER.captured ?? [];
  const torn = { ...first, e2eUs: (first.e2eUs ?? 0) + 1 };
  assert.throws(
    () => buildReport({ ...FASTER, captured: [torn, ...rest] }),
    (error) => error instanceof InvariantError && /session ada, turn 0, captured: parts add up to/.test(error.message),
  );
});

test('a comment stays below what GitHub takes, says what it left out, and keeps its head and marker', () => {
  const turns = (side: ReportInput['a']): TurnSummary[] =>
    Array.from({ length: 200 }, (_, index) =>
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
});

/** What could come from a capture or another pipeline's trace, and what each would do in a comment if it got through. */
const HOSTILE: readonly [text: string, complaint: string][] = [
  ['<img src=x onerror=alert(1)>', 'HTML'],
  ['</details><script>alert(1)</script>', 'HTML'],
  ['<!-- retake-report -->', 'HTML'],
  ['@octocat', 'mention'],
  ['&#64;octocat', 'mention'],
  ['&commat;octocat', 'mention'],
  ['mail a@example.com', 'mention'],
  ['fixes #1', 'reference'],
  ['GH-1', 'reference'],
  ['[x](javascript:alert(1))', 'link'],
  ['![x](//evil.example/x.png)', 'link'],
  ['https://evil.example', 'link'],
  ['www.evil.example', 'link'],
  ['WWW.evil.example', 'link'],
  ['\u001b[31mred\u001b[0m', 'control character'],
  ['\u001b]8;;evil.example\u0007click\u001b]8;;\u0007', 'control character'],
  ['\u009b31m', 'control character'],
  ['\u202egpj.exe', 'control character'],
  ['\u2066a\u2069\u200f\u200b\ufeff', 'control character'],
  ['a\r\n✓ FASTER', 'control character'],
  ['a | b', 'columns'],
  ['`', 'backticks'],
];
const EVERYTHING = `${HOSTILE.map(([text]) => text).join(' ')} \n\n# title\n\`\`\`\n✓ FASTER javascript:alert(1) \\ **x** _y_ ~~z~~ $w$`;

/** What GitHub would make of the text besides text. Mentions and references are looked for after Markdown has run. */
function complaintsIn(markdown: string): string[] {
  const found = new Set<string>();
  const own = /^(<details><summary>[A-Z][\w ]+<\/summary>|<\/details>|<!-- [\w-]+ -->)$/;
  let columns: number | undefined;
  let fence = '';
  for (const [index, line] of markdown.split('\n').entries()) {
    if (/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(line))
      found.add('control character');
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

/** The faster report with this text wherever a capture, a trace or the user's command line can put text. */
function reportWith(text: string): Report {
  const hostile = (index: number): Partial<TurnSummary> => ({
    sessionId: `${text} ${index}`,
    traceId: text,
    model: { requested: text, served: text, provider: text },
    failure: { stage: text, kind: text, message: text },
  });
  const tell = (turns: readonly TurnSummary[]): TurnSummary[] =>
    turns.map((turn) => ({ ...turn, sessionId: `${text} ${turn.sessionId}`, variant: text, traceId: text }));
  const report = reportOf({
    ...FASTER,
    a: {
      arm: { ...FASTER.a.arm, lane: text, variant: text, commit: text, strategyHash: text },
      turns: tell(FASTER.a.turns),
    },
    b: { arm: { ...FASTER.b.arm, variant: text, commit: text }, turns: tell(FASTER.b.turns) },
    captured: [
      ...tell(FASTER.captured ?? []),
      ...turnsOf({ lane: 'captured', variant: text, holdMs: [1, 1], ttsMs: [1, 1], more: hostile }),
    ],
    a2: tell(FASTER.a2 ?? []),
    seed: text,
    profile: text,
    rerun: `npx retake replay --seed '${text}'`,
  });
  return {
    ...report,
    spans: [{ path: `turn › ${text}`, n: 0, onlyA: 1, onlyB: 0, onlyAMs: 1 }],
    texts: report.turns
      .slice(0, 2)
      .map(({ traceId, turnIndex }) => ({ traceId, turnIndex, transcript: text, reply: text })),
    reasons: [text],
    knobs: [{ knob: `stt.${text}`, a: text, b: { nested: text } }],
    validity: { ...report.validity, guards: [{ name: text, holds: false, detail: text }] },
  };
}

test('hostile text is inert in Markdown', () => {
  assert.deepEqual(complaintsIn(markdownReport(reportWith('harmless'))), []);
  const text = markdownReport(reportWith(EVERYTHING));
  assert.deepEqual(complaintsIn(text), []);
  golden('hostile.md', text);
  // the same lines of the same kinds as a harmless report
  const kinds = (markdown: string): string[] =>
    markdown.split('\n').map((line) => /^(\||#+ |`{3,}|<\/?[a-z]+|)/.exec(line)?.[0]?.replace(/^`+/, '`') ?? '');
  assert.deepEqual(kinds(text), kinds(markdownReport(reportWith('harmless'))));
});

for (const [text, complaint] of HOSTILE) {
  test(`${JSON.stringify(text)} alone is inert in Markdown; unescaped it would be ${complaint}`, () => {
    assert.deepEqual(complaintsIn(markdownReport(reportWith(text))), []);
    const cell = complaintsIn(['| session | turn |', '| --- | --- |', `| ${text} | 1 |`].join('\n'));
    assert.ok(cell.includes(complaint), `control: ${cell.join()}`);
  });
}

test('what is escaped still reads as what it was', () => {
  const visible = (text: string): string => decoded(escapeText(text)).replaceAll('\u200b', '');
  const texts = HOSTILE.map(([text]) => text).filter((text) => !/[\u0000-\u001f\u007f-\u009f\u200b-\u206f]/.test(text));
  for (const text of texts) assert.equal(visible(text), text);
  assert.equal(visible('a\u001b[31m\u202e\n'), 'a\\u001b[31m\\u202e\\u000a');
});

test('the rerun command is not altered by what it holds: no fence closes early, no quote opens', () => {
  const rerun = "npx retake replay --seed '```$(touch /tmp/x)`'";
  const text = markdownReport({ ...reportOf(FASTER), rerun });
  const [, fence = '', command] = /^(`{3,})sh\n(.*)\n\1$/m.exec(text) ?? [];
  assert.equal(command, rerun);
  assert.ok(!rerun.includes(fence), 'a fence longer than any run of backticks in the command');
});

test('hostile text is inert in a terminal', () => {
  const text = terminalReport(reportWith(EVERYTHING), TERMINAL);
  const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
  assert.ok(!controls.test(text), JSON.stringify(controls.exec(text)));
  assert.equal(text.split('\n').filter((line) => line.startsWith('✓ FASTER')).length, 1, 'no line can be forged');
  assert.ok(controls.test(EVERYTHING) && /\n✓ FASTER/.test(EVERYTHING), 'control: it would have been');
  golden('hostile.txt', `${text}\n`);
});

const BROKEN: readonly [what: string, change: (report: Report) => unknown, message: RegExp][] = [
  ['a newer format', (report) => ({ ...report, format: 2 }), /field format must be equal to constant/],
  ['no verdict', ({ verdict: _, ...report }) => report, /must have required property 'verdict'/],
  ['another verdict', (report) => ({ ...report, verdict: 'best' }), /field verdict must be equal to one of/],
  [
    'a stage that is none of ours',
    (report) => ({ ...report, stages: [{ ...report.primary, stage: '\u001b[31m' }] }),
    /field stages\.0\.stage must be equal to one of/,
  ],
  [
    'a phase that is none of ours',
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
    'a cause that is none of ours',
    (report) => ({ ...report, validity: { ...report.validity, dropped: [{ lane: 'a', cause: '\u001b', turns: 1 }] } }),
    /field validity\.dropped\.0\.cause/,
  ],
  ['a trace id with markup', (report) => ({ ...report, turns: [{ ...report.turns[0], traceId: '`<b>' }] }), /traceId/],
];
for (const [what, change, message] of BROKEN) {
  test(`report.json with ${what} is one line that names file and field`, async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'retake-report-')), 'report.json');
    writeFileSync(path, JSON.stringify(change(reportOf(FASTER))));
    await assert.rejects(readReport(path), (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.ok(error.message.startsWith(`${path}: `) && !/[\n\u001b]/.test(error.message), error.message);
      assert.match(error.message, message);
      return true;
    });
  });
}
