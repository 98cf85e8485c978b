/** Retired models: refused in live unless something stands in for them, marked historical where stand-ins answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { runExperiment } from '../run/experiment.ts';
import { planExperiment, type ExperimentOptions } from './plan.ts';
import { dayOf, retirementNotes } from './retired.ts';
import { uploadSessions } from '../../testing/sessions.ts';

/** Captured under google/gemini-2.5-flash, which retires on 2026-12-01. */
const sessions = await uploadSessions({ sessions: 2, turns: 1 });
const BEFORE = '2026-11-30';
const FROM = '2026-12-01';

const options = (
  world: ExperimentOptions['world'],
  day: string,
  baseline: StrategyPatch[] = [],
  candidate: StrategyPatch[] = [],
): ExperimentOptions => ({
  sessions,
  candidates: [{ variant: 'tried', patches: candidate }],
  baseline,
  world,
  day,
  profile: 'seed',
  seed: '1',
  draws: 'common',
  runs: 1,
  commit: 'test',
});
const other: StrategyPatch[] = [{ llm: { model: 'openai/gpt-4o-mini' } }];

test('live refuses a retired model from its day on, and names lane, model, day and remedy', () => {
  assert.throws(
    () => planExperiment(options('live', FROM)),
    /^InputError: baseline baseline, session session-0: google\/gemini-2\.5-flash is retired since 2026-12-01 \(.+\); .*--baseline-set llm\.model=/,
  );
  planExperiment(options('live', BEFORE)); // control: the day before
});

test('a substitute is let through, and only where it stands in every lane', () => {
  const run = options('live', FROM, other, other);
  const [{ baseline, baseline2, candidate } = assert.fail()] = planExperiment(run).comparisons;
  assert.deepEqual(retirementNotes(run, [baseline, baseline2, candidate]), [
    'baseline is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
    'baseline2 is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
    'tried is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
  ]);
  assert.throws(() => planExperiment(options('live', FROM, other)), /candidate tried, .* --set llm\.model=/);
  assert.throws(() => planExperiment(options('live', FROM, [], other)), /baseline baseline, /);
});

for (const llm of [
  { fallback: ['google/gemini-2.5-flash'] },
  { hedge: { afterMs: 9, model: 'google/gemini-2.5-flash' } },
])
  test(`live also refuses a retired model that is only asked second: ${Object.keys(llm).join()}`, () => {
    assert.throws(() => planExperiment(options('live', FROM, other, [...other, { llm }])), /candidate tried, /);
    planExperiment(options('live', BEFORE, other, [...other, { llm }]));
  });

test('live takes today where no day is given', async () => {
  const gone = [{ llm: { model: 'anthropic/claude-3-haiku' } }];
  const { day: _, ...today } = options('live', FROM, gone, gone);
  await assert.rejects(runExperiment(today), /claude-3-haiku is retired since 2026-04-20/);
});

test('sim runs it and its report says historical; control: not the day before', async () => {
  const notesOn = async (day: string): Promise<readonly string[]> =>
    (await runExperiment(options('sim', day))).reports[0]?.report.validity.notes ?? [];
  const marked = (await notesOn(FROM)).filter((note) => note.startsWith('historical'));
  assert.equal(marked.length, 1);
  assert.match(marked[0] ?? '', /^historical: google\/gemini-2\.5-flash is retired since 2026-12-01 \(/);
  assert.deepEqual(
    (await notesOn(BEFORE)).filter((note) => note.startsWith('historical')),
    [],
  );
});

test('a day is one of UTC', () => {
  assert.equal(dayOf(Date.UTC(2026, 10, 30, 23, 59, 59) * 1000), BEFORE);
  assert.equal(dayOf(Date.UTC(2026, 11, 1) * 1000), FROM);
});
