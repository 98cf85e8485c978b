/** Bench results as one HTML page: a plot and a table for each bench, targets, comparison. */
import * as Plot from '@observablehq/plot';
import { svgOf } from '../../replay/report/figures.ts';
import { htmlPage } from '../../replay/report/html-page.ts';
import { html, htmlSection, htmlTable, escapeHtml, type Cell, type Column } from '../../replay/report/html-text.ts';
import { verdictExitCode } from '../../replay/diff/verdict.ts';
import { verdictSign } from '../../replay/report/words.ts';
import { type ArmResult, type StageGroup, betText, ledgerText } from './arm-result.ts';
import { METRICS, type MetricName } from './metrics.ts';
import type { BenchResults } from './results.ts';
import { differenceText, numberText } from './tables.ts';

type BenchSection = BenchResults['benches'][number];

/** Height of one arm in a plot, in pixels. */
const ARM_PX = 26;

export function benchPage(results: BenchResults): string {
  return htmlPage({
    title: `Retake benches: ${results.basis}, world ${results.world}`,
    sections: [
      headerOf(results),
      targetSection(results),
      comparisonSection(results),
      ...results.benches.map(benchSection),
      environmentSection(results),
    ],
  });
}

function headerOf({ basis, world, profile, sessions, turnsPerSession, benches }: BenchResults): string {
  const badge = (content: string, more = ''): string => `<span class="badge${more}">${escapeHtml(content)}</span>`;
  const profileBadge = profile === undefined ? '' : badge(`profile ${profile}`);
  return (
    `<header><div>${badge(basis, ' basis')}${badge(`world ${world}`)}${profileBadge}` +
    `${badge(`${sessions} sessions × ${turnsPerSession} turns an arm`)}</div>` +
    `<h1>Benches: ${escapeHtml(benches.map(({ bench }) => bench).join(', '))}</h1>` +
    '<p>Differences are paired by turn; intervals are 95 %, over sessions.</p></header>'
  );
}

function targetSection({ targets }: BenchResults): string {
  if (targets.length === 0) return '';
  const cell = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0));
  const columns: Column[] = [
    { title: 'median, ms' },
    { title: 'met?' },
    ...['today', 'target', 'baseline', 'combined', 'p95', 'n'].map((title) => ({ title, isNumber: true })),
  ];
  const rows = targets.map((row): Cell[] => [
    row.name,
    row.b?.met === undefined ? '' : row.b.met ? 'met' : 'missed',
    cell(row.todayMs),
    cell(row.targetMs),
    cell(row.a?.medianMs),
    cell(row.b?.medianMs),
    cell(row.b?.p95Ms),
    String(row.b?.n ?? 0),
  ]);
  return htmlSection('targets', 'Targets', htmlTable(columns, rows), 'Median below target is “met”.');
}

function comparisonSection({ against = [] }: BenchResults): string {
  if (against.length === 0) return '';
  const columns: Column[] = [
    { title: 'bench' },
    { title: 'arm' },
    { title: 'verdict' },
    { title: 'Δ ms', isNumber: true },
    { title: '95 % interval' },
  ];
  const rows = against.map(({ bench, arm, verdict, reasons, deltaMs, lowMs, highMs }): Cell[] => [
    bench,
    arm,
    `${verdictSign({ verdict })} ${verdict}: ${reasons.join('; ')}`,
    deltaMs.toFixed(1),
    lowMs === undefined || highMs === undefined ? '–' : `[${lowMs.toFixed(1)}, ${highMs.toFixed(1)}]`,
  ]);
  return htmlSection(
    'against',
    'Against the earlier folder',
    htmlTable(columns, rows),
    'First audible, the same arm then and now.',
  );
}

function benchSection({ bench, title, limits, grouping, arms, stopped }: BenchSection): string {
  const order = Object.keys(METRICS);
  const metrics = [...new Set(arms.flatMap(({ rows }) => rows.map(({ metric }) => metric)))].sort(
    (a, b) => order.indexOf(a) - order.indexOf(b),
  );
  const columns: Column[] = [
    { title: 'arm' },
    ...metrics.map((metric) => ({ title: `${METRICS[metric].title}, ${METRICS[metric].unit}`, isNumber: true })),
    { title: 'n', isNumber: true },
    { title: 'verdict' },
  ];
  const rows = arms.map((arm): Cell[] => [
    arm.note === undefined ? arm.arm : `${arm.arm} (${arm.note})`,
    ...metrics.map((metric) => metricCell(arm, metric)),
    String(arm.turns - arm.failed),
    arm.verdict === undefined
      ? ''
      : `${verdictSign({ verdict: arm.verdict })} ${arm.verdict}: ${(arm.reasons ?? []).join('; ')}`,
  ]);
  const note = stopped === undefined ? limits : `${limits} Ended early: ${stopped}`;
  const figure = `<figure>${armsFigure(arms)}<figcaption>First audible against the baseline: mean paired difference and its 95 % interval; coloured by verdict.</figcaption></figure>`;
  return htmlSection(
    `bench-${bench}`,
    `${bench}: ${title}`,
    figure +
      htmlTable(columns, rows, { caption: 'Medians, and the mean paired difference from the baseline.' }) +
      groupTable(grouping, arms) +
      totalsTable(arms),
    note,
  );
}

