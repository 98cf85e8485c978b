/**
 * `npm run bench -- overhead`: what the service itself adds to a turn, on providers that answer at once (bench/programs/workload.ts).
 *
 * Zero is the transcript (`stt.done`), stop is the first audio handed to the connection (`deliver.first_byte`), the clock is the
 * turn's. CPU is the process's, user and system, its disk writes included. Four arms (tracing on or off, capture on or off)
 * run interleaved in blocks; differences are paired by block. `--gate` exits 1 when a bar of docs/performance.md#bars is missed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { foldersIn } from '../../service/base/data-folder.ts';
import { createFolderStore, type CaptureStore } from '../../service/capture/store.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { firstOf, type EventKind, type TurnEvent } from '../../service/base/events.ts';
import { createTracing, type Tracing } from '../../service/telemetry/otel.ts';
import { createSpool } from '../../service/spool/spool.ts';
import { tellOn } from '../../replay/report/context.ts';
import { clusteredMean, mean, ratioOfSums } from '../../replay/statistics/estimates.ts';
import { quantile } from '../../service/base/quantile.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { instantSession, SESSION_TURNS, type InstantSession } from './workload.ts';

const WARM_UPS = 500;
const BLOCK_TURNS = 50;
const DELAY_SAMPLED_EVERY_MS = 5;

const ARMS = [
  { name: 'tracing and capture', tracing: true, capture: true },
  { name: 'tracing only', tracing: true, capture: false },
  { name: 'capture only', tracing: false, capture: true },
  { name: 'neither', tracing: false, capture: false },
] as const;
type ArmName = (typeof ARMS)[number]['name'];

interface Block {
  pathMs: number[];
  ourCodeMs: number[];
  cpuMs: number;
  allocatedKb: number;
}

/** Our own steps on the path, from one event to the next. */
const STEPS = [
  ['transcript → prompt', 'stt.done', 'llm.start'],
  ['prompt → first delta', 'llm.start', 'llm.content'],
  ['first delta → first piece', 'llm.content', 'piece.ready'],
  ['first piece → synthesis', 'piece.ready', 'tts.start'],
  ['synthesis → its first audio', 'tts.start', 'tts.audio'],
  ['first audio → connection', 'tts.audio', 'deliver.first_byte'],
] as const;

const { turns, gate } = commandOf('npm run bench -- overhead')
  .option('--turns <n>', 'turns in each arm', wholeFrom(1), 2000)
  .option('--gate', 'exit code 1 when a bar is missed')
  .parse()
  .opts<{ turns: number; gate?: boolean }>();
const clock = createRealClock();
const folder = await mkdtemp(join(tmpdir(), 'retake-overhead-'));
const store = createFolderStore(foldersIn(folder).captures);
const spool = createSpool({ dir: foldersIn(folder).spool, clock, maxBytes: 256 * 1024 * 1024 });
const onError = (error: unknown): never => {
  throw error;
};
const tracing = createTracing({ spool, onError });
const steps = new Map<string, number[]>();
let sessions = 0;

const usOf = (events: readonly TurnEvent[], kind: EventKind): number => firstOf(events, kind)?.atUs ?? Number.NaN;

async function runBlock(arm: (typeof ARMS)[number], count: number, keepSteps = false): Promise<Block> {
  const pathMs: number[] = [];
  const ourCodeMs: number[] = [];
  let [allocated, counted] = [0, 0];
  let heap = process.memoryUsage().heapUsed;
  const cpu = process.cpuUsage();
  let session: InstantSession | undefined;
  for (let turn = 0; turn < count; turn++) {
    if (turn % SESSION_TURNS === 0) session = sessionFor(arm, tracing, store);
    const ran = await session?.turn();
    if (ran === undefined) continue;
    const { events } = ran;
    ourCodeMs.push(ran.ourCodeMs);
    pathMs.push((usOf(events, 'deliver.first_byte') - usOf(events, 'stt.done')) / 1000);
    const now = process.memoryUsage().heapUsed;
    // a garbage collection shows as a fall: its turn is left out
    if (now > heap) {
      allocated += now - heap;
      counted += 1;
    }
    heap = now;
    if (!keepSteps) continue;
    for (const [name, from, to] of STEPS) {
      const known = steps.get(name) ?? [];
      known.push((usOf(events, to) - usOf(events, from)) / 1000);
      steps.set(name, known);
    }
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    pathMs,
    ourCodeMs,
    cpuMs: (user + system) / 1000 / count,
    allocatedKb: allocated / 1024 / Math.max(1, counted),
  };
}

function sessionFor(arm: (typeof ARMS)[number], traces: Tracing, captures: CaptureStore): InstantSession {
  return instantSession({
    name: `overhead-${sessions++}`,
    tracing: arm.tracing ? traces : undefined,
    store: arm.capture ? captures : undefined,
  });
}

const ms = (value: number, digits = 2): string => value.toFixed(digits).padStart(7);
const { progress, progressDone } = tellOn(process.stderr);

const [all] = ARMS;
await runBlock(all, 20);
const cold = await runBlock(all, 300);
await runBlock(all, Math.max(0, WARM_UPS - 320));

