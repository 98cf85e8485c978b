/**
 * `npm run verify -- soak`: random sessions in virtual time, every turn checked against rules.ts. A violation is shrunk to the simplest
 * case that still breaks the same rule, and printed with the command that repeats it. Beside it: the heap after a full collection
 * and the CPU of a turn, along the way and at the end.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { InputError } from '../../service/base/errors.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { commandOf, jsonObject, wholeFrom } from '../../scripts/programs/options.ts';
import type { Violation } from './rules.ts';
import { simpler, soakCase } from './soak-case.ts';
import { soakCaseIn, type SoakCase } from './soak-schema.ts';
import { flatnessOf, grows, sampleMemory, type Sample } from './soak-memory.ts';
import { runCase } from './soak-run.ts';

/** Simplifies a failing case while it breaks the same rule; at most `tries` runs. */
export async function shrink(failing: SoakCase, rule: string, tries: number): Promise<SoakCase> {
  let smallest = failing;
  for (let left = tries, progress = true; progress && left > 0;) {
    progress = false;
    for (const candidate of simpler(smallest)) {
      if (left-- <= 0) break;
      const { violations } = await runCase(candidate);
      if (!violations.some((each) => each.rule === rule)) continue;
      smallest = candidate;
      progress = true;
      break;
    }
  }
  return smallest;
}

/** Which of a seed's sessions: `from`, `from + step` and so on. */
export interface Share {
  from: number;
  step: number;
}

export interface SoakResult {
  turns: number;
  sessions: number;
  failed: number;
  violation?: { index: number; violations: readonly Violation[]; shrunk: SoakCase };
}

/** Sessions from the seed until there are `turns` turns or one breaks a rule. */
export async function soak(
  seed: string,
  turns: number,
  onSession: (result: SoakResult) => void = () => undefined,
  shrinkRuns = 300,
  { from, step }: Share = { from: 0, step: 1 },
): Promise<SoakResult> {
  const result: SoakResult = { turns: 0, sessions: 0, failed: 0 };
  for (let index = from; result.turns < turns; index += step) {
    const failing = soakCase(seed, index);
    const ran = await runCase(failing);
    result.turns += ran.turns;
    result.failed += ran.failed;
    result.sessions++;
    onSession(result);
    const [first] = ran.violations;
    if (first === undefined) continue;
    return {
      ...result,
      violation: { index, violations: ran.violations, shrunk: await shrink(failing, first.rule, shrinkRuns) },
    };
  }
  return result;
}

