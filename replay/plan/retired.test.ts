/** Retired models: a warning in live, marked historical where stand-ins answer. */
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

const warned = (run: ExperimentOptions): string[] =>
  retirementNotes(run, planExperiment(run).lanes).filter((note) => note.startsWith('warning'));

test('live warns of a retired model from its day on, and runs: what the provider answers decides', () => {
  assert.deepEqual(warned(options('live', BEFORE)), [], 'control: the day before');
  const [note = '', ...more] = warned(options('live', FROM));
  assert.match(
    note,
    /^warning: google\/gemini-2\.5-flash is retired since 2026-12-01 \(.+\); what the provider answers/,
  );
  assert.deepEqual(more, [], 'once for all lanes');
});

test('a substitute is told in every lane that it stands in', () => {
  const run = options('live', FROM, other, other);
  const [{ baseline, baseline2, candidate } = assert.fail()] = planExperiment(run).comparisons;
  assert.deepEqual(retirementNotes(run, [baseline, baseline2, candidate]), [
    'baseline is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
    'baseline2 is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
    'tried is substituted: openai/gpt-4o-mini in place of the captured google/gemini-2.5-flash, retired',
  ]);
  assert.equal(warned(run).length, 0);
});

for (const llm of [
  { fallback: ['google/gemini-2.5-flash'] },
  { hedge: { afterMs: 9, model: 'google/gemini-2.5-flash' } },
])
  test(`live also warns of a retired model that is only asked second: ${Object.keys(llm).join()}`, () => {
    assert.equal(warned(options('live', FROM, other, [...other, { llm }])).length, 1);
    assert.equal(warned(options('live', BEFORE, other, [...other, { llm }])).length, 0);
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
