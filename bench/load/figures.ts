/** The lines of `npm run bench -- load`: a row for each step, the knee, and whether memory grew. Pure. */
import { TURNS_LIMIT } from '../../service/http/registry.ts';
import { sparkline } from '../../replay/report/charts.ts';
import { mean, type Interval } from '../../replay/statistics/estimates.ts';
import { studentT975 } from '../../replay/statistics/distributions.ts';
import { quantile } from '../../service/base/quantile.ts';
import type { LoadTurn } from './people.ts';
import type { ServiceSecond } from './service.ts';

/** One second: figures of the service, of this process and of the whole machine. */
export interface LoadSecond extends ServiceSecond {
  clientsCpuMs: number;
  /** Of all cores, 0 to 1. */
  machineBusy: number;
}

export interface Step {
  sessions: number;
  /** Turns that began after everybody had arrived. Earlier ones are the warm-up. */
  turns: readonly LoadTurn[];
  failures: readonly string[];
  /** The seconds in which all talked. */
  seconds: readonly LoadSecond[];
}

export interface StepFigures {
  sessions: number;
  turns: number;
  failed: number;
  overheadMs?: { p50: number; p95: number; p99: number };
  /** Where the p99 of all such turns lies, with 95 % confidence; no upper end where there are too few turns for one. */
  p99Ms?: Pick<Interval, 'low' | 'high'>;
  lostFrames: number;
  /** Of the worst second. */
  loopDelayP99Ms: number;
  /** In cores. */
  serviceCpu: number;
  clientsCpu: number;
  machineBusy: number;
  rssMb: number;
}

/** The bars on the way: overhead p99 of a turn, in ms, up to so many sessions. */
const BARS = [
  { sessions: 50, p99Ms: 10 },
  { sessions: 200, p99Ms: 25 },
] as const;
/**
 * A heap that grows by less is flat, in kB a turn. An open session keeps its conversation and its figures: 2.5 kB a turn, measured
 * after full collections (bench/programs/workload.ts, 400 turns). A leak of the turn's log alone would be 60, of its audio 300.
 */
const FLAT_KB_PER_TURN = 5;
const BLOCK_S = 20;
const BLOCKS_MIN = 5;

