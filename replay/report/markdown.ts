/** A report as a pull request comment: one screen, the rest folded, and never longer than GitHub takes. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Report } from './build.ts';
import { type SpanRow } from '../diff/align-spans.ts';
import { tracedTurnKey } from '../traces/trace-tree.ts';
import { measuredPairs } from './charts.ts';
import { code, escapeText, fenced, table } from './markdown-text.ts';
import { intervalText, intervalTitle, markedInterval, printedLedger, signed } from './rows.ts';
import { compareUrl, deltaUsOf, knobText, rerunText, validityLine, VERDICT_SIGN } from './words.ts';

/** GitHub refuses comments beyond about 65,536 characters. */
const LIMIT_CHARS = 60_000;

interface Section {
  title: string;
  text: string;
}

export interface MarkdownOptions {
  /** Finds the comment again, to update it in place. */
  marker?: string;
  /** Base URL of a Jaeger UI that has the traces. */
  jaegerUi?: string;
}

export function markdownReport(report: Report, { marker = 'retake-report', jaegerUi }: MarkdownOptions = {}): string {
  const head = headOf(report);
  const tail = `<!-- ${marker.replace(/[^\w-]/g, '')} -->\n`;
  let sections: Section[] = [
    { title: 'What differs', text: knobTable(report) },
    { title: 'Guards', text: guardTable(report) },
    { title: 'Stages with their intervals', text: stageTable(report) },
    { title: 'Median and 95th percentile', text: percentileTables(report) },
    { title: 'Pairs that changed most', text: pairTable(report, jaegerUi) },
    { title: 'Spans', text: spanTable(report) },
    { title: 'Turns', text: turnTable(report, jaegerUi) },
    { title: 'Words', text: wordTable(report) },
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
  const ledger = printedLedger(report.stages, report.endToEnd).map(
    ({ stage, phase, a, b, delta, interval }, index, rows) => {
      const strong = (text: string): string => (index === rows.length - 1 ? `**${text}**` : text);
      return [strong(stage), phase, strong(a), strong(b), strong(delta), interval];
    },
  );
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
    `*${report.basis}* · world \`${report.world}\`${validity.profile === undefined ? '' : ` · profile \`${code(validity.profile)}\``} · ${report.reasons.map((reason) => escapeText(reason)).join('; ')}`,
    '',
    table(['stage', 'phase', 'A ms', 'B ms', 'Δ ms', intervalTitle(report.stages)], '|||:|:|:||', ledger),
    '',
    table(['median', 'today', 'target', 'A', 'B', 'B p95', 'n'], '||:|:|:|:|:|:|', targets),
    '',
    escapeText(validityLine(report), 8000),
    '',
    `A: \`${armText(arms.a)}\` · B: \`${armText(arms.b)}\``,
    ...(report.rerun === undefined ? [] : ['', fenced(rerunText(report) ?? '')]),
    '',
  ].join('\n');
}

function knobTable({ knobs }: Report): string {
  if (knobs.length === 0) return '';
  return table(
    ['knob', 'A', 'B'],
    '||||',
    knobs.map(({ knob, a, b }) => [knob, knobText(a), knobText(b)].map((text) => escapeText(text))),
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
      markedInterval(row),
      row.shiftPct === undefined ? '–' : `${signed(row.shiftPct)} %`,
      String(row.n),
    ]);
  return table(['stage', 'A ms', 'B ms', 'Δ ms', intervalTitle(stages), 'shift', 'n'], '||:|:|:||:|:|', rows);
}

/** What each quantile is made of; both tables add up to their last lines. */
function percentileTables({ percentiles, validity }: Report): string {
  const tables = percentiles.map((each) => {
    const rows = printedLedger(each.rows, each).map(({ stage, phase, a, b, delta }) => [stage, phase, a, b, delta]);
    return table([`p${Math.round(each.q * 100)}`, 'phase', 'A ms', 'B ms', 'Δ ms'], '|||:|:|:|', rows);
  });
  const few = percentiles.some(({ q }) => q > 0.9) ? [] : [`p95: n too small (${validity.pairs} pairs).`];
  return [...tables, ...few].join('\n\n');
}

const PAIRS_SHOWN = 5;

/** The pairs at both ends of the differences, with Jaeger's comparison of their traces where there is a Jaeger. */
function pairTable(report: Report, jaegerUi: string | undefined): string {
  const ranked = measuredPairs(report).sort((left, right) => deltaUsOf(left) - deltaUsOf(right));
  const shown =
    ranked.length <= 2 * PAIRS_SHOWN ? ranked : [...ranked.slice(0, PAIRS_SHOWN), ...ranked.slice(-PAIRS_SHOWN)];
  const rows = shown.map((pair) => {
    const url = jaegerUi === undefined ? undefined : compareUrl(jaegerUi, pair.a.traceId, pair.b.traceId);
    return [
      escapeText(pair.a.sessionId),
      String(pair.a.turnIndex),
      msOf(pair.a, 'e2eUs'),
      msOf(pair.b, 'e2eUs'),
      signed(deltaUsOf(pair) / 1000),
      ...(jaegerUi === undefined ? [] : [url === undefined ? '–' : `[compare](${url})`]),
    ];
  });
  const head = ['session', 'turn', 'A ms', 'B ms', 'Δ ms', ...(jaegerUi === undefined ? [] : ['Jaeger'])];
  return rows.length === 0 ? '' : table(head, '||:|:|:|:||', rows);
}

