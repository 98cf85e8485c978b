/**
 * `npm run verify -- statistics`: verdicts, intervals and guards keep their promises on the function that reports use. Experiments whose truth is
 * known are simulated in cells of noise, spread, turns and sessions. With 20,000 runs a cell the bars are exact; with fewer each is widened by
 * 2.6 standard errors of its own estimate.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { detectableMs } from '../../replay/diff/power.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { countRuns, shareOf, type Counted, type Task } from './count.ts';
import { endToEnd } from './end-to-end.ts';
import { NO_CHANGE, NOISE_NAMES, SPREAD_NAMES, TURN_COUNT_NAMES, type Cell, type Noise } from './experiments.ts';

const SESSIONS = [4, 8, 20, 40] as const;
const EXACT_RUNS = 20_000;

/** The promises, in %. */
const BARS = {
  falseVerdict: { low: 3, high: 6.4 },
  coverage: { '2–8 turns': { low: 93, high: 97 }, '1–20 turns': { low: 93, high: 100 } },
  wrong: 3.2,
  power: { low: 75, high: 85 },
  guardsWithoutHarm: 5.4,
  guardsAtMargin: 6.4,
} as const;

const CELLS = SPREAD_NAMES.flatMap((spread) =>
  NOISE_NAMES.flatMap((noise) =>
    TURN_COUNT_NAMES.flatMap((turns) => SESSIONS.map((sessions): Cell => ({ noise, turns, spread, sessions }))),
  ),
);

/** Counts tasks in as many processes as there are cores, and tells each as it ends. */
async function countAll(tasks: readonly Task[], tell: (index: number, counted: Counted) => void): Promise<Counted[]> {
  const counted: Counted[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const child = fork(fileURLToPath(import.meta.url), ['count']);
    try {
      for (let index = next++; index < tasks.length; index = next++) {
        const answer = new Promise<Counted>((resolve, reject) => {
          child.once('message', (message: Counted) => resolve(message));
          child.once('exit', (code) => reject(new Error(`a counting process ended with ${code}`)));
        });
        child.send(tasks[index] ?? {});
        const each = await answer;
        counted[index] = each;
        tell(index, each);
        child.removeAllListeners('exit');
      }
    } finally {
      child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return counted;
}

/** Among experiments that the validity rules let through, in %. */
const powerOf = (counted: Counted): number =>
  (shareOf(counted, 'slower') * counted.runs) / (counted.runs - counted.lopsided);

async function main(runs: number): Promise<void> {
  let off = 0;
  const judge = (what: string, percent: number, { low = 0, high = 100 }: { low?: number; high?: number }): void => {
    const slack = runs >= EXACT_RUNS ? 0 : 260 * Math.sqrt((0.05 * 0.95) / runs);
    const holds = percent >= low - slack && percent <= high + slack;
    off += holds ? 0 : 1;
    console.log(`${holds ? 'ok ' : 'OFF'}  ${what}: ${percent.toFixed(2)} % (${low}–${high})`);
  };
  const nameOf = ({ noise, turns, spread, sessions }: Cell): string =>
    `${sessions} sessions of ${turns}, ${noise} ${spread} noise`;
  const progress = (what: string, of: number): ((index: number) => void) => {
    let done = 0;
    return () => void (++done % 8 === 0 && console.error(`     ${what}: ${done} of ${of} cells`));
  };
  console.log(`     ${runs} experiments a cell, ${CELLS.length} cells; the margin is 72 ms`);

  const nothing = CELLS.map((cell): Task => ({ cell, change: NO_CHANGE, runs }));
  const equal = await countAll(nothing, progress('equal arms', nothing.length));
  for (const [index, counted] of equal.entries()) {
    const cell = CELLS[index];
    if (cell === undefined) continue;
    const isWide = counted.marginMs <= counted.errorMs;
    const falsely = shareOf(counted, 'faster', 'slower');
    judge(`${nameOf(cell)}: false verdicts${isWide ? ', margin within one standard error' : ''}`, falsely, {
      low: isWide ? BARS.falseVerdict.low : 0,
      high: BARS.falseVerdict.high,
    });
    judge(`${nameOf(cell)}: coverage`, (100 * counted.covered) / counted.runs, BARS.coverage[cell.turns]);
    judge(`${nameOf(cell)}: a guard breaks without harm`, (100 * counted.broken) / counted.runs, {
      high: BARS.guardsWithoutHarm,
    });
  }

  const errorOf = (cell: Cell): Counted | undefined => equal[CELLS.indexOf(cell)];
  const skewed = CELLS.filter(({ noise }) => noise === ('lognormal' satisfies Noise));
  const changes: readonly [what: string, laterMs: (counted: Counted) => number][] = [
    ['the planned effect', ({ errorMs, degrees, marginMs }) => detectableMs({ errorMs, degrees }, marginMs)],
    ['half the margin', ({ marginMs }) => marginMs / 2],
    ['the margin', ({ marginMs }) => marginMs],
  ];
  for (const [what, laterMs] of changes) {
    const tasks = skewed.flatMap((cell): Task[] => {
      const counted = errorOf(cell);
      return counted === undefined ? [] : [{ cell, change: { ...NO_CHANGE, laterMs: laterMs(counted) }, runs }];
    });
    const found = await countAll(tasks, progress(what, tasks.length));
    for (const [index, { cell, change }] of tasks.entries()) {
      const counted = found[index];
      if (counted === undefined) continue;
      const name = `${nameOf(cell)}, later by ${what} (${change.laterMs.toFixed(0)} ms)`;
      judge(`${name}: called faster`, shareOf(counted, 'faster'), { high: BARS.wrong });
      if (what === 'the planned effect')
        judge(`${name}: power, where no session holds over half`, powerOf(counted), BARS.power);
      else console.log(`     ${name}: called slower ${shareOf(counted, 'slower').toFixed(2)} %`);
      if (what === 'the margin') judge(`${name}: called same`, shareOf(counted, 'same'), { high: BARS.wrong });
    }
  }

  const harmed = CELLS.map((cell): Task => ({ cell, change: { laterMs: 0, isHarmAtMargin: true }, runs }));
  const atMargin = await countAll(harmed, progress('harm at the margins', harmed.length));
  for (const [index, counted] of atMargin.entries()) {
    const cell = CELLS[index];
    if (cell === undefined) continue;
    judge(`${nameOf(cell)}: a guard breaks with every harm at its margin`, (100 * counted.broken) / counted.runs, {
      high: BARS.guardsAtMargin,
    });
  }

  const { identical, slower, commonMs } = await endToEnd(20);
  const decided = identical.filter((word) => word === 'predicted higher' || word === 'predicted lower').length;
  // of 20 at 6.4 %, more than 4 happen once in 130 tries
  judge('whole replays of 20 seeds, identical arms: decided', (100 * decided) / 20, { high: 20 });
  const faster = slower.filter((word) => word === 'predicted lower').length;
  judge('whole replays, the reply in one piece: called lower', (100 * faster) / 20, { high: 0 });
  judge('whole replays, common draws: exact zeros', commonMs.every((ms) => ms === 0) ? 100 : 0, { low: 100 });
  process.exitCode = off === 0 ? 0 : 1;
}

// a counting process
if (process.argv[2] === 'count') {
  process.on('message', (task: Task) => void process.send?.(countRuns(task)));
} else {
  const { runs } = commandOf('npm run verify -- statistics')
    .option('--runs <n>', 'experiments a cell', wholeFrom(100), EXACT_RUNS)
    .parse()
    .opts<{ runs: number }>();
  await main(runs);
}
