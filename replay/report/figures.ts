/** Figures of the HTML page, drawn by Observable Plot when the report is made. The page holds finished SVG. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { quantile } from '../../service/base/quantile.ts';
import { histogram } from './charts.ts';

const WIDTH = 1000;
/** Of more differences, every k-th of the sorted ones is drawn. */
const BARS = 400;
/** Fewer turns are marks: a histogram of them would be mostly gaps. */
const HISTOGRAM_TURNS = 40;
const BINS = 60;

interface Lanes {
  /** End to end of the pairs, in ms. */
  a: readonly number[];
  b: readonly number[];
}

type Marks = NonNullable<Plot.PlotOptions['marks']>;

/** The spread of both lanes' turns, A above B on one axis, with the medians as lines. */
export function distributionFigure({ a, b }: Lanes): string {
  const turns = [...a.map((ms) => ({ ms, lane: 'A' })), ...b.map((ms) => ({ ms, lane: 'B' }))];
  const medians = [
    { ms: quantile(a, 0.5), lane: 'A' },
    { ms: quantile(b, 0.5), lane: 'B' },
  ];
  const fill = (each: { lane: string }): string => (each.lane === 'A' ? 'var(--a)' : 'var(--b)');
  const marks: Marks =
    a.length < HISTOGRAM_TURNS
      ? [Plot.tickX(turns, { x: 'ms', fy: 'lane', stroke: fill, strokeOpacity: 0.7, strokeWidth: 2 })]
      : [
          Plot.rectY(bins({ a, b }), { x1: 'x1', x2: 'x2', y: 'turns', fy: 'lane', fill, insetLeft: 0.5 }),
          Plot.ruleY([0], { strokeOpacity: 0.4 }),
        ];
  return svgOf({
    height: 210,
    x: { label: 'end to end, ms', grid: true, nice: true },
    y: { label: 'turns', ticks: 3 },
    fy: { label: null },
    marks: [
      ...marks,
      Plot.ruleX(medians, { x: 'ms', fy: 'lane', strokeWidth: 2 }),
      Plot.text(medians, {
        x: 'ms',
        fy: 'lane',
        text: ({ ms }: { ms: number }) => `median ${ms.toFixed(0)}`,
        frameAnchor: 'top',
        textAnchor: 'start',
        dx: 5,
        dy: 4,
      }),
    ],
  });
}

function bins({ a, b }: Lanes): { x1: number; x2: number; turns: number; lane: string }[] {
  const [low, high] = [a.concat(b).reduce((x, y) => Math.min(x, y)), a.concat(b).reduce((x, y) => Math.max(x, y))];
  const width = (high - low) / BINS;
  const lane = (name: string, values: readonly number[]): ReturnType<typeof bins> =>
    histogram(values, low, high, BINS).map((turns, index) => ({
      x1: low + index * width,
      x2: low + (index + 1) * width,
      turns,
      lane: name,
    }));
  return [...lane('A', a), ...lane('B', b)];
}

/** The difference of every pair, in order of size. The band is the margin. */
export function differenceFigure({ a, b }: Lanes, marginMs: number): { svg: string; shown: number } {
  const sorted = a.map((ms, index) => (b[index] ?? ms) - ms).sort((left, right) => left - right);
  const step = Math.max(1, Math.ceil(sorted.length / BARS));
  const bars = sorted
    .filter((_, index) => index % step === 0)
    .map((deltaMs, index) => ({ deltaMs, x1: index, x2: index + 1 }));
  const svg = svgOf({
    height: 210,
    x: { label: null, ticks: [], domain: [0, bars.length] },
    y: { label: 'Δ ms (B − A)', grid: true, nice: true },
    marks: [
      Plot.rect([{ low: -marginMs, high: marginMs }], {
        x1: 0,
        x2: bars.length,
        y1: 'low',
        y2: 'high',
        fill: 'var(--muted)',
        fillOpacity: 0.12,
      }),
      Plot.rectY(bars, {
        x1: 'x1',
        x2: 'x2',
        y1: 0,
        y2: 'deltaMs',
        fill: ({ deltaMs }: { deltaMs: number }) => (deltaMs < 0 ? 'var(--faster)' : 'var(--slower)'),
        insetRight: bars.length > 100 ? 0 : 1,
      }),
      Plot.ruleY([0]),
    ],
  });
  return { svg, shown: bars.length };
}

/** A plot as SVG text. The page has the styles. */
export function svgOf(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const drawn = Plot.plot({
    marginLeft: 56,
    ...options,
    document,
    width: WIDTH,
    marginRight: 24,
    marginBottom: 38,
    className: 'plot',
  });
  // the page's policy allows no other styles
  for (const style of drawn.querySelectorAll('style')) style.remove();
  drawn.setAttribute('role', 'img');
  return drawn.outerHTML;
}
