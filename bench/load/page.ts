/** The step-load plot: one self-contained page. */
import * as Plot from '@observablehq/plot';
import { svgOf } from '../../replay/report/figures.ts';
import { htmlPage } from '../../replay/report/html-page.ts';
import { htmlSection, htmlTable, escapeHtml, type Cell } from '../../replay/report/html-text.ts';
import { barOf, type StepFigures } from './figures.ts';

const COLUMNS = [
  'sessions',
  'turns',
  'failed',
  'lost frames',
  'overhead p50, ms',
  'p95',
  'p99',
  'bar',
  'loop delay p99, ms',
  'service CPU, %',
  'clients CPU, %',
  'machine busy, %',
  'memory, MB',
];

/** `lines` stand below the terminal's table. */
export function loadPage(title: string, steps: readonly StepFigures[], lines: readonly string[]): string {
  const rows = steps.map((step): Cell[] => {
    const { overheadMs } = step;
    const numbers = [overheadMs?.p50, overheadMs?.p95, overheadMs?.p99].map((ms) => ms?.toFixed(1) ?? '–');
    const shares = [step.serviceCpu, step.clientsCpu, step.machineBusy].map((part) => (part * 100).toFixed(0));
    const bar = barOf(step.sessions);
    return [
      ...[step.sessions, step.turns, step.failed, step.lostFrames].map(String),
      ...numbers,
      bar === undefined ? '–' : `< ${bar}`,
      step.loopDelayP99Ms.toFixed(1),
      ...shares,
      step.rssMb.toFixed(0),
    ];
  });
  const columns = COLUMNS.map((name) => ({ title: name, isNumber: true }));
  return htmlPage({
    title: 'Retake: sessions at once',
    sections: [
      `<header><div><span class="badge basis">predicted</span></div><h1>Sessions at once</h1><p>${escapeHtml(title)}</p></header>`,
      htmlSection(
        'overhead',
        'Overhead',
        `<figure>${overheadFigure(steps)}</figure>`,
        'The ledger’s “our code” of a turn.',
      ),
      htmlSection(
        'cost',
        'CPU',
        `<figure>${cpuFigure(steps)}</figure>`,
        '100 % is one core; the machine is all of its cores.',
      ),
      htmlSection(
        'steps',
        'Steps',
        htmlTable(columns, rows) + lines.map((line) => `<p>${escapeHtml(line)}</p>`).join(''),
      ),
    ],
  });
}

function overheadFigure(steps: readonly StepFigures[]): string {
  const points = steps.flatMap(({ sessions, overheadMs }) =>
    Object.entries(overheadMs ?? {}).map(([quantile, ms]) => ({ sessions, quantile, ms })),
  );
  const bars = steps.flatMap(({ sessions }) => ({ sessions, barMs: barOf(sessions) ?? Number.NaN }));
  return svgOf({
    height: 300,
    x: { label: 'sessions at once', grid: true },
    y: { label: 'overhead, ms', type: 'log', grid: true },
    marks: [
      Plot.line(bars, {
        x: 'sessions',
        y: 'barMs',
        stroke: 'var(--muted)',
        strokeDasharray: '4 4',
        curve: 'step-before',
      }),
      ...lines(points, 'ms', 'quantile'),
    ],
  });
}

function cpuFigure(steps: readonly StepFigures[]): string {
  const points = steps.flatMap(({ sessions, serviceCpu, clientsCpu, machineBusy }) =>
    Object.entries({ service: serviceCpu, clients: clientsCpu, machine: machineBusy }).map(([what, part]) => ({
      sessions,
      what,
      percent: part * 100,
    })),
  );
  return svgOf({
    height: 260,
    x: { label: 'sessions at once', grid: true },
    y: { label: '%', grid: true, zero: true },
    marks: [Plot.ruleY([100], { stroke: 'var(--muted)' }), ...lines(points, 'percent', 'what')],
  });
}

/** A line for each value of `key`, named at its end. */
function lines(points: readonly { sessions: number }[], y: string, key: string): Plot.Markish[] {
  const last = { x: 'sessions', y, z: key, text: key, textAnchor: 'end', dy: -9 } as const;
  return [
    Plot.line(points, { x: 'sessions', y, z: key, stroke: 'var(--b)', strokeWidth: 1.5 }),
    Plot.dot(points, { x: 'sessions', y, fill: 'var(--b)', r: 3 }),
    Plot.text(points, Plot.selectLast(last)),
  ];
}