/** The stage's latency by new and kept connections, and by the bench's grouping. */
function groupTable(grouping: string | undefined, arms: readonly ArmResult[]): string {
  const connectionsOf = ({ connections = [] }: ArmResult): StageGroup[] =>
    connections.map((part) => ({ ...part, group: `${part.group} connection` }));
  const groupsOf = ({ groups = [] }: ArmResult): readonly StageGroup[] => groups;
  const parts = [...arms.flatMap(connectionsOf), ...arms.flatMap(groupsOf)];
  const names = [...new Set(parts.map(({ group }) => group))];
  const columns: Column[] = [{ title: 'arm' }, ...names.map((title) => ({ title, isNumber: true }))];
  const rows = arms.map((arm): Cell[] => [
    arm.arm,
    ...names.map((name) => {
      const part = [...connectionsOf(arm), ...groupsOf(arm)].find(({ group }) => group === name);
      return part === undefined ? '–' : html(`${part.medianMs.toFixed(1)} <small class="note">n ${part.n}</small>`);
    }),
  ]);
  const by = grouping === undefined ? '' : ` and ${grouping}`;
  return htmlTable(columns, rows, { caption: `Median of the stage's latency in ms, by connection${by}.` });
}

/** Parts of the wait, and outcomes of the bets. */
function totalsTable(arms: readonly ArmResult[]): string {
  const rows = arms.map(({ arm, ledger, bets = [] }): Cell[] => [
    arm,
    ledger === undefined ? '–' : ledgerText(ledger),
    bets.map((bet) => `${bet.kind}: ${betText(bet)}`).join(' · '),
  ]);
  const columns: Column[] = [{ title: 'arm' }, { title: 'wait, mean ms' }, { title: 'bets' }];
  return htmlTable(columns, rows, {
    caption: 'Parts of the wait until first audible; they add up. Bets: hits and waste.',
  });
}

/** The median and, paler, the mean difference. Its interval is in `results.json`; that of first audible is in the plot. */
function metricCell({ rows }: ArmResult, metric: MetricName): Cell {
  const row = rows.find((each) => each.metric === metric);
  if (row === undefined) return '–';
  const median = numberText(metric, row.mean ?? row.median);
  const { difference } = row;
  if (difference === undefined) return median;
  return html(`${median} <small class="note">${escapeHtml(differenceText(metric, { mean: difference.mean }))}</small>`);
}

/** Colours by exit code: what passes, what fails, what is open. */
const TONES: Readonly<Record<number, string>> = { 0: 'faster', 1: 'slower', 3: 'inconclusive' };
const toneOf = (verdict: ArmResult['verdict']): string =>
  verdict === undefined ? 'muted' : (TONES[verdictExitCode(verdict)] ?? 'muted');

function armsFigure(arms: readonly ArmResult[]): string {
  const drawn = arms.flatMap(({ arm, rows, verdict }) => {
    const difference = rows.find(({ metric }) => metric === 'e2eMs')?.difference;
    if (difference === undefined) return [];
    const { mean, low = mean, high = mean } = difference;
    return [{ arm, verdict, mean, low, high }];
  });
  return svgOf({
    height: 60 + ARM_PX * drawn.length,
    marginLeft: 200,
    x: { label: 'Δ first audible, ms', grid: true, nice: true },
    y: { label: null, domain: drawn.map(({ arm }) => arm) },
    marks: [
      Plot.ruleX([0]),
      Plot.ruleY(drawn, { y: 'arm', x1: 'low', x2: 'high', strokeWidth: 2, stroke: 'var(--muted)' }),
      Plot.dot(drawn, {
        y: 'arm',
        x: 'mean',
        r: 4.5,
        fill: ({ verdict }: Pick<ArmResult, 'verdict'>) => `var(--${toneOf(verdict)})`,
      }),
    ],
  });
}

function environmentSection({ commit, seed, environment }: BenchResults): string {
  const lines = [
    `commit ${commit}`,
    `Node ${environment.node}, ${environment.cpu}`,
    Object.entries(environment.packages)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    `started ${environment.startedAt}`,
    ...(environment.endpoints === undefined ? [] : [`called ${environment.endpoints.join(', ')}`]),
    `answered from ${environment.servedFrom.length === 0 ? 'no region that was told' : environment.servedFrom.join(', ')}`,
    `seed ${seed}`,
  ];
  return htmlSection(
    'environment',
    'Where and when',
    `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`,
  );
}
