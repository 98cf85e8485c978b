/** The tables of a report as Markdown. */
import { turnKey } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Report } from './build.ts';
import type { SpanRow } from '../diff/align-spans.ts';
import { p95Text } from '../diff/targets.ts';
import { tracedTurnKey } from '../traces/trace-tree.ts';
import { measuredPairs } from './charts.ts';
import { code, escapeMarkdown, markdownTable } from './markdown-text.ts';
import { signed } from '../statistics/rounding.ts';
import { intervalText, intervalTitle, markedInterval, printedLedger, printedQuantile } from './rows.ts';
import { compareUrl, deltaUsOf, guardState, guardText, knobText } from './words.ts';

interface FoldedTable {
  title: string;
  /** Empty where the report has nothing for the table. `jaegerUi`: base URL of a Jaeger UI that has the traces. */
  render(report: Report, jaegerUi: string | undefined): string;
}

/** In the order in which a report has them. */
export const FOLDED_TABLES: readonly FoldedTable[] = [
  { title: 'What differs', render: knobTable },
  { title: 'Guards', render: guardTable },
  { title: 'Stages with their intervals', render: stageTable },
  { title: 'Median and 95th percentile', render: percentileTables },
  { title: 'Pairs that changed most', render: pairTable },
  { title: 'Spans', render: spanTable },
  { title: 'Turns', render: turnTable },
  { title: 'Words', render: wordTable },
];

/** A row a stage and phase; the last is the whole turn. */
export function markdownLedger(report: Report): string {
  const rows = printedLedger(report.stages, report.endToEnd).map(
    ({ stage, phase, a, b, delta, interval }, index, all) => {
      const strong = (text: string): string => (index === all.length - 1 ? `**${text}**` : text);
      return [strong(stage), phase, strong(a), strong(b), strong(delta), interval];
    },
  );
  return markdownTable(['stage', 'phase', 'A ms', 'B ms', 'Δ ms', intervalTitle(report.stages)], '|||:|:|:||', rows);
}

/** Medians beside today's figures and the targets. */
export function markdownTargets({ targets }: Report): string {
  const rows = targets.map(({ name, todayMs, targetMs, a, b }) => {
    const cell = (lane: typeof a): string =>
      lane === undefined ? '–' : `${Math.round(lane.medianMs)}${lane.met === undefined ? '' : lane.met ? ' ✓' : ' ✗'}`;
    return [
      escapeMarkdown(name),
      todayMs === undefined ? '–' : String(todayMs),
      targetMs === undefined ? '–' : `&lt;${targetMs}`,
      cell(a),
      cell(b),
      p95Text(b),
      String(b?.n ?? 0),
    ];
  });
  return markdownTable(['median', 'today', 'target', 'A', 'B', 'B p95', 'n'], '||:|:|:|:|:|:|', rows);
}

function knobTable({ knobs }: Report): string {
  if (knobs.length === 0) return '';
  return markdownTable(
    ['knob', 'A', 'B'],
    '||||',
    knobs.map(({ knob, a, b }) => [knob, knobText(a), knobText(b)].map((text) => escapeMarkdown(text))),
  );
}

