/** Lanes by what candidates can change: who is judged on whose words, and what is shown beside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simWorld } from '../arms/against.ts';
import { createArm, type Arm } from '../arms/arm.ts';
import { runExperiment } from '../run/experiment.ts';
import type { ExperimentOptions } from './plan.ts';
import { lanesOf, type CandidateSpec, type LaneOptions } from './lanes.ts';
import { terminalReport } from '../report/terminal.ts';
import { NOBODY, uploadSessions } from '../../testing/sessions.ts';
import { variantPatch } from '../variants/variants.ts';

const CLAUSE: CandidateSpec = { variant: 'clause', patches: [{ pipeline: { chunking: 'clause' } }] };
const MODEL: CandidateSpec = { variant: 'model', patches: [{ llm: { model: 'openai/gpt-4o-mini' } }] };
const options = (...candidates: CandidateSpec[]): LaneOptions => ({
  candidates,
  baseline: [],
  world: 'wire',
  commit: 'c0ffee',
});
const named = (given: LaneOptions): string[] =>
  lanesOf(given).lanes.map(({ lane, variant, words }) => `${lane} ${variant}: ${words}`);

test('a knob that cannot change words: captured words, one kind', () => {
  assert.deepEqual(named(options(CLAUSE)), [
    'baseline baseline: same',
    'baseline2 baseline: same',
    'candidate clause: same',
  ]);
});

test('a knob that can: judged on own words, shown on the captured ones beside', () => {
  assert.deepEqual(named(options(MODEL)), [
    'baseline baseline: own',
    'baseline2 baseline: own',
    'candidate model: own',
    'baseline baseline (captured words): same',
    'candidate model (captured words): same',
  ]);
  const [only = assert.fail()] = lanesOf(options(MODEL)).comparisons;
  assert.equal(only.onSameWords?.candidate.variant, 'model (captured words)');
});

test('speculation says another prompt or reply, so it is judged on own words; control: prefetching does not', () => {
  const judgedOn = (pipeline: object): string | undefined =>
    lanesOf(options({ variant: 'v', patches: [{ pipeline }] })).comparisons[0]?.candidate.words;
  assert.deepEqual([{ speculation: 'predict' }, { speculation: 'prefill' }, { prefetch: 'connect' }].map(judgedOn), [
    'own',
    'own',
    'same',
  ]);
});

test('a hedge that asks another model is judged on own words; control: one that asks past a provider is not', () => {
  const judgedOn = (name: string): string | undefined =>
    lanesOf(options({ variant: name, patches: [variantPatch(name)] })).comparisons[0]?.candidate.words;
  assert.deepEqual(['hedge-gpt-4o-mini', 'hedge-other-provider'].map(judgedOn), ['own', 'same']);
});

test('both kinds of candidate: each is judged on its own kind, in the order given', () => {
  const { lanes, comparisons } = lanesOf(options(CLAUSE, MODEL));
  assert.deepEqual(
    comparisons.map(({ spec, baseline, baseline2, candidate, onSameWords }) => [
      spec.variant,
      ...[baseline, baseline2, candidate].map(({ words }) => words),
      onSameWords?.candidate.words,
    ]),
    [
      ['clause', 'same', 'same', 'same', undefined],
      ['model', 'own', 'own', 'own', 'same'],
    ],
  );
  assert.equal(lanes.length, 7);
  assert.equal(new Set(lanes.map(({ arm }) => arm)).size, 7, 'arms are told apart');
});

test('a baseline that changes words makes every candidate one of own words', () => {
  const given = { ...options(CLAUSE), baseline: MODEL.patches };
  assert.equal(lanesOf(given).comparisons[0]?.candidate.words, 'own');
});

test('in sim, and where words are given, there is one kind', () => {
  assert.deepEqual(named({ ...options(MODEL), words: 'same' }), [
    'baseline baseline: same',
    'baseline2 baseline: same',
    'candidate model: same',
  ]);
  assert.equal(named({ ...options(CLAUSE, MODEL), world: 'sim' }).length, 4);
});

test('the report judges own words and shows the captured ones; transcripts are compared on one kind of words only', async () => {
  const sim = { profile: 'seed', seed: '1', draws: 'common' } as const;
  const asked = new Map<string, string>();
  const experiment: ExperimentOptions = {
    ...sim,
    sessions: await uploadSessions({ sessions: 2, turns: 2 }),
    candidates: [MODEL],
    baseline: [],
    world: 'wire',
    pace: 'captured',
    against: NOBODY,
    runs: 1,
    commit: 'test',
    armFor: (lane): Arm => {
      const arm = createArm(simWorld(sim));
      return {
        ...arm,
        async turn(session, task) {
          asked.set(lane.variant, task.words);
          const turn = await arm.turn(session, task);
          return task.words === 'same' ? { ...turn, transcript: 'quite another thing' } : turn;
        },
      };
    },
  };
  const { reports, replayed } = await runExperiment(experiment);
  assert.deepEqual([asked.get('model'), asked.get('model (captured words)')], ['own', 'same']);
  const report = reports[0]?.report ?? assert.fail();
  assert.equal(report.sameWords?.n, 4);
  assert.deepEqual(
    [report.arms.b.variant, report.endToEnd?.n, report.turns.some(({ variant }) => variant.includes('captured words'))],
    ['model', 4, false],
  );
  assert.match(
    terminalReport(report, { columns: 100, color: false }).replace(/\s+/g, ' '),
    /on the captured words end to end .* ms \[.*\], n 4: shown beside, not judged/,
  );
  const changes = replayed.map(({ planned, summary }) => [planned.lane, summary.transcriptChange] as const);
  assert.ok(changes.every(([lane, share]) => (lane === 'baseline' ? share === undefined : share === 0)));
  const { reports: one } = await runExperiment({ ...experiment, words: 'own' });
  assert.equal(one[0]?.report.sameWords, undefined, 'control: words were given');
});