/** Starts a process for each list of arguments and passes on its lines with its number. The first failure ends all; then the result is 1. */
export async function inProcesses(
  command: string,
  argsOfEach: readonly (readonly string[])[],
  tell: (line: string) => void,
): Promise<number> {
  const children = argsOfEach.map((args) => spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  let failed = false;
  const fail = (why?: string): void => {
    if (!failed && why !== undefined) tell(why);
    failed = true;
    // a process that was never started has no id of its own: its kill() can reach another process
    for (const each of children) if (each.pid !== undefined) each.kill();
  };
  const ends = children.map(async (child, index) => {
    // a process that could not be started may have no output
    child.once('spawn', () => {
      createInterface({ input: child.stdout }).on('line', (line) => tell(`[${index + 1}] ${line}`));
    });
    await new Promise<void>((ended) => {
      child.once('error', ({ message }) => {
        fail(`worker ${index + 1} failed: ${message}`);
        ended();
      });
      child.once('close', (code) => {
        if (code !== 0) fail();
        ended();
      });
    });
  });
  await Promise.all(ends);
  return failed ? 1 : 0;
}

/** Reads the option `--json`. */
function printedCase(text: string): SoakCase {
  try {
    return soakCaseIn(jsonObject(text), soakCase('defaults', 0));
  } catch (error) {
    throw error instanceof InputError ? new InvalidArgumentError(error.message) : error;
  }
}

interface SoakOptions extends Share {
  turns: number;
  seed: string;
  workers: number;
  case?: number;
  json?: SoakCase;
  shrinkRuns: number;
}

if (import.meta.main) {
  const options = commandOf('npm run verify -- soak')
    .option('--turns <n>', 'random turns', wholeFrom(1), 1000)
    .option('--seed <text>', 'seed of the sessions', '1')
    .option('--workers <n>', 'processes', wholeFrom(1), 1)
    .option('--from <n>', 'first session', wholeFrom(0), 0)
    .option('--step <n>', 'every so many sessions', wholeFrom(1), 1)
    .option('--case <n>', 'only this session, printed', wholeFrom(0))
    .option('--json <text>', 'only this session, which a violation has printed', printedCase)
    .option('--shrink-runs <n>', 'how many simpler sessions a violation may try', wholeFrom(0), 300)
    .parse()
    .opts<SoakOptions>();
  const { turns, seed, workers, shrinkRuns } = options;
  const share: Share = { from: options.from, step: options.step };
  const isOne = options.case !== undefined || options.json !== undefined;
  process.exitCode = await (isOne ? soakOne() : workers > 1 ? soakInWorkers() : soakMany());

  async function soakOne(): Promise<number> {
    const one = options.json ?? soakCase(seed, options.case ?? 0);
    const { violations, turns } = await runCase(one);
    console.log(JSON.stringify(one, null, 2));
    for (const { rule, detail } of violations) console.log(`${rule}: ${detail}`);
    console.log(`${turns} turns, ${violations.length} violations`);
    return violations.length === 0 ? 0 : 1;
  }

  /** Each worker has every Nth session. */
  function soakInWorkers(): Promise<number> {
    const flags = Array.from({ length: workers }, (_, index) => {
      const own = {
        turns: Math.ceil(turns / workers),
        seed,
        from: share.from + index * share.step,
        step: workers * share.step,
        'shrink-runs': shrinkRuns,
      };
      return Object.entries(own).flatMap(([name, value]) => [`--${name}`, String(value)]);
    });
    const ownFile = fileURLToPath(import.meta.url);
    return inProcesses(
      process.execPath,
      flags.map((each) => [ownFile, ...each]),
      (line) => console.log(line),
    );
  }

  async function soakMany(): Promise<number> {
    const clock = createRealClock();
    const every = Math.max(100, Math.min(2500, turns / 20));
    const samples: Sample[] = [];
    const onSession = ({ turns: done, sessions }: SoakResult): void => {
      if (done < (samples.length + 1) * every) return;
      const sample = sampleMemory(done);
      samples.push(sample);
      const next = share.from + sessions * share.step;
      console.log(
        `${done} turns, next --from ${next}, heap ${sample.heapMb.toFixed(1)} MB after gc, ` +
          `CPU ${sample.cpuS.toFixed(0)} s, ${(clock.nowUs() / 1e6).toFixed(0)} s`,
      );
    };
    const result = await soak(seed, turns, onSession, shrinkRuns, share);
    const flatness = flatnessOf(samples);
    if (flatness !== undefined) {
      const { heapKbPer1000Turns, grownMb, heapMb, cpuMsPerTurn, flat, linear } = flatness;
      const [heap, cpu] = [heapMb, cpuMsPerTurn].map((pair) => pair.map((each) => each.toFixed(1)).join(' → '));
      const per1000 = `${heapKbPer1000Turns.toFixed(1)} kB per 1,000 turns`;
      console.log(
        `heap after gc ${heap} MB, ${per1000}, ${grownMb.toFixed(1)} MB over all: ${flat ? 'flat' : 'GROWS'}`,
      );
      const verdict = linear === undefined ? 'too few turns to tell' : linear ? 'linear in turns' : 'GROWS';
      console.log(`CPU ms a turn ${cpu}: ${verdict}`);
    }
    const about = `${result.turns} turns (${result.failed} failed as their faults made them) in ${result.sessions} sessions, seed ${seed}`;
    const { violation } = result;
    if (violation === undefined) {
      console.log(`soak: ${about}: no violation`);
      return grows(flatness) ? 1 : 0;
    }
    console.log(`soak: ${about}: VIOLATION in session ${violation.index}`);
    for (const { rule, detail } of violation.violations) console.log(`  ${rule}: ${detail}`);
    console.log(`repeat: npm run verify -- soak --seed ${seed} --case ${violation.index}`);
    console.log(`shrunk: npm run verify -- soak --json '${JSON.stringify(violation.shrunk)}'`);
    return 1;
  }
}