export function stepFiguresOf({ sessions, turns, failures, seconds }: Step): StepFigures {
  const overhead = turns.map(({ overheadMs }) => overheadMs);
  const of = (q: number): number => quantile(overhead, q);
  return {
    sessions,
    turns: turns.length,
    failed: failures.length,
    ...(overhead.length === 0
      ? {}
      : { overheadMs: { p50: of(0.5), p95: of(0.95), p99: of(0.99) }, p99Ms: quantileInterval(overhead, 0.99) }),
    lostFrames: turns.reduce((sum, { lostFrames }) => sum + lostFrames, 0),
    loopDelayP99Ms: Math.max(...seconds.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
    serviceCpu: mean(seconds.map(({ cpuMs }) => cpuMs)) / 1000,
    clientsCpu: mean(seconds.map(({ clientsCpuMs }) => clientsCpuMs)) / 1000,
    machineBusy: mean(seconds.map(({ machineBusy }) => machineBusy)),
    rssMb: seconds.at(-1)?.rssMb ?? Number.NaN,
  };
}

/**
 * The 95 % interval of the quantile `q`, for the distribution that the values were drawn from. Its ends are order statistics, by the
 * binomial distribution (Conover 1999, 3.2). An end is absent where there are too few values.
 */
export function quantileInterval(values: readonly number[], q: number): Pick<Interval, 'low' | 'high'> {
  const descending = [...values].sort((a, b) => b - a);
  const { length } = descending;
  let logProbability = length * Math.log(q); // of exactly `above` values above the quantile; of many values it is too small for a number
  let fewer = 0; // of fewer than that
  let high: number | undefined;
  for (let above = 1; above <= length; above++) {
    fewer += Math.exp(logProbability);
    logProbability += Math.log(((length - above + 1) / above) * ((1 - q) / q));
    const value = descending[above - 1];
    if (fewer <= 0.025) high = value;
    if (1 - fewer <= 0.025) return { low: value, high };
  }
  return { high };
}

export const HEAD = [
  'sessions   turns  failed  lost    overhead, ms            loop delay   CPU, % of a core   machine  memory',
  '                        frames   p50     p95     p99     p99, ms     service   clients    busy      MB',
];

export function stepRowOf(figures: StepFigures): string {
  const { sessions, turns, failed, lostFrames, overheadMs, loopDelayP99Ms } = figures;
  const percent = (part: number): string => (part * 100).toFixed(0);
  const quantiles = [overheadMs?.p50, overheadMs?.p95, overheadMs?.p99].map((ms) => ms?.toFixed(1) ?? '–');
  return [
    String(sessions).padStart(8),
    String(turns).padStart(8),
    String(failed).padStart(8),
    String(lostFrames).padStart(6),
    ...quantiles.map((text) => text.padStart(8)),
    loopDelayP99Ms.toFixed(1).padStart(11),
    percent(figures.serviceCpu).padStart(11),
    percent(figures.clientsCpu).padStart(10),
    percent(figures.machineBusy).padStart(9),
    figures.rssMb.toFixed(0).padStart(8),
  ].join('');
}

/** The bar of a step; none beyond 200 sessions, where the knee is looked for. */
export function barOf(sessions: number): number | undefined {
  return BARS.find((bar) => sessions <= bar.sessions)?.p99Ms;
}

export function isMet({ sessions, failed, lostFrames, overheadMs }: StepFigures): boolean {
  const barMs = barOf(sessions) ?? Infinity;
  return failed === 0 && lostFrames === 0 && overheadMs !== undefined && overheadMs.p99 < barMs;
}

/** Lines below the table: p99 as blocks, the last step that held, and the load of the first that did not. */
export function kneeLines(steps: readonly StepFigures[]): string[] {
  const limitMs = BARS[1].p99Ms;
  const holds = ({ failed, lostFrames, overheadMs }: StepFigures): boolean =>
    failed === 0 && lostFrames === 0 && (overheadMs?.p99 ?? Infinity) < limitMs;
  const first = steps.findIndex((step) => !holds(step));
  const knee = steps[first];
  const sizes = steps.map(({ sessions }) => sessions);
  const picture = sparkline(steps.map(({ overheadMs }) => Math.round((overheadMs?.p99 ?? 0) * 10)));
  return [
    `overhead p99 by sessions  ${picture}  (${sizes.join(', ')})`,
    `p99 in ms [95 %]  ${steps.map(p99Text).join(', ')}`,
    knee === undefined
      ? `no knee up to ${sizes.at(-1)} sessions: p99 stays below ${limitMs} ms, nothing failed, no frame was lost`
      : `knee at ${knee.sessions} sessions${first === 0 ? '' : `, ${sizes[first - 1]} still hold`}: ${reasonOf(knee)}`,
  ];
}

function p99Text({ sessions, turns, overheadMs, p99Ms }: StepFigures): string {
  const [low, p99, high] = [p99Ms?.low, overheadMs?.p99, p99Ms?.high].map((ms) => ms?.toFixed(1) ?? '–');
  return `${sessions}: ${p99} [${low}, ${high}] of ${turns}`;
}

function reasonOf({ overheadMs, failed, lostFrames, serviceCpu, machineBusy }: StepFigures): string {
  const what = `p99 ${overheadMs?.p99.toFixed(1) ?? '–'} ms, ${failed} failed, ${lostFrames} frames lost`;
  return `${what}; the service used ${(serviceCpu * 100).toFixed(0)} % of a core, the machine was ${(machineBusy * 100).toFixed(0)} % busy`;
}

/**
 * Growth of the heap in MB a minute, with its 95 % interval (docs/statistics.md#heap-growth). The smallest heap of each 20 s is what a
 * collection leaves; a least-squares line goes through these. Absent for fewer than 5 blocks.
 */
export function heapGrowth(seconds: readonly Pick<ServiceSecond, 'heapMb'>[]): Interval | undefined {
  const blocks = Math.floor(seconds.length / BLOCK_S);
  if (blocks < BLOCKS_MIN) return undefined;
  const floors = Array.from({ length: blocks }, (_, block) =>
    Math.min(...seconds.slice(block * BLOCK_S, (block + 1) * BLOCK_S).map(({ heapMb }) => heapMb)),
  );
  const [middleX, middleY] = [(blocks - 1) / 2, mean(floors)];
  const spread = floors.reduce((sum, _, x) => sum + (x - middleX) ** 2, 0);
  const slope = floors.reduce((sum, y, x) => sum + (x - middleX) * (y - middleY), 0) / spread;
  const residual = floors.reduce((sum, y, x) => sum + (y - middleY - slope * (x - middleX)) ** 2, 0);
  const half = studentT975(blocks - 2) * Math.sqrt(residual / (blocks - 2) / spread);
  const perMinute = 60 / BLOCK_S;
  return { mean: slope * perMinute, low: (slope - half) * perMinute, high: (slope + half) * perMinute };
}

/**
 * `flat` and `grows` are claims. An interval that allows both supports neither. Nor does a heap in which the registry's last turns
 * (50 kB each) were still gathering when the line began: `turnsBefore` says how many had run by then.
 */
export function heapLine(growth: Interval | undefined, turnsPerMinute: number, turnsBefore: number): string {
  if (growth === undefined) return `heap: fewer than ${BLOCKS_MIN * BLOCK_S} s after the warm-up, too few to say`;
  if (turnsBefore < TURNS_LIMIT)
    return `heap: nothing to say, the memory of the last ${TURNS_LIMIT} turns was still filling (${turnsBefore} turns before the fit)`;
  const { mean: middle, low = -Infinity, high = Infinity } = growth;
  const perTurn = (mbPerMinute: number): number => (mbPerMinute * 1000) / turnsPerMinute;
  const verdict =
    perTurn(high) < FLAT_KB_PER_TURN ? 'flat' : perTurn(low) > FLAT_KB_PER_TURN ? 'GROWS' : 'inconclusive';
  const text = (of: (mbPerMinute: number) => number): string =>
    `${of(middle).toFixed(1)} [${of(low).toFixed(1)}, ${of(high).toFixed(1)}]`;
  const perMinute = `${text((mb) => mb)} MB a minute`;
  return `heap: ${verdict}, ${text(perTurn)} kB a turn, ${perMinute} (flat: below ${FLAT_KB_PER_TURN} kB a turn; a session keeps 2.5: its words and figures)`;
}
