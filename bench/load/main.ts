/**
 * `npm run bench -- load`: 1…500 people who talk to one service process at once, over WebSocket, in real time.
 *
 * Each speaks 20 ms frames at the speaker's pace, ends the turn, waits for the reply, pauses and speaks again. Overhead is the ledger's
 * `our code` of a turn: what the service itself put between speech end and first audible. A busy process reads
 * late, and that time counts as `wait`: so the event-loop delay of the service stands beside the overhead. Stand-ins (profile seed) and clients share the machine.
 * `--gate` exits 1 when a bar is missed: p99 below 10 ms with 50 sessions, below 25 ms with 200.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { makeFolder } from '../../replay/run/out-folder.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { startChild } from './child.ts';
import {
  stepFiguresOf,
  HEAD,
  heapGrowth,
  heapLine,
  isMet,
  kneeLines,
  stepRowOf,
  type LoadSecond,
  type Step,
  type StepFigures,
} from './figures.ts';
import { loadPage } from './page.ts';
import { PAUSE_MS, pause, person, SPEECH_MS } from './people.ts';

/** The first turns compile code and open connections: they are not measured. */
const WARM_UP = { sessions: 20, seconds: 8 };
/** Share of a step's seconds until the registry's memory of 2,000 turns is full. */
const HEAP_WARM_UP = 0.25;

interface LoadOptions {
  steps: number[];
  seconds: number;
  out: string;
  nodeFlags: string[];
  gate?: boolean;
  json?: boolean;
}

const numbersIn = (text: string): number[] => {
  const numbers = text.split(',').map(Number);
  if (!numbers.every((each) => Number.isInteger(each) && each > 0))
    throw new InvalidArgumentError('say numbers of sessions: 10,50,200');
  return numbers;
};
const options = commandOf('npm run bench -- load')
  .option('--steps <numbers>', 'sessions at once, a step each', numbersIn, [1, 10, 25, 50, 100, 200, 350, 500])
  .option('--seconds <n>', 'how long a step is measured', wholeFrom(1), 20)
  .option('-o, --out <dir>', 'where the page and the figures are written', 'out/bench-load')
  .option('--node-flags <flags>', "flags of the service's process", (text) => text.split(' ').filter(Boolean), [])
  .option('--gate', 'exit code 1 when a bar is missed')
  .option('--json', 'print the figures of every turn too')
  .parse()
  .opts<LoadOptions>();
const { seconds: durationS, steps: sizes } = options;

/** Busy and total time of all cores, in ms. */
const coreTimesMs = (): { busy: number; all: number } =>
  cpus().reduce(
    ({ busy, all }, { times }) => {
      const total = Object.values(times).reduce((sum, each) => sum + each, 0);
      return { busy: busy + total - times.idle, all: all + total };
    },
    { busy: 0, all: 0 },
  );

await makeFolder(options.out);
let seconds: LoadSecond[] | undefined;
let before = { cpu: process.cpuUsage(), machine: coreTimesMs() };
const service = await startChild(options.nodeFlags, (second) => {
  const [cpu, machine] = [process.cpuUsage(before.cpu), coreTimesMs()];
  seconds?.push({
    ...second,
    clientsCpuMs: (cpu.user + cpu.system) / 1000,
    machineBusy: (machine.busy - before.machine.busy) / (machine.all - before.machine.all),
  });
  before = { cpu: process.cpuUsage(), machine };
});
const { url } = service;

const progress = (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r\u001b[2K${text}`));

/** People arrive spread over a turn. Measured are `forS` seconds from the last arrival on. */
async function runStep(sessions: number, forS: number): Promise<Step> {
  const arrivalMs = SPEECH_MS + PAUSE_MS;
  const fromMs = performance.now() + arrivalMs;
  const untilMs = fromMs + forS * 1000;
  const people = Array.from({ length: sessions }, async (_, index) => {
    await pause((index / sessions) * arrivalMs);
    return person(url, untilMs);
  });
  await pause(arrivalMs);
  const measured: LoadSecond[] = [];
  seconds = measured;
  for (let left = forS; left > 0; left -= 1) {
    progress(`${sessions} sessions: ${Math.ceil(left)} s to go`);
    await pause(Math.min(1, left) * 1000);
  }
  seconds = undefined;
  const ended = await Promise.all(people);
  for (const { erase } of ended) await erase().catch(() => undefined);
  progress('');
  return {
    sessions,
    turns: ended.flatMap(({ turns }) => turns).filter(({ atMs }) => atMs >= fromMs),
    failures: ended.flatMap(({ failure }) => failure ?? []),
    seconds: measured,
  };
}

const title = `Sessions at once against one service process, world wire, profile seed (predicted); ${durationS} s a step. Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, clients and stand-ins included`;
console.log(`${title.replace('. ', '\n')}\n`);
console.log(HEAD.join('\n'));
await runStep(WARM_UP.sessions, WARM_UP.seconds);
const steps: Step[] = [];
const figures: StepFigures[] = [];
for (const sessions of sizes) {
  const step = await runStep(sessions, durationS);
  const row = stepFiguresOf(step);
  steps.push(step);
  figures.push(row);
  console.log(stepRowOf(row));
  for (const failure of [...new Set(step.failures)].slice(0, 3)) console.log(`          ${failure}`);
}
await service.stop();

const last = steps.at(-1);
const longest = last?.seconds ?? [];
const isWarmUp = (at: number): boolean => at - (last?.turns[0]?.atMs ?? 0) < HEAP_WARM_UP * durationS * 1000;
const turnsBefore =
  steps.slice(0, -1).reduce((sum, { turns }) => sum + turns.length, 0) +
  (last?.turns.filter(({ atMs }) => isWarmUp(atMs)).length ?? 0);
const growth = heapGrowth(longest.slice(Math.ceil(longest.length * HEAP_WARM_UP)));
const lines = [...kneeLines(figures), heapLine(growth, ((last?.turns.length ?? 0) / durationS) * 60, turnsBefore)];
console.log(`\n${lines.join('\n')}`);
await writeFile(join(options.out, 'load.html'), loadPage(title, figures, lines));
await writeFile(
  join(options.out, 'load.json'),
  `${JSON.stringify({ title, basis: 'predicted', steps: figures, growth, seconds: longest })}\n`,
);
console.log(`written: ${options.out}/{load.html,load.json}`);
if (options.json) console.log(JSON.stringify(steps));
if (options.gate && !figures.every(isMet)) process.exitCode = 1;
