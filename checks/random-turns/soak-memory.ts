/** Whether the memory and the cost of a long run stay flat, by samples taken during the run. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InvariantError } from '../../service/base/errors.ts';
import { median } from '../../service/base/quantile.ts';

export interface Sample {
  turns: number;
  /** After a full collection. */
  heapMb: number;
  /** User and system, of the whole process since its start. */
  cpuS: number;
}

export interface Flatness {
  /** Least-squares slope of the heap over the samples' second half, when caches and compiled code have settled. */
  heapKbPer1000Turns: number;
  /** The slope times the turns of the whole run. */
  grownMb: number;
  /** Medians of the first and the last quarter. */
  heapMb: readonly [number, number];
  cpuMsPerTurn: readonly [number, number];
  flat: boolean;
  /** Undefined where a quarter is too short to tell a dearer turn from other sessions. */
  linear?: boolean;
}

/** A run's heap may seem to grow by this: the compiled code that V8 keeps differs as much between collections. */
const GROWN_LIMIT_MB = 10;
/** How many times dearer a turn may be in the last quarter than in the first. */
const GROWTH_LIMIT = 1.15;
const FEWEST_SAMPLES = 8;
/** Between the first and the last sample of a quarter. */
const FEWEST_QUARTER_TURNS = 2000;

/** Undefined where there are too few samples. */
export function flatnessOf(samples: readonly Sample[]): Flatness | undefined {
  const last = samples.at(-1);
  if (samples.length < FEWEST_SAMPLES || last === undefined) return undefined;
  const perTurn = slope(samples.slice(samples.length >> 1));
  const quarter = Math.max(2, samples.length >> 2);
  const [early, late] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const heapMb = [heapOf(early), heapOf(late)] as const;
  const cpuMsPerTurn = [costOf(early), costOf(late)] as const;
  const enough = [early, late].every((some) => turnsBetween(some) >= FEWEST_QUARTER_TURNS);
  const grownMb = perTurn * last.turns;
  return {
    heapKbPer1000Turns: perTurn * 1e6,
    grownMb,
    heapMb,
    cpuMsPerTurn,
    flat: grownMb < GROWN_LIMIT_MB,
    linear: enough ? cpuMsPerTurn[1] <= cpuMsPerTurn[0] * GROWTH_LIMIT : undefined,
  };
}

/** Whether memory or cost grows. Too few samples count as flat. */
export function grows(flatness: Flatness | undefined): boolean {
  return flatness?.flat === false || flatness?.linear === false;
}

/** MB a turn. */
function slope(samples: readonly Sample[]): number {
  const turns = samples.reduce((sum, each) => sum + each.turns, 0) / samples.length;
  const heapMb = samples.reduce((sum, each) => sum + each.heapMb, 0) / samples.length;
  let [above, below] = [0, 0];
  for (const each of samples) {
    above += (each.turns - turns) * (each.heapMb - heapMb);
    below += (each.turns - turns) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

const turnsBetween = (samples: readonly Sample[]): number => (samples.at(-1)?.turns ?? 0) - (samples[0]?.turns ?? 0);

const heapOf = (samples: readonly Sample[]): number => median(samples.map(({ heapMb }) => heapMb));

/** CPU between the first and the last sample, in ms a turn. */
function costOf(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.turns === first.turns) return 0;
  return (1000 * (last.cpuS - first.cpuS)) / (last.turns - first.turns);
}

let collect: (() => void) | undefined;

/** Collects all garbage, then measures this process. */
export function sampleMemory(turns: number): Sample {
  collect ??= collector();
  collect();
  const { user, system } = process.cpuUsage();
  return { turns, heapMb: process.memoryUsage().heapUsed / 1e6, cpuS: (user + system) / 1e6 };
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc !== 'function') throw new InvariantError('this Node has no garbage collector to call');
  return () => void Reflect.apply(gc, undefined, []);
}