function guardTable({ guards }: Report): string {
  if (guards.length === 0) return '';
  return markdownTable(
    ['guard', 'state', 'detail'],
    '||||',
    guards.map((guard) => [
      escapeMarkdown(guard.name),
      guard.state === 'broken' ? `**${guardState(guard)}**` : guardState(guard),
      escapeMarkdown(guardText(guard)),
    ]),
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
  return markdownTable(['stage', 'A ms', 'B ms', 'Δ ms', intervalTitle(stages), 'shift', 'n'], '||:|:|:||:|:|', rows);
}

/** Each table adds up to its last line. */
function percentileTables({ percentiles, validity }: Report): string {
  const tables = percentiles.map((each) => {
    const rows = printedQuantile(each.rows).map(({ stage, phase, a, b }) => [stage, phase, a, b]);
    return markdownTable([`p${Math.round(each.q * 100)}`, 'phase', 'A ms', 'B ms'], '|||:|:|', rows);
  });
  const { p95, turns } = validity;
  const few = [
    p95 === undefined
      ? `p95: n too small (${turns} turns).`
      : `Difference of the 95th percentiles: ${signed(p95.deltaMs)} ms ${intervalText(p95)}.`,
  ];
  return [...tables, ...few].join('\n\n');
}

const PAIRS_SHOWN = 5;

/** The pairs with the smallest and largest differences. With a Jaeger, each links to the comparison of its traces. */
function pairTable(report: Report, jaegerUi: string | undefined): string {
  const ranked = measuredPairs(report).sort((left, right) => deltaUsOf(left) - deltaUsOf(right));
  const shown =
    ranked.length <= 2 * PAIRS_SHOWN ? ranked : [...ranked.slice(0, PAIRS_SHOWN), ...ranked.slice(-PAIRS_SHOWN)];
  const rows = shown.map((pair) => {
    const url = jaegerUi === undefined ? undefined : compareUrl(jaegerUi, pair.a.traceId, pair.b.traceId);
    return [
      escapeMarkdown(pair.a.sessionId),
      String(pair.a.turnIndex),
      msOf(pair.a, 'e2eUs'),
      msOf(pair.b, 'e2eUs'),
      signed(deltaUsOf(pair) / 1000),
      ...(jaegerUi === undefined ? [] : [url === undefined ? '–' : `[compare](${url})`]),
    ];
  });
  const head = ['session', 'turn', 'A ms', 'B ms', 'Δ ms', ...(jaegerUi === undefined ? [] : ['Jaeger'])];
  return rows.length === 0 ? '' : markdownTable(head, '||:|:|:|:||', rows);
}

const SPANS_SHOWN = 60;

/** Unpaired spans first, then the largest differences. */
function spanTable({ spans = [] }: Report): string {
  const unpaired = (row: SpanRow): number => row.onlyA + row.onlyB;
  const ranked = [...spans].sort(
    (left, right) => unpaired(right) - unpaired(left) || Math.abs(right.deltaMs ?? 0) - Math.abs(left.deltaMs ?? 0),
  );
  const ms = (value: number | undefined): string => value?.toFixed(1) ?? '–';
  const rows = ranked
    .slice(0, SPANS_SHOWN)
    .map((row) => [
      escapeMarkdown(row.path),
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
  return markdownTable(head, '||:|:|:|:|:|:|', rows) + more;
}

const TEXT_CHARS = 600;

function wordTable({ texts = [], turns }: Report): string {
  const known = new Map(turns.map((turn) => [tracedTurnKey(turn), turn]));
  const cell = (text: string | undefined): string => (text === undefined ? '–' : escapeMarkdown(text, TEXT_CHARS));
  const rows = texts.map(({ transcript, reply, ...key }) => {
    const turn = known.get(tracedTurnKey(key));
    return [
      escapeMarkdown(turn?.sessionId ?? ''),
      String(turn?.turnIndex ?? ''),
      escapeMarkdown(turn?.lane ?? ''),
      cell(transcript),
      cell(reply),
    ];
  });
  return rows.length === 0 ? '' : markdownTable(['session', 'turn', 'lane', 'transcript', 'reply'], '||:||||', rows);
}

/** With a Jaeger, the trace of a replayed turn links to the comparison with the captured trace. */
function turnTable({ turns }: Report, jaegerUi: string | undefined): string {
  const captured = new Map(
    turns.filter(({ lane }) => lane === 'captured').map((turn) => [turnKey(turn), turn.traceId]),
  );
  const trace = (turn: TurnSummary): string => {
    const id = `\`${code(turn.traceId)}\``;
    const original = turn.lane === 'captured' ? undefined : captured.get(turnKey(turn));
    const url =
      jaegerUi === undefined || original === undefined ? undefined : compareUrl(jaegerUi, original, turn.traceId);
    return url === undefined ? id : `[${id}](${url})`;
  };
  const rows = turns.map((turn) => [
    escapeMarkdown(turn.sessionId),
    String(turn.turnIndex),
    escapeMarkdown(`${turn.lane}${turn.variant === turn.lane ? '' : ` ${turn.variant}`}`),
    msOf(turn, 'e2eUs'),
    msOf(turn, 'firstAudioByteUs'),
    msOf(turn, 'replyEndUs'),
    msOf(turn, 'stallUs'),
    turn.failure === undefined ? '' : escapeMarkdown(`${turn.failure.stage} ${turn.failure.kind}`),
    trace(turn),
  ]);
  return markdownTable(
    ['session', 'turn', 'lane', 'first audible', 'first byte', 'reply end', 'stalls', 'failure', 'trace'],
    '||:||:|:|:|:|||',
    rows,
  );
}

function msOf(turn: TurnSummary, key: 'e2eUs' | 'firstAudioByteUs' | 'replyEndUs' | 'stallUs'): string {
  const us = turn[key];
  return us === undefined ? '–' : (us / 1000).toFixed(1);
}
