/** A run until decided: it ends at the look that decides, keeps its boundary, and comes to the same looks when it is resumed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NOBODY, SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { keyedRandom } from '../../service/base/random.ts';
import type { Arm } from '../arms/arm.ts';
import type { PlannedLane } from '../arms/planned.ts';
import type { Look } from '../diff/looks.ts';
import { pricesOf } from '../plan/budget.ts';
import { estimateLines, estimateOf } from '../plan/estimate.ts';
import { planExperiment, type ExperimentOptions } from '../plan/plan.ts';
import { validityLine } from '../report/words.ts';
import { nominalLevels } from '../statistics/sequential.ts';
import { runExperiment, type Experiment } from './experiment.ts';
import { readJournal } from './journal.ts';

/** Of two turns; most tests play the first alone. */
const longSessions = await uploadSessions({ sessions: 7, turns: 2 });
const sessions = longSessions.map((session) => ({ ...session, turns: session.turns.slice(0, 1) }));
const FOLDER = mkdtempSync(join(tmpdir(), 'retake-until-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));

const EQUAL = { variant: 'equal', patches: [] };
const LATER = { variant: 'later', patches: [] };

/**
 * Rules of `wire` over arms that answer as captured, later by up to 400 ms of chance (none under common draws), and by 20 s in a lane named
 * `later`.
 */
function until(
  more: Partial<ExperimentOptions> = {},
  { dieAt = Number.POSITIVE_INFINITY, costUsd }: { dieAt?: number; costUsd?: number } = {},
): ExperimentOptions {
  let begun = 0;
  const options: ExperimentOptions = {
    ...SIM_EXPERIMENT,
    sessions,
    candidates: [EQUAL],
    draws: 'independent',
    world: 'wire',
    against: NOBODY,
    untilDecided: {},
    ...more,
  };
  const armFor = ({ lane, variant }: PlannedLane): Arm => ({
    turn({ turns }, { planned: { sessionId, turnIndex, run } }) {
      if (++begun >= dieAt) throw new TypeError('the process was killed');
      const captured = turns[turnIndex] ?? assert.fail();
      const luck = options.draws === 'common' ? 0 : keyedRandom('luck', sessionId, turnIndex, run, lane, variant)();
      const lateUs = Math.round(luck * 400_000) + (variant === 'later' ? 20e6 : 0);
      const events = captured.events.map((event) => ({
        ...event,
        atUs: event.stage === 'deliver' || event.kind === 'turn.done' ? event.atUs + lateUs : event.atUs,
        attrs: event.kind === 'llm.done' && costUsd !== undefined ? { ...event.attrs, costUsd } : event.attrs,
      }));
      const identity = { ...captured.identity, lane, variant };
      return Promise.resolve({ log: { ...captured, identity, events }, transcript: 'said', replyText: 'answered' });
    },
    close: () => Promise.resolve(),
  });
  return { ...options, armFor };
}

interface Seen {
  looks: [look: Look, verdict: string][];
  experiment: Experiment;
}
async function seen(options: ExperimentOptions): Promise<Seen> {
  const looks: Seen['looks'] = [];
  const experiment = await runExperiment({
    ...options,
    onLook: (look, verdicts) => void looks.push([look, verdicts.join()]),
  });
  return { looks, experiment };
}

const LANES = 3;
const levelsOf = (most: number): number[] =>
  nominalLevels(Array.from({ length: most - 3 }, (_, index) => (index + 4) / most));
const told = ({ looks }: Seen): string[] => looks.map(([{ sessions: used }, verdict]) => `${used} ${verdict}`);

test('equal arms under common draws are the same at the first look; control: a run of fixed size plays every session', async () => {
  const run = await seen(until({ draws: 'common' }));
  assert.deepEqual(told(run), ['4 same']);
  assert.equal(run.experiment.replayed.length, 4 * LANES);
  assert.equal(run.experiment.unpaid, 0);
  const [{ report } = assert.fail()] = run.experiment.reports;
  assert.equal(report.verdict, 'same');
  assert.deepEqual(report.validity.look, { looks: 1, sessions: 4, turns: 12, maxSessions: 7, level: levelsOf(7)[0] });
  assert.match(
    validityLine(report),
    /until decided: look 1, 4 of at most 7 sessions, nominal level 0\.0061: intervals are repeated ones, 95 % over all looks/,
  );
  const fixed = await runExperiment(until({ draws: 'common', untilDecided: undefined }));
  assert.equal(fixed.replayed.length, 7 * LANES);
  assert.equal(fixed.reports[0]?.report.validity.look, undefined);
});

test('arms that only chance tells apart are looked at to the end, by rising levels, with the interval of the last', async () => {
  const run = await seen(until());
  assert.deepEqual(told(run), ['4 inconclusive', '5 inconclusive', '6 inconclusive', '7 inconclusive']);
  assert.deepEqual(
    run.looks.map(([{ level }]) => level),
    levelsOf(7),
  );
  const widthOf = (experiment: Experiment): number => {
    const { lowMs = 0, highMs = 0 } = experiment.reports[0]?.report.primary ?? {};
    return highMs - lowMs;
  };
  const fixed = await runExperiment(until({ untilDecided: undefined }));
  assert.ok(widthOf(run.experiment) > widthOf(fixed) * 1.01, 'the repeated interval is wider than that of one look');
});

test('of two candidates the run waits for both', async () => {
  const late = await seen(until({ candidates: [LATER] }));
  assert.deepEqual(told(late), ['4 slower']);
  const both = await seen(until({ candidates: [LATER, EQUAL] }));
  assert.deepEqual(told(both)[0], '4 slower,inconclusive');
  assert.equal(both.looks.length, 4);
});

test('a run that is killed and resumed comes to the same looks; other numbers of sessions are refused', async () => {
  const whole = await seen(until());
  const journal = { path: join(FOLDER, 'killed.jsonl'), resume: true };
  await assert.rejects(seen(until({ journal }, { dieAt: 16 })), /killed/);
  assert.deepEqual(readJournal(journal.path)?.plan.untilDecided, { sessions: 7, asked: 7 });
  await assert.rejects(
    seen(until({ journal, untilDecided: { maxSessions: 20 } })),
    /killed\.jsonl: the run began with at most 7 sessions, and 20 would move its boundary.*--max-sessions 7/,
  );
  await assert.rejects(seen(until({ journal, untilDecided: undefined })), /is the journal of another plan/);
  const resumed = await seen(until({ journal }));
  assert.deepEqual(told(resumed), told(whole));
  assert.deepEqual(resumed.experiment.reports[0]?.report.primary, whole.experiment.reports[0]?.report.primary);
  assert.equal(readJournal(journal.path)?.finished, true);
});

test('the budget bounds the sessions; they stay as many when it grows, and when answers cost more', async () => {
  const long = { sessions: longSessions };
  const options = until(long);
  const plan = planExperiment(options);
  const { usdOf } = pricesOf(options, plan);
  const priceOf = (from: number, to: number): number =>
    plan.runs.slice(from * 2 * LANES, to * 2 * LANES).reduce((sum, planned) => sum + (usdOf(planned) ?? 0), 0);
  const journal = { path: join(FOLDER, 'budget.jsonl'), resume: true };
  const budgetUsd = priceOf(0, 6) + priceOf(6, 7) / 2;
  assert.deepEqual(planExperiment({ ...options, budgetUsd }).untilDecided, { sessions: 6, asked: 7 });
  // answers cost more than was estimated: the budget ends after the first of the sixth session's two turns
  const costUsd = budgetUsd / (11.4 * LANES);
  const short = await seen(until({ ...long, journal, budgetUsd }, { costUsd }));
  assert.deepEqual(told(short), ['4 inconclusive', '5 inconclusive']);
  assert.equal(short.experiment.unpaid, LANES);
  const [{ report } = assert.fail()] = short.experiment.reports;
  assert.equal(report.validity.look?.level, levelsOf(6)[1]);
  assert.equal(report.validity.sessions, 5, 'a session that was cut off is in no look');
  const more = await seen(until({ ...long, journal, budgetUsd: 10 * budgetUsd }, { costUsd }));
  assert.equal(more.looks.at(-1)?.[0].maxSessions, 6);
  assert.equal(told(more).length, 3);

  await assert.rejects(
    seen(until({ ...long, budgetUsd: priceOf(0, 3) * 1.001 })),
    /pays for 3 sessions, and --until-decided needs 4: raise --budget-usd to 0\.\d+/,
  );
  const none = await seen(until({ ...long, budgetUsd: priceOf(0, 4) * 1.001 }, { costUsd: priceOf(0, 4) / 14 }));
  assert.deepEqual(told(none), []);
  const early = none.experiment.reports[0]?.report;
  assert.equal(early?.verdict, 'inconclusive');
  assert.match(early.reasons.join(), /the budget ended after 2 sessions, before the first look/);
});

test('sim, and fewer sessions than a look needs, are refused; a plan says how many sessions are expected', async () => {
  assert.throws(() => planExperiment(until({ world: 'sim' })), /--until-decided is for wire and live/);
  assert.throws(() => planExperiment(until({ untilDecided: { maxSessions: 3 } })), /has at most 3: name more sessions/);
  assert.throws(() => planExperiment(until({ sessions: sessions.slice(0, 3) })), /has at most 3/);
  const options = until({ untilDecided: { maxSessions: 6 } });
  const plan = planExperiment(options);
  assert.equal(plan.runs.length, 6 * LANES);
  const lines = estimateLines(options, plan, await estimateOf(options, plan)).join('\n');
  assert.match(lines, /^plan: at most 6 sessions × 3 lanes/);
  assert.match(
    lines,
    /until decided: a look after each session from the 4th, at most 6 sessions; about [456] are expected/,
  );
  // repetitions of a session follow each other
  const twice = planExperiment(until({ runs: 2 })).runs.map(({ sessionId }) => sessionId);
  assert.equal(
    new Set(twice.filter((id, at) => id !== twice[at - 1])).size,
    twice.filter((id, at) => id !== twice[at - 1]).length,
  );
});