const blocks = new Map<ArmName, Block[]>(ARMS.map(({ name }) => [name, []]));
const delay = monitorEventLoopDelay({ resolution: DELAY_SAMPLED_EVERY_MS });
delay.enable();
const rounds = Math.max(2, Math.ceil(turns / BLOCK_TURNS));
for (let round = 0; round < rounds; round++) {
  // the order rotates, so that no arm always follows the same one
  for (let turn = 0; turn < ARMS.length; turn++) {
    const arm = ARMS[(round + turn) % ARMS.length] ?? all;
    blocks.get(arm.name)?.push(await runBlock(arm, BLOCK_TURNS, arm === all));
  }
  if (round % 5 === 4) progress(`${(round + 1) * BLOCK_TURNS} of ${rounds * BLOCK_TURNS} turns in each arm`);
}
delay.disable();
progressDone();
await tracing.shutdown();
await rm(folder, { recursive: true, force: true });

const of = (name: ArmName): Block[] => blocks.get(name) ?? [];
const path = (name: ArmName): number[] => of(name).flatMap(({ pathMs }) => pathMs);
const cpuMs = (name: ArmName): number => mean(of(name).map((block) => block.cpuMs));

console.log(
  `\nThe service's own cost of a turn: ${rounds * BLOCK_TURNS} turns in each arm, interleaved by ${BLOCK_TURNS}`,
);
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`);
console.log('\n                        transcript → first audio, ms      CPU     heap');
console.log('                          p50     p95     p99          ms/turn  kB/turn');
for (const { name } of ARMS) {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => ms(quantile(path(name), q)));
  const heap = mean(of(name).map((block) => block.allocatedKb)).toFixed(0);
  console.log(`  ${name.padEnd(20)} ${p50} ${p95} ${p99}          ${ms(cpuMs(name))} ${heap.padStart(8)}`);
}
const [coldP50, coldP99] = [0.5, 0.99].map((q) => ms(quantile(cold.pathMs, q)));
console.log(`  ${'first 300 after 20'.padEnd(20)} ${coldP50}         ${coldP99}          ${ms(cold.cpuMs)}`);

/** Paired by block: b − a, and b / a. */
function compare(title: string, a: ArmName, b: ArmName): { pathMs: number; cpuMs: number } {
  const pairs = of(a).map((block, index) => [block, of(b)[index] ?? block] as const);
  const pathMs = clusteredMean(pairs.map(([x, y]) => [quantile(y.pathMs, 0.5) - quantile(x.pathMs, 0.5)]));
  const cpu = clusteredMean(pairs.map(([x, y]) => [y.cpuMs - x.cpuMs]));
  const ours = clusteredMean(pairs.map(([x, y]) => [quantile(y.ourCodeMs, 0.5) - quantile(x.ourCodeMs, 0.5)]));
  const ratio = ratioOfSums(pairs.map(([x, y]) => [quantile(y.pathMs, 0.5), quantile(x.pathMs, 0.5)]));
  const cpuRatio = ratioOfSums(pairs.map(([x, y]) => [y.cpuMs, x.cpuMs]));
  const range = ({ mean: middle, low = middle, high = middle }: typeof cpu): string =>
    `${middle.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  console.log(`  ${title.padEnd(10)} path p50 ${range(pathMs)} ms, ratio ${range(ratio)}`);
  console.log(`  ${''.padEnd(10)} CPU ${range(cpu)} ms, ratio ${range(cpuRatio)}`);
  console.log(
    `  ${''.padEnd(10)} the ledger's "our code" from the upload's end to first audible, p50 ${range(ours)} ms`,
  );
  return { pathMs: pathMs.mean, cpuMs: cpu.mean };
}
console.log('\nWhat it adds, mean of paired blocks [95 %]');
const traced = compare('tracing', 'neither', 'tracing only');
compare('capture', 'tracing only', 'tracing and capture');

console.log('\nOur steps on the path, tracing and capture on, ms       p50     p99');
for (const [name, stepMs] of steps) {
  console.log(`  ${name.padEnd(48)} ${ms(quantile(stepMs, 0.5), 3)} ${ms(quantile(stepMs, 0.99), 3)}`);
}
// the histogram holds the time from one sample to the next
const lateMs = (percent: number): string => ms(Math.max(0, delay.percentile(percent) / 1e6 - DELAY_SAMPLED_EVERY_MS));
console.log(
  `\nEvent-loop delay p50 ${lateMs(50)} p99 ${lateMs(99)} ms (how late a timer of ${DELAY_SAMPLED_EVERY_MS} ms was, all arms)`,
);

const BARS = [
  ['path p50', quantile(path(all.name), 0.5), 1.5],
  ['path p99', quantile(path(all.name), 0.99), 4],
  ['CPU a turn', cpuMs(all.name), 8],
  ['tracing on the path, p50', traced.pathMs, 0.2],
  ['tracing, CPU a turn', traced.cpuMs, 1.2],
] as const;
console.log('\nBars');
for (const [name, value, bar] of BARS) {
  console.log(`  ${name.padEnd(26)} ${ms(value)} ms   < ${bar} ms   ${value < bar ? 'met' : 'MISSED'}`);
}
const missed = BARS.filter(([, value, bar]) => !(value < bar));
if (gate && missed.length > 0) process.exitCode = 1;