const SPANS_SHOWN = 60;

/** Spans without a partner first, then the largest differences. */
function spanTable({ spans = [] }: Report): string {
  const alone = (row: SpanRow): number => row.onlyA + row.onlyB;
  const ranked = [...spans].sort(
    (left, right) => alone(right) - alone(left) || Math.abs(right.deltaMs ?? 0) - Math.abs(left.deltaMs ?? 0),
  );
  const ms = (value: number | undefined): string => value?.toFixed(1) ?? '–';
  const rows = ranked
    .slice(0, SPANS_SHOWN)
    .map((row) => [
      escapeText(row.path),
      ms(row.aMs),
      ms(row.bMs),
      row.deltaMs === undefined ? '–' : signed(row.deltaMs),
      String(row.n),
      String(row.onlyA),
      String(row.onlyB),
    ]);
  if (rows.length === 0) return '';
  const more = ranked.length > SPANS_SHOWN ? `\n\n${ranked.length - SPANS_SHOWN} more in report.json.` : '';
  const head = ['span', 'A ms', 'B ms', 'Δ ms', 'pairs', 'only in A', 'only in B'];
  return table(head, '||:|:|:|:|:|:|', rows) + more;
}

const TEXT_SHOWN = 600;

function wordTable({ texts = [], turns }: Report): string {
  const known = new Map(turns.map((turn) => [tracedTurnKey(turn), turn]));
  const cell = (text: string | undefined): string => {
    if (text === undefined) return '–';
    return escapeText(text.length > TEXT_SHOWN ? `${text.slice(0, TEXT_SHOWN)}… (${text.length} characters)` : text);
  };
  const rows = texts.map(({ transcript, reply, ...key }) => {
    const turn = known.get(tracedTurnKey(key));
    return [
      escapeText(turn?.sessionId ?? ''),
      String(turn?.turnIndex ?? ''),
      escapeText(turn?.lane ?? ''),
      cell(transcript),
      cell(reply),
    ];
  });
  return rows.length === 0 ? '' : table(['session', 'turn', 'lane', 'transcript', 'reply'], '||:||||', rows);
}

/** With a Jaeger, a replayed turn's trace leads to its comparison with the captured one. */
function turnTable({ turns }: Report, jaegerUi: string | undefined): string {
  const captured = new Map(
    turns.filter(({ lane }) => lane === 'captured').map((turn) => [placeOf(turn), turn.traceId]),
  );
  const trace = (turn: TurnSummary): string => {
    const id = `\`${code(turn.traceId)}\``;
    const original = turn.lane === 'captured' ? undefined : captured.get(placeOf(turn));
    const url =
      jaegerUi === undefined || original === undefined ? undefined : compareUrl(jaegerUi, original, turn.traceId);
    return url === undefined ? id : `[${id}](${url})`;
  };
  const rows = turns.map((turn) => [
    escapeText(turn.sessionId),
    String(turn.turnIndex),
    escapeText(`${turn.lane}${turn.variant === turn.lane ? '' : ` ${turn.variant}`}`),
    msOf(turn, 'e2eUs'),
    msOf(turn, 'firstAudioByteUs'),
    msOf(turn, 'replyEndUs'),
    msOf(turn, 'stallUs'),
    turn.failure === undefined ? '' : escapeText(`${turn.failure.stage} ${turn.failure.kind}`),
    trace(turn),
  ]);
  return table(
    ['session', 'turn', 'lane', 'first audible', 'first byte', 'reply end', 'stalls', 'failure', 'trace'],
    '||:||:|:|:|:|||',
    rows,
  );
}

function placeOf({ sessionId, turnIndex }: TurnSummary): string {
  return JSON.stringify([sessionId, turnIndex]);
}

function msOf(turn: TurnSummary, key: 'e2eUs' | 'firstAudioByteUs' | 'replyEndUs' | 'stallUs'): string {
  const us = turn[key];
  return us === undefined ? '–' : (us / 1000).toFixed(1);
}

function folded({ title, text }: Section): string {
  return `<details><summary>${title}</summary>\n\n${text}\n\n</details>\n`;
}

function armText({ variant, commit, strategyHash }: Report['arms']['a']): string {
  return code(`${variant} ${commit.slice(0, 12)} strategy ${strategyHash}`);
}
