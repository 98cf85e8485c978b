/**
 * `npm run verify -- mutations`: damaged input for every parser of what comes from outside, in this process. A parser answers, or throws an
 * error that it declares, within a time; memory stays flat. Every finding is printed with the command that runs its case alone.
 */
import { writeFileSync } from 'node:fs';
import { createRealClock } from '../../service/base/clock.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { flatnessOf, sampleMemory, type Sample } from '../random-turns/soak-memory.ts';
import { caseOf, complaintOf, fuzz } from './fuzz.ts';
import { REPLAY_ROWS } from './replay-rows.ts';
import { serviceRows } from './service-rows.ts';

/** V8 keeps and drops compiled code of a dozen parsers as it likes: a minute's heap moves by 12 MB between collections. A leak goes on. */
const GROWN_LIMIT_MB = 25;

interface Options {
  seed: string;
  seconds: number;
  turns?: number;
  from: number;
  case?: number;
}

const options = commandOf('npm run verify -- mutations')
  .option('--seed <text>', 'seed of the damage', 'mutations')
  .option('--seconds <n>', 'how long', wholeFrom(1), 60)
  .option('--turns <n>', 'so many cases, however long they take', wholeFrom(1))
  .option('--from <n>', 'first case', wholeFrom(0), 0)
  .option('--case <n>', 'only this case; its input goes to out/mutation.bin', wholeFrom(0))
  .parse()
  .opts<Options>();
const { seed, turns } = options;
const rows = [...(await serviceRows()), ...REPLAY_ROWS];
const again = (index: number): string => `npm run verify -- mutations --seed ${seed} --case ${index}`;
const escaped: string[] = [];
process.on('unhandledRejection', (error) => escaped.push(String(error)));
process.exitCode = options.case === undefined ? await many() : await one(options.case);

async function one(index: number): Promise<number> {
  const drawn = caseOf(rows, seed, index);
  if (drawn === undefined) {
    console.log(`case ${index} has no turn`);
    return 0;
  }
  writeFileSync('out/mutation.bin', drawn.bytes);
  const complaint = await complaintOf(drawn.row, drawn.bytes);
  console.log(`${drawn.row.name}, ${drawn.bytes.length} bytes: ${complaint ?? 'holds'}`);
  return complaint === undefined ? 0 : 1;
}

async function many(): Promise<number> {
  const clock = createRealClock();
  const untilUs = clock.nowUs() + options.seconds * 1e6;
  const samples: Sample[] = [];
  const everyUs = turns === undefined ? (options.seconds * 1e6) / 16 : undefined;
  let nextUs = clock.nowUs() + (everyUs ?? 0);
  const every = (done: number): void => {
    const isDue =
      everyUs === undefined ? done % Math.max(1000, Math.ceil((turns ?? 0) / 40)) === 0 : clock.nowUs() >= nextUs;
    if (!isDue) return;
    nextUs = clock.nowUs() + (everyUs ?? 0);
    const sample = sampleMemory(done);
    samples.push(sample);
    console.log(`${done} cases, heap ${sample.heapMb.toFixed(1)} MB after gc, ${(clock.nowUs() / 1e6).toFixed(0)} s`);
  };
  console.log(`seed ${seed}, ${rows.length} parsers; one case again: ${again(0)}`);
  const isOver = (done: number): boolean => (turns === undefined ? clock.nowUs() >= untilUs : done >= turns);
  const { cases, findings } = await fuzz(rows, seed, { isOver, every, from: options.from });
  for (const { index, row, what } of findings) console.log(`${row}: ${what}\n  again: ${again(index)}`);
  for (const error of escaped.slice(0, 20)) console.log(`a promise that nobody held: ${error}`);
  const [early, late] = flatnessOf(samples)?.heapMb ?? [0, 0];
  const grows = late - early > GROWN_LIMIT_MB;
  const memory =
    late === 0
      ? 'too few samples of the heap'
      : `heap ${early.toFixed(1)} → ${late.toFixed(1)} MB after gc: ${grows ? 'GROWS' : 'flat'}`;
  const { maxRSS } = process.resourceUsage();
  console.log(
    `${cases} cases, ${findings.length} findings, ${escaped.length} loose promises, ${memory}, peak ${(maxRSS / 1024).toFixed(0)} MB`,
  );
  return findings.length > 0 || escaped.length > 0 || grows ? 1 : 0;
}
