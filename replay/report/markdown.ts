/** A report as a pull request comment: one screen, the rest folded, and never longer than GitHub takes. */
import type { TurnSummary } from '../../service/metrics.ts';
import type { Report } from './build.ts';
import { intervalText, printedLedger, signed } from './rows.ts';
import { plain, validityLine, VERDICT_SIGN } from './words.ts';

/** GitHub refuses comments beyond about 65,536 characters. */
const LIMIT_CHARS = 60_000;

interface Section {
  title: string;
  text: string;
}

/** `marker` finds the comment again, to update it in place. */
export function markdownReport(report: Report, marker = 'retake-report'): string {
  const head = headOf(report);
  const tail = `<!-- ${marker.replace(/[^\w-]/g, '')} -->\n`;
  let sections: Section[] = [
    { title: 'What differs', text: knobTable(report) },
    { title: 'Guards', text: guardTable(report) },
    { title: 'Stages with their intervals', text: stageTable(report) },
    { title: 'Turns', text: turnTable(report) },
  ].filter(({ text }) => text !== '');
  const shed: string[] = [];
  for (;;) {
    const notice =
      shed.length === 0
        ? ''
        : `\nLeft out, to stay below ${LIMIT_CHARS} characters: ${shed.join(', ')} (see report.json).\n`;
    const text = [head, ...sections.map(folded), notice, tail].join('\n');
    if (text.length <= LIMIT_CHARS || sections.length === 0) return text;
    const largest = sections.reduce((a, b) => (b.text.length > a.text.length ? b : a));
    sections = sections.filter((section) => section !== largest);
    shed.push(largest.title);
  }
}

function headOf(report: Report): string {
  const { primary, verdict, arms, validity } = report;
  const percent = primary.shiftPct === undefined ? '' : ` (${signed(primary.shiftPct)} %)`;
  const ledger = printedLedger(report.stages, primary).map(({ stage, phase, a, b, delta, interval }, index, rows) => {
    const strong = (text: string): string => (index === rows.length - 1 ? `**${text}**` : text);
    return [strong(stage), phase, strong(a), strong(b), strong(delta), interval];
  });
  const targets = report.targets.map(({ name, todayMs, targetMs, a, b }) => {
    const cell = (lane: typeof a): string =>
      lane === undefined ? '–' : `${Math.round(lane.medianMs)}${lane.met === undefined ? '' : lane.met ? ' ✓' : ' ✗'}`;
    const p95 = b?.p95Ms === undefined ? 'n too small' : String(Math.round(b.p95Ms));
    return [
      escapeText(name),
      todayMs === undefined ? '–' : String(todayMs),
      targetMs === undefined ? '–' : `&lt;${targetMs}`,
      cell(a),
      cell(b),
      p95,
      String(b?.n ?? 0),
    ];
  });
  return [
    `### ${VERDICT_SIGN[verdict]} ${verdict}: ${primary.stage} ${signed(primary.deltaMs)} ms ${intervalText(primary)}${percent}`,
    '',
    `*${report.basis}* · world \`${report.world}\`${validity.profile === undefined ? '' : ` · profile \`${code(validity.profile)}\``} · ${report.reasons.map(escapeText).join('; ')}`,
    '',
    table(['stage', 'phase', 'A ms', 'B ms', 'Δ ms', '95 % interval'], '|||:|:|:||', ledger),
    '',
    table(['median', 'today', 'target', 'A', 'B', 'B p95', 'n'], '||:|:|:|:|:|:|', targets),
    '',
    escapeText(validityLine(report)),
    '',
    `A: \`${armText(arms.a)}\` · B: \`${armText(arms.b)}\``,
    ...(report.rerun === undefined ? [] : ['', fenced(plain(report.rerun))]),
    '',
  ].join('\n');
}

