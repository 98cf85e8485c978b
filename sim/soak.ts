/**
 * `npm run soak -- --turns N --seed S`: random sessions in virtual time, every turn checked against sim/check.ts. A violation
 * is shrunk to the simplest case that still breaks the same rule, and printed with the command that repeats it.
 */
import { parseArgs } from 'node:util';
import { createRealClock } from '../service/clock.ts';
import { InputError } from '../service/errors.ts';
import type { Violation } from './check.ts';
import { simpler, soakCase, type SoakCase } from './soak-case.ts';
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
): Promise<SoakResult> {
  const result: SoakResult = { turns: 0, sessions: 0, failed: 0 };
  for (let index = 0; result.turns < turns; index++) {
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

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      turns: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      case: { type: 'string' },
      json: { type: 'string' },
      'shrink-runs': { type: 'string', default: '300' },
    },
  });
  process.exitCode = values.case === undefined && values.json === undefined ? await soakMany() : await soakOne();

  async function soakOne(): Promise<number> {
    const one = values.json === undefined ? soakCase(values.seed, Number(values.case)) : parseCase(values.json);
    const { violations, turns } = await runCase(one);
    console.log(JSON.stringify(one, null, 2));
    for (const { rule, detail } of violations) console.log(`${rule}: ${detail}`);
    console.log(`${turns} turns, ${violations.length} violations`);
    return violations.length === 0 ? 0 : 1;
  }

  async function soakMany(): Promise<number> {
    const turns = Number(values.turns);
    if (!Number.isInteger(turns) || turns < 1) throw new InputError(`--turns ${values.turns}: a whole number from 1`);
    const clock = createRealClock();
    let printed = 0;
    const result = await soak(
      values.seed,
      turns,
      ({ turns: done, sessions }) => {
        if (done - printed < Math.max(1000, turns / 20)) return;
        printed = done;
        const heapMb = process.memoryUsage().heapUsed / 1e6;
        const cpuS = (process.cpuUsage().user + process.cpuUsage().system) / 1e6;
        console.log(
          `${done} turns, ${sessions} sessions, heap ${heapMb.toFixed(0)} MB, CPU ${cpuS.toFixed(0)} s, ${(clock.nowUs() / 1e6).toFixed(0)} s`,
        );
      },
      Number(values['shrink-runs']),
    );
    const about = `${result.turns} turns (${result.failed} failed as their faults made them) in ${result.sessions} sessions, seed ${values.seed}`;
    const { violation } = result;
    if (violation === undefined) {
      console.log(`soak: ${about}: no violation`);
      return 0;
    }
    console.log(`soak: ${about}: VIOLATION in session ${violation.index}`);
    for (const { rule, detail } of violation.violations) console.log(`  ${rule}: ${detail}`);
    console.log(`repeat: npm run soak -- --seed ${values.seed} --case ${violation.index}`);
    console.log(`shrunk: npm run soak -- --json '${JSON.stringify(violation.shrunk)}'`);
    return 1;
  }
}

function parseCase(text: string): SoakCase {
  const json: unknown = JSON.parse(text);
  const complete = soakCase('defaults', 0);
  return { ...complete, ...Object(json) };
}
