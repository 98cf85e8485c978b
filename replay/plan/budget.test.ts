/** What a replay may spend: estimated before a pair, charged as the answers say, and never forgotten in a crash. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { simWorld } from '../arms/against.ts';
import { createArm, type Arm } from '../arms/arm.ts';
import { pricesOf, replyUsd } from './budget.ts';
import { estimateOf } from './estimate.ts';
import { runExperiment, type Experiment } from '../run/experiment.ts';
import { planExperiment, type ExperimentOptions } from './plan.ts';
import { readJournal } from '../run/journal.ts';
import { runKey } from '../arms/planned.ts';
import { createPurse } from './purse.ts';
import { NOBODY, SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';

const sessions = await uploadSessions({ sessions: 2, turns: 2 });
const LANES = 3;
const FOLDER = mkdtempSync(join(tmpdir(), 'retake-budget-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));

const OPTIONS: ExperimentOptions = {
  sessions,
  candidates: [{ variant: 'clause-chunking', patches: [{ pipeline: { chunking: 'clause' } }] }],
  ...SIM_EXPERIMENT,
};
/** A paid world's rules (turn by turn, no session is run anew) over arms in virtual time. */
const paid = (more: Partial<ExperimentOptions>, dieAt = Number.POSITIVE_INFINITY): ExperimentOptions => {
  let begun = 0;
  return {
    ...OPTIONS,
    world: 'wire',
    against: NOBODY,
    pace: 'captured',
    armFor: (): Arm => {
      const arm = createArm(simWorld(OPTIONS));
      return {
        ...arm,
        turn: (session, task) => {
          if (++begun >= dieAt) throw new TypeError('the process was killed');
          return arm.turn(session, task);
        },
      };
    },
    ...more,
  };
};
const costOf = ({ replayed }: Pick<Experiment, 'replayed'>): number =>
  replayed.reduce((sum, { summary }) => sum + (summary.costUsd ?? Number.NaN), 0);

const whole = await runExperiment(paid({}));
const plan = planExperiment(OPTIONS);
const { usdOf: priceUsd } = pricesOf(OPTIONS, plan);

test('an estimate is charged before, the answer’s price replaces it, and after the first no it stays no', () => {
  const summary = whole.replayed[0]?.summary;
  assert.ok(summary);
  const purse = createPurse(1, 0.25);
  assert.equal(purse.affords([0.5, 0.25]), true);
  purse.charge(0.5);
  assert.equal(purse.affords([0.25]), true);
  purse.settle(0.5, { ...summary, costUsd: 0.125 });
  assert.equal(purse.affords([0.625]), true, '0.25 + 0.125 + 0.625 is the limit');
  purse.charge(0.5);
  const { costUsd: _, ...unknown } = summary;
  purse.settle(0.5, unknown);
  assert.equal(purse.affords([0.25]), false, 'without a price in the answer the estimate stays');
  assert.equal(purse.affords([0]), false);
  assert.equal(createPurse().affords([1e9]), true, 'control: no limit');
});

test('a reply is priced by the captured lengths, a hedge twice, and an unknown model not at all', () => {
  const [log] = sessions[0]?.turns ?? [];
  const strategy = plan.strategies.get(plan.lanes[0] ?? assert.fail());
  assert.ok(log && strategy);
  const chars = (kind: string, name: string): number =>
    Number(log.events.find((event) => event.kind === kind)?.attrs?.[name]);
  const tokens = [chars('llm.start', 'promptChars'), chars('llm.done', 'chars')].map((each) => Math.ceil(each / 4));
  const usd = ((tokens[0] ?? 0) * 0.3 + (tokens[1] ?? 0) * 2.5) / 1e6;
  assert.equal(replyUsd(log, strategy), usd);
  assert.ok(usd > 0);
  const hedge = { afterMs: 100, ignore: ['x'] };
  assert.equal(replyUsd(log, { ...strategy, llm: { ...strategy.llm, hedge } }), 2 * usd);
  assert.equal(replyUsd(log, { ...strategy, llm: { ...strategy.llm, model: 'who/knows' } }), undefined);
  const failed = { ...log, events: log.events.filter(({ kind }) => kind !== 'llm.done') };
  assert.equal(replyUsd(failed, strategy), ((tokens[0] ?? 0) * 0.3 + strategy.llm.maxTokens * 2.5) / 1e6);
});

for (const world of ['wire', 'sim'] as const) {
  test(`${world}: the run ends before the pair that would exceed the budget, and the report says so`, async () => {
    const budgetUsd = costOf(whole) * 0.6;
    const run = await runExperiment({ ...(world === 'sim' ? OPTIONS : paid({})), budgetUsd });
    const done = run.replayed.length;
    assert.ok(done > 0 && done < plan.runs.length && done % LANES === 0, `${done} turns, whole pairs`);
    assert.deepEqual(
      run.replayed.map(({ planned }) => runKey(planned)),
      plan.runs.slice(0, done).map(runKey),
      'none is left out to run a cheaper one',
    );
    assert.ok(costOf(run) <= budgetUsd);
    const next = plan.runs.slice(done, done + LANES).reduce((sum, planned) => sum + (priceUsd(planned) ?? 0), 0);
    assert.ok(costOf(run) + next > budgetUsd, 'one more would have been too much');
    assert.equal(run.unpaid, plan.runs.length - done);
    const notes = run.reports[0]?.report.validity.notes ?? [];
    assert.ok(notes.some((note) => note.includes(`${run.unpaid} of ${plan.runs.length} planned turns were not run`)));
  });
}