function knobTable({ knobs }: Report): string {
  if (knobs.length === 0) return '';
  return table(
    ['knob', 'A', 'B'],
    '||||',
    knobs.map(({ knob, a, b }) => [knob, JSON.stringify(a), JSON.stringify(b)].map(escapeText)),
  );
}

function guardTable({ validity }: Report): string {
  return table(
    ['guard', 'holds', 'detail'],
    '||||',
    validity.guards.map(({ name, holds, detail }) => [escapeText(name), holds ? 'yes' : '**no**', escapeText(detail)]),
  );
}

function stageTable({ stages }: Report): string {
  const rows = stages
    .filter(({ phase }) => phase === undefined)
    .map((row) => [
      row.stage,
      row.aMs.toFixed(1),
      row.bMs.toFixed(1),
      signed(row.deltaMs),
      intervalText(row),
      row.shiftPct === undefined ? '–' : `${signed(row.shiftPct)} %`,
      String(row.n),
    ]);
  return table(['stage', 'A ms', 'B ms', 'Δ ms', '95 % interval', 'shift', 'n'], '||:|:|:||:|:|', rows);
}

function turnTable({ turns }: Report): string {
  const rows = turns.map((turn) => [
    escapeText(turn.sessionId),
    String(turn.turnIndex),
    escapeText(`${turn.lane}${turn.variant === turn.lane ? '' : ` ${turn.variant}`}`),
    msOf(turn, 'e2eUs'),
    msOf(turn, 'firstAudioByteUs'),
    msOf(turn, 'replyEndUs'),
    msOf(turn, 'stallUs'),
    turn.failure === undefined ? '' : escapeText(`${turn.failure.stage} ${turn.failure.kind}`),
    `\`${code(turn.traceId)}\``,
  ]);
  return table(
    ['session', 'turn', 'lane', 'first audible', 'first byte', 'reply end', 'stalls', 'failure', 'trace'],
    '||:||:|:|:|:|||',
    rows,
  );
}

function msOf(turn: TurnSummary, key: 'e2eUs' | 'firstAudioByteUs' | 'replyEndUs' | 'stallUs'): string {
  const us = turn[key];
  return us === undefined ? '–' : (us / 1000).toFixed(1);
}

/** `align`: one cell a column, `:` = right. */
function table(head: readonly string[], align: string, rows: readonly (readonly string[])[]): string {
  const cells = align.split('|').slice(1, head.length + 1);
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (cells[index] === ':' ? '---:' : '---'))), ...rows.map(line)].join(
    '\n',
  );
}

function folded({ title, text }: Section): string {
  return `<details><summary>${title}</summary>\n\n${text}\n\n</details>\n`;
}

function armText({ variant, commit, strategyHash }: Report['arms']['a']): string {
  return code(`${variant} ${commit.slice(0, 12)} strategy ${strategyHash}`);
}

function code(text: string): string {
  return plain(text).replace(/[`|<>]/g, ' ');
}

/** In a fence longer than any run of backticks in the text, so that nothing in it needs to change. */
function fenced(text: string): string {
  const runs = (text.match(/`+/g) ?? []).map((run) => run.length);
  const fence = '`'.repeat(Math.max(2, ...runs) + 1);
  return `${fence}sh\n${text}\n${fence}`;
}

/**
 * Untrusted text in a table cell: no HTML, no Markdown, no mention, no reference, no link. GitHub looks for mentions and
 * references after Markdown has run, when an escaped `@` is an `@` again: there a zero-width space has to follow it.
 */
export function escapeText(text: string): string {
  return plain(text)
    .replace(
      /[&<>\\`*_{}[\]()#|~!$@]/g,
      (character) => `&#${character.charCodeAt(0)};${/[@#]/.test(character) ? APART : ''}`,
    )
    .replaceAll('://', '&#58;//')
    .replace(/www\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replace(/\bgh-(?=\d)/gi, (prefix) => `${prefix}${APART}`);
}

const APART = '&#8203;';
