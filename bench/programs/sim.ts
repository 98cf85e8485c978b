/**
 * `npm run bench -- sim`: turns a second in virtual time on one core, with spans, ledger and bundle
 * (bench/programs/sim-workload.ts). Also: does a turn cost as much at the end as at the start, and does memory stay flat?
 *
 * "On one core" is the process's CPU, user and system, helper threads of the garbage collector included, so that a busy machine
 * does not decide. Memory is the heap after a full collection. `--gate` exits 1 when a bar of docs/performance.md#bars is missed.
 */
import { cpus } from 'node:os';
import { InvariantError } from '../../service/base/errors.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { tellOn } from '../../replay/report/context.ts';
import { quantile } from '../../service/base/quantile.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { questionUpload } from './question.ts';
import { TURNS_A_SESSION, workloadSession } from './sim-workload.ts';

const WARM_UP_SESSIONS = 40;
const BLOCK_SESSIONS = 10;

interface Lane {
  name: string;
  patches: readonly StrategyPatch[];
  barPerS: number;
  /** False while the bar is known to be missed: it is printed as missed, and does not fail the gate. */
  gated: boolean;
}
const LANES: readonly Lane[] = [
  { name: 'SDK parsers', patches: [], barPerS: 100, gated: true },
  { name: 'sse: parser', patches: [{ llm: { sse: 'parser' }, tts: { sse: 'parser' } }], barPerS: 400, gated: false },
];

const options = commandOf('npm run bench -- sim')
  .option('--turns <n>', 'turns of each lane', wholeFrom(1), 2000)
  .option('--seed <text>', 'seed of the stand-ins', '1')
  .option('--gate', 'exit code 1 when a bar is missed')
  .parse()
  .opts<{ turns: number; seed: string; gate?: boolean }>();
const blocks = Math.max(4, Math.ceil(options.turns / (BLOCK_SESSIONS * TURNS_A_SESSION)));

async function runSession(ordinal: number, patches: readonly StrategyPatch[]): Promise<void> {
  const { session, world } = workloadSession(options.seed, ordinal, patches);
  for (let turn = 0; turn < TURNS_A_SESSION; turn++) {
    const { summary } = await session.turn({
      audio: questionUpload,
      reply: { audio: () => Promise.resolve() },
    });
    if (summary.e2eUs === undefined)
      throw new InvariantError(`a turn of the workload failed: ${summary.failure?.message}`);
  }
  await world.close();
}

const heapMb = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
};
const { progress, progressDone } = tellOn(process.stderr);

const missed: string[] = [];
const bar = (name: string, value: string, met: boolean, gated = true): void => {
  console.log(`  ${name.padEnd(44)} ${value}   ${met ? 'met' : 'MISSED'}`);
  if (!met && gated) missed.push(name);
};
console.log(`Turns in virtual time on one core. Node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`);
for (const { name, patches, barPerS, gated } of LANES) {
  let ordinal = 0;
  for (; ordinal < WARM_UP_SESSIONS; ordinal++) await runSession(ordinal, patches);
  const startMb = heapMb();
  const msPerTurn: number[] = [];
  for (let block = 0; block < blocks; block++) {
    const before = process.cpuUsage();
    for (let each = 0; each < BLOCK_SESSIONS; each++) await runSession(ordinal++, patches);
    const { user, system } = process.cpuUsage(before);
    msPerTurn.push((user + system) / 1000 / (BLOCK_SESSIONS * TURNS_A_SESSION));
    if (block % 20 === 19) progress(`${name}: ${(block + 1) * BLOCK_SESSIONS * TURNS_A_SESSION} turns`);
  }
  progressDone();
  const grownMb = heapMb() - startMb;
  const turns = blocks * BLOCK_SESSIONS * TURNS_A_SESSION;
  const perS = 1000 / (msPerTurn.reduce((sum, each) => sum + each, 0) / blocks);
  const quarter = Math.max(1, Math.floor(blocks / 4));
  const growth = quantile(msPerTurn.slice(-quarter), 0.5) / quantile(msPerTurn.slice(0, quarter), 0.5);
  console.log(`\n${name}: ${turns} turns, CPU ms a turn by block p50 ${quantile(msPerTurn, 0.5).toFixed(2)}`);
  bar(`turns a second of CPU, ≥ ${barPerS}`, perS.toFixed(0), perS >= barPerS, gated);
  bar('last quarter to first quarter, ≤ 1.15', growth.toFixed(2), growth <= 1.15);
  bar(`heap grown from ${startMb.toFixed(0)} MB, < 10 MB`, `${grownMb.toFixed(1)} MB`, grownMb < 10);
}
if (options.gate && missed.length > 0) process.exitCode = 1;
