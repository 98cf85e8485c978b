/**
 * `npm run verify -- statistics`: verdicts and intervals keep their promises. A pool of 20,000 simulated turns an arm, with independent
 * draws, is made on all cores and resampled by session. Two identical arms must give ≤6.4 % false verdicts and 93–97 % coverage with 3 to
 * 40 sessions. The planning formula gives the effect that 80 % of experiments find, here with the pool's sd; power at that effect must
 * be 75–90 %. Control: common draws give exact zeros. 20 seeds run end to end.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { diffLanes } from '../replay/diff/diff.ts';
import { runExperiment } from '../replay/run/experiment.ts';
import { clusteredMean, mean } from '../replay/statistics/estimates.ts';
import { detectableMs } from '../replay/diff/power.ts';
import { uploadSessions } from '../testing/sessions.ts';
import { simWorld } from '../replay/arms/against.ts';
import { createArm } from '../replay/arms/arm.ts';
import { type TurnSummary, measureTurn } from '../service/turn-log/metrics.ts';
import { keyedRandom } from '../service/base/random.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { commandOf, wholeFrom } from '../scripts/programs/options.ts';

const TURNS = 5;
const SIZES = [3, 5, 8, 20, 40] as const;
/** Sessions of a planned experiment. */
const PLANNED = 20;

/** With 1,000, a true 5 % exceeds 6.4 % once in 40 tries, and there are five sizes; with 4,000 it does not. */
const EXPERIMENTS = 4000;
/** Identical arms' means over the pool differ by more standard errors than this once in a thousand pools. */
const POOL_Z = 3.29;

/** One session in two arms that differ in their draws only. */
interface Drawn {
  a: TurnSummary[];
  b: TurnSummary[];
}

async function draw(fromSession: number, count: number, draws: 'independent' | 'common'): Promise<Drawn[]> {
  const [template] = await uploadSessions({ sessions: 1, turns: TURNS });
  if (template === undefined) return [];
  const strategy = resolveStrategy(
    [{ llm: { sse: 'parser' }, tts: { sse: 'parser' }, pipeline: { chunking: 'sentence' } }],
    'pool',
  );
  const drawn: Drawn[] = [];
  for (let index = fromSession; index < fromSession + count; index++) {
    const sessionId = `pool-${index}`;
    const session = { ...template, sessionId };
    const lanes: TurnSummary[][] = [];
    for (const lane of ['baseline', 'candidate'] as const) {
      const arm = createArm(simWorld({ profile: 'seed', seed: 'pool', draws }, 'profile'));
      const turns: TurnSummary[] = [];
      for (let turnIndex = 0; turnIndex < TURNS; turnIndex++) {
        const planned = { sessionId, turnIndex, run: 0, lane, variant: lane };
        const { log } = await arm.turn(session, {
          planned,
          strategy,
          arm: lane,
          runId: 'pool',
          pace: 'captured',
          words: 'own',
          last: turnIndex === TURNS - 1,
        });
        const { summary } = measureTurn(log);
        // verdicts are about the total: one row in place of some ten
        const us = summary.e2eUs ?? 0;
        turns.push({ ...summary, ledger: [{ stage: 'our code', phase: 'our code', us }] });
      }
      await arm.close();
      lanes.push(turns);
    }
    drawn.push({ a: lanes[0] ?? [], b: lanes[1] ?? [] });
  }
  return drawn;
}

async function pool(turns: number): Promise<Drawn[]> {
  const workers = availableParallelism();
  const each = Math.ceil(turns / TURNS / workers);
  const parts = Array.from({ length: workers }, (_, worker) => {
    // each world is garbage after a few turns: room for young objects saves a tenth of the time
    const child = fork(fileURLToPath(import.meta.url), ['draw', String(worker * each), String(each)], {
      execArgv: ['--max-semi-space-size=64'],
    });
    return new Promise<Drawn[]>((resolve, reject) => {
      let got: Drawn[] = [];
      child.on('message', (message: Drawn[]) => {
        got = [...got, ...message];
        if (got.length >= each) resolve(got);
      });
      child.once('error', reject);
      child.once(
        'exit',
        (code) => void (code !== 0 && reject(new Error(`a drawing process ended with ${String(code)}`))),
      );
    });
  });
  return (await Promise.all(parts)).flat();
}

/**
 * `size` sessions drawn with replacement, each with its own name and its two arms in random order. The true difference is then 0; that
 * of a finite pool is chance.
 */
function resample(all: readonly Drawn[], size: number, random: () => number): Drawn {
  const a: TurnSummary[] = [];
  const b: TurnSummary[] = [];
  for (let index = 0; index < size; index++) {
    const session = all[Math.floor(random() * all.length)];
    const named = (turn: TurnSummary): TurnSummary => ({ ...turn, sessionId: `${index}` });
    const [left, right] = random() < 0.5 ? [a, b] : [b, a];
    left.push(...(session?.a ?? []).map(named));
    right.push(...(session?.b ?? []).map(named));
  }
  return { a, b };
}

const differencesMs = ({ a, b }: Drawn): number[] =>
  a.map((turn, index) => ((b[index]?.e2eUs ?? 0) - (turn.e2eUs ?? 0)) / 1000);

/** B slower by a whole number of µs. */
const later = (turn: TurnSummary, us: number): TurnSummary => ({
  ...turn,
  e2eUs: (turn.e2eUs ?? 0) + us,
  firstContentAudibleUs: (turn.firstContentAudibleUs ?? 0) + us,
  ledger: [...turn.ledger, { stage: 'our code', phase: 'our code', us }],
});

