/**
 * `npm run verify -- baseline-ref`: commits that change code are measured like knobs. The check makes commits over this one in a temporary
 * clone. A commit that adds 150 ms to `turn.ts` must be `slower`. One that adds 50 ms must be `same` or `inconclusive`, with end to end
 * +50 ±10 ms. One that adds a comment must give 0 ±5 ms. World `wire`, profile seed, common draws; the baseline is checked out, installed and driven in a worker.
 *
 * Why 8 sessions of 2 turns: common draws leave the machine's noise only, and 8 sessions have a t of 2.4 (4 have 3.2). Pairs that differ
 * by less than 10 ms (sd) give a mean within ±5 ms. Up to 75 ms, 150 ms stays 45 ms beyond the margin of some 105 ms. A quiet
 * machine has 1 to 5; each line prints the noise that there was.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWire } from '../replay/arms/against.ts';
import { checkOut, HERE, currentCommit } from '../replay/arms/checkout.ts';
import { runExperiment } from '../replay/run/experiment.ts';
import { uploadSessions } from '../testing/sessions.ts';
import { commandOf } from '../scripts/programs/options.ts';

interface Outcome {
  verdict: string;
  deltaMs: number;
  lowMs?: number;
  highMs?: number;
  marginMs: number;
  /** How far the baseline lay from its own repetition. */
  repeatedMs?: number;
  n: number;
  reasons: readonly string[];
  commits: string[];
}

const SESSIONS = 8;
const TURNS = 2;
/** 150 ms less the margin of some 105 ms: noise beyond this hides the first commit. */
const NOISY_MS = 45;

/** Runs in the clone: measures its checkout against `ref`. */
async function compare(ref: string, cache: string): Promise<Outcome> {
  const standIns = { profile: 'seed', seed: '1', draws: 'common' } as const;
  const baselineCheckout = await checkOut(ref, { cache, tell: (what) => void console.error(what) });
  const wire = await startWire(standIns);
  try {
    const { reports } = await runExperiment({
      ...standIns,
      sessions: await uploadSessions({ sessions: SESSIONS, turns: TURNS }),
      candidates: [{ variant: 'this-checkout', patches: [] }],
      baseline: [],
      baselineCheckout,
      world: 'wire',
      against: wire.against,
      runs: 1,
      commit: currentCommit(),
      onTurn: (_turn, done, all) => {
        if (done % 12 === 0 || done === all) console.error(`     ${done} of ${all} turns`);
      },
    });
    const report = reports[0]?.report;
    if (report === undefined) throw new Error('no report');
    const { verdict, reasons, arms, endToEnd, validity } = report;
    if (endToEnd === undefined) throw new Error(`no turn was measured in both: ${reasons.join('; ')}`);
    const { deltaMs, lowMs, highMs, n } = endToEnd;
    const { marginMs, repetition } = validity;
    return {
      verdict,
      reasons,
      deltaMs,
      lowMs,
      highMs,
      n,
      marginMs,
      repeatedMs: repetition?.deltaMs,
      commits: [arms.a.commit, arms.b.commit],
    };
  } finally {
    await wire.close();
  }
}

const ANCHOR = 'await listening.ended';
/** On the turn's own clock: the sessions are made in virtual time first. */
const slower = (ms: number): string => `${ANCHOR}.then((heard) => scope.ports.clock.sleep(${ms}).then(() => heard))`;
const COMMITS: readonly [name: string, instead: string, holds: (outcome: Outcome) => boolean][] = [
  ['150 ms more in turn.ts is slower', slower(150), ({ verdict }) => verdict === 'slower'],
  [
    '50 ms more is same or inconclusive, +50 ±10 ms',
    slower(50),
    ({ verdict, deltaMs }) => ['same', 'inconclusive'].includes(verdict) && Math.abs(deltaMs - 50) <= 10,
  ],
  ['a comment is 0 ±5 ms', `${ANCHOR} /* nothing */`, ({ deltaMs }) => Math.abs(deltaMs) <= 5],
];

const [mode, ref = '', cache = ''] = process.argv.slice(2);
if (mode === 'compare') console.log(JSON.stringify(await compare(ref, cache)));
else {
  commandOf('npm run verify -- baseline-ref').parse();
  const folder = mkdtempSync(join(tmpdir(), 'retake-baseline-ref-'));
  const clone = join(folder, 'clone');
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: clone }).toString().trim();
  try {
    execFileSync('git', ['clone', '--quiet', HERE, clone]);
    symlinkSync(join(HERE, 'node_modules'), join(clone, 'node_modules'));
    const base = git('rev-parse', 'HEAD');
    const turn = join(clone, 'service/turn/turn.ts');
    const source = readFileSync(turn, 'utf8');
    if (!source.includes(ANCHOR))
      throw new Error(
        `service/turn/turn.ts has no "${ANCHOR}", which this check makes longer; name the new wait in ANCHOR`,
      );
    for (const [name, instead, holds] of COMMITS) {
      writeFileSync(turn, source.replace(ANCHOR, instead));
      git('-c', 'user.name=check', '-c', 'user.email=check@localhost', 'commit', '--quiet', '-am', name);
      const words = [join(clone, 'checks/baseline-ref.ts'), 'compare', base, join(folder, 'cache')];
      const printed = execFileSync(process.execPath, words, { cwd: clone, stdio: ['ignore', 'pipe', 'inherit'] });
      const outcome: Outcome = JSON.parse(printed.toString());
      const good = holds(outcome) && outcome.commits[0] === base && outcome.commits[1] === git('rev-parse', 'HEAD');
      const { verdict, deltaMs, lowMs = Number.NaN, highMs = Number.NaN, n, marginMs, repeatedMs, reasons } = outcome;
      console.log(
        `${good ? 'ok ' : 'OFF'}  ${name}: ${verdict}, ${deltaMs.toFixed(1)} ms [${lowMs.toFixed(1)}, ${highMs.toFixed(1)}], n ${n}, margin ${marginMs.toFixed(0)} ms, baseline repeated ${repeatedMs?.toFixed(1) ?? '?'} ms (${reasons.join('; ')})`,
      );
      if (!good && Math.abs(repeatedMs ?? 0) > NOISY_MS)
        console.log(
          `     identical arms differ by ${repeatedMs?.toFixed(0) ?? '?'} ms: this machine is too busy for the check; run it again when nothing else runs`,
        );
      if (!good) process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