test('control: without a budget, or with a large one, all turns run', async () => {
  assert.equal(whole.unpaid, 0);
  const run = await runExperiment(paid({ budgetUsd: 1 }));
  assert.deepEqual([run.replayed.length, run.unpaid], [plan.runs.length, 0]);
});

test('a budget below the first pair is an error that says so; so is a budget over an unpriced model', async () => {
  await assert.rejects(runExperiment(paid({ budgetUsd: 1e-9 })), /does not pay for one turn .* raise --budget-usd/);
  const candidates = [{ variant: 'other', patches: [{ llm: { model: 'who/knows' } }] }];
  await assert.rejects(runExperiment({ ...OPTIONS, candidates, budgetUsd: 1 }), /price of who\/knows \(other\)/);
  const known = [{ variant: 'other', patches: [{ llm: { model: 'openai/gpt-4o-mini' } }] }];
  assert.equal((await runExperiment({ ...OPTIONS, candidates: known, budgetUsd: 1 })).unpaid, 0, 'control');
});

test("a plan is priced by each session’s own strategy, and models without a price are named, a hedge's too", async () => {
  const [first, ...others] = sessions;
  assert.ok(first);
  const cheap = others.map((each) => ({
    ...each,
    strategy: { ...each.strategy, llm: { ...each.strategy.llm, model: 'openai/gpt-4o-mini' } },
  }));
  const priceOf = async (of: Pick<ExperimentOptions, 'sessions' | 'candidates'>) => {
    const options = { ...OPTIONS, ...of };
    const planned = planExperiment(options);
    const { usdOf } = pricesOf(options, planned);
    const { usd, unpriced } = await estimateOf(options, planned);
    return {
      usd: usd ?? Number.NaN,
      unpriced,
      sum: planned.runs.reduce((total, each) => total + (usdOf(each) ?? 0), 0),
    };
  };
  const { candidates } = OPTIONS;
  const [mixed, alike] = [await priceOf({ sessions: [first, ...cheap], candidates }), await priceOf(OPTIONS)];
  assert.ok(Math.abs(mixed.usd - mixed.sum) < 1e-12 && mixed.usd < 0.9 * alike.usd, JSON.stringify({ mixed, alike }));
  const hedged = [{ variant: 'hedged', patches: [{ llm: { hedge: { afterMs: 500, model: 'who/knows' } } }] }];
  const { unpriced } = await priceOf({ sessions, candidates: hedged });
  assert.deepEqual(
    [unpriced[0], unpriced.filter((each) => each.startsWith('replies of')).length],
    ['replies of who/knows', 1],
  );
});

test('calls under way at each of two crashes are listed and charged; finished ones are charged once', async () => {
  const journal = { path: join(FOLDER, 'crashed.jsonl'), resume: true };
  const crashed = async (dieAt: number): Promise<void> =>
    assert.rejects(runExperiment(paid({ journal }, dieAt)), /killed/);
  await crashed(5); // four done, the fifth lost
  await crashed(1); // the fifth lost again
  const state = readJournal(journal.path);
  assert.ok(state);
  const fifth = plan.runs[4];
  assert.ok(fifth);
  const lostUsd = 2 * (priceUsd(fifth) ?? 0);
  const doneUsd = [...state.done.values()].reduce((sum, { summary }) => sum + (summary.costUsd ?? 0), 0);
  assert.equal(state.done.size, 4);
  assert.ok(Math.abs(state.spentUsd - doneUsd - lostUsd) < 1e-12, 'both losses are charged');

  // enough for an undisturbed run, and for one of the two losses
  const budgetUsd = costOf(whole) + lostUsd / 2;
  const undisturbed = await runExperiment(paid({ budgetUsd }));
  assert.equal(undisturbed.unpaid, 0, 'control');
  const resumed = await runExperiment(paid({ journal, budgetUsd }));
  assert.deepEqual(resumed.paidTwice, [runKey(fifth)]);
  assert.ok(resumed.unpaid > 0);
  const after = readJournal(journal.path);
  assert.deepEqual(after?.inFlight, [runKey(fifth)], 'done by now, and still listed');
  // with more money it goes on from there, and no journaled turn is begun again
  const rest = await runExperiment(paid({ journal, budgetUsd: 1 }));
  assert.equal(rest.unpaid, 0);
  const begun = readFileSync(journal.path, 'utf8').match(/"line":"begin"/g)?.length;
  assert.equal(begun, plan.runs.length + 2);
});

test('a live run’s journal is not overwritten: resume, or another folder; control: sim’s is', async () => {
  const path = join(FOLDER, 'live.jsonl');
  await runExperiment(paid({ journal: { path, resume: false } }));
  const anew = (): Promise<Experiment> => runExperiment(paid({ journal: { path, resume: false } }));
  await anew();
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('"world":"wire"', '"world":"live"'));
  await assert.rejects(
    anew(),
    /live\.jsonl is the journal of a live run \(12 of 12 turns paid, finished\); .*--resume.*-o/,
  );
  assert.equal(readFileSync(path, 'utf8').length, text.length);
  // as journals were before the world was in them
  writeFileSync(path, text.replace('"world":"wire"', '"command":"npx retake replay --world live"'));
  await assert.rejects(anew(), /journal of a live run/);
});