async function main(turns: number): Promise<void> {
  const all = await pool(turns);
  const sdMs = Math.sqrt(mean(all.map((session) => mean(differencesMs(session)) ** 2)));
  console.log(
    `     ${all.length * TURNS} turns an arm in ${all.length} sessions, sd of session means ${sdMs.toFixed(0)} ms; ${EXPERIMENTS} experiments a size`,
  );
  let off = 0;
  const judge = (holds: boolean, what: string): void => {
    off += holds ? 0 : 1;
    console.log(`${holds ? 'ok ' : 'OFF'}  ${what}`);
  };
  const leftMs = mean(all.flatMap(differencesMs));
  const z = leftMs / (sdMs / Math.sqrt(all.length));
  judge(
    Math.abs(z) <= POOL_Z,
    `identical arms differ by ${leftMs.toFixed(1)} ms over the pool: ${z.toFixed(2)} standard errors (≤${POOL_Z})`,
  );
  for (const size of SIZES) {
    const random = keyedRandom('resample', size);
    let covered = 0;
    let falsely = 0;
    for (let index = 0; index < EXPERIMENTS; index++) {
      const sample = resample(all, size, random);
      const bySession = [
        ...Map.groupBy(
          differencesMs(sample).map((value, at) => [Math.floor(at / TURNS), value] as const),
          ([session]) => session,
        ).values(),
      ];
      const { low = Number.NaN, high = Number.NaN } = clusteredMean(
        bySession.map((values) => values.map(([, value]) => value)),
      );
      if (low <= 0 && high >= 0) covered++;
      const verdict = diffLanes(sample.a, sample.b)?.verdict;
      if (verdict === 'faster' || verdict === 'slower') falsely++;
    }
    const [coverage, wrong] = [(100 * covered) / EXPERIMENTS, (100 * falsely) / EXPERIMENTS];
    judge(coverage >= 93 && coverage <= 97, `${size} sessions: coverage ${coverage.toFixed(1)} % (93–97)`);
    judge(wrong <= 6.4, `${size} sessions: false verdicts ${wrong.toFixed(1)} % (≤6.4)`);
  }
  const aMs = mean(all.flatMap(({ a }) => a.map(({ e2eUs = 0 }) => e2eUs / 1000)));
  const effectMs = detectableMs(sdMs, PLANNED, Math.max(30, 0.03 * aMs)) ?? 0;
  const random = keyedRandom('power');
  let found = 0;
  for (let index = 0; index < EXPERIMENTS; index++) {
    const { a, b } = resample(all, PLANNED, random);
    const shiftUs = Math.round(effectMs * 1000);
    if (
      diffLanes(
        a,
        b.map((turn) => later(turn, shiftUs)),
      )?.verdict === 'slower'
    )
      found++;
  }
  const power = (100 * found) / EXPERIMENTS;
  judge(
    power >= 75 && power <= 90,
    `${PLANNED} sessions, ${effectMs.toFixed(0)} ms by the planning formula with the pool's sd for 80 %: power ${power.toFixed(1)} % (75–90)`,
  );
  const common = (await draw(0, 20, 'common')).flatMap(differencesMs);
  judge(
    common.length > 0 && common.every((value) => value === 0),
    `control: common draws give ${common.length} exact zeros`,
  );
  await endToEnd(judge);
  process.exitCode = off === 0 ? 0 : 1;
}

/** Whole experiments of two identical strategies whose draws differ; the control is a strategy that is slower. */
async function endToEnd(judge: (holds: boolean, what: string) => void): Promise<void> {
  const sessions = await uploadSessions({ sessions: 8, turns: 2 });
  const verdicts: string[] = [];
  const controls: string[] = [];
  for (let seed = 1; seed <= 20; seed++) {
    const { reports } = await runExperiment({
      sessions,
      candidates: [
        { variant: 'identical', patches: [] },
        { variant: 'whole-reply', patches: [{ pipeline: { chunking: 'reply' } }] },
      ],
      baseline: [],
      world: 'sim',
      against: simWorld({ profile: 'seed', seed: String(seed), draws: 'independent' }, 'profile'),
      profile: 'seed',
      seed: String(seed),
      draws: 'independent',
      runs: 1,
      commit: 'check',
    });
    verdicts.push(reports[0]?.report.verdict ?? '');
    controls.push(reports[1]?.report.verdict ?? '');
  }
  const count = (of: readonly string[], ...wanted: string[]): number =>
    of.filter((each) => wanted.includes(each)).length;
  // of 20 at 6.4 %, more than 4 happen once in 130 tries
  judge(
    count(verdicts, 'faster', 'slower') <= 4,
    `20 seeds end to end, identical arms: ${count(verdicts, 'faster', 'slower')} false verdicts (≤4)`,
  );
  judge(
    count(controls, 'faster') === 0,
    `20 seeds end to end, the whole reply in one piece: ${count(controls, 'slower')} slower, ${count(controls, 'faster')} faster (0)`,
  );
}

const [mode, from, count] = process.argv.slice(2);
if (mode === 'draw') {
  for (let index = 0; index < Number(count); index += 50) {
    if (index > 0 && index % 500 === 0) console.error(`     drawing: ${index} of ${count ?? ''} sessions`);
    const part = await draw(Number(from) + index, Math.min(50, Number(count) - index), 'independent');
    // a closed channel drops unsent messages
    await new Promise((sent) => process.send?.(part, sent));
  }
  process.disconnect();
} else {
  const { turns } = commandOf('npm run verify -- statistics')
    .option('--turns <n>', 'simulated turns an arm', wholeFrom(100), 20_000)
    .parse()
    .opts<{ turns: number }>();
  await main(turns);
}
