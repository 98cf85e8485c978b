/** A knob that does nothing does nothing in a simulation, and a simulation says how far it is off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ofBusyService, SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import type { Lane } from '../../service/base/events.ts';
import { knobsWith } from '../../service/strategy/knobs.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { basisShares } from './basis.ts';
import { runExperiment, type Experiment } from './experiment.ts';
import { summariesOf } from './schedule.ts';

const cold = await uploadSessions({ sessions: 2, turns: 4 });
const sessions = cold.map(ofBusyService);

const NULL_KNOBS: Record<string, StrategyPatch> = {
  'tts.voice': { tts: { voice: 'zeynep' } },
  'tts.format': { tts: { format: 'pcm' } },
  'llm.temperature': { llm: { temperature: 0 } },
  'llm.seed': { llm: { seed: 7 } },
};
const experiment = (
  patches: Record<string, StrategyPatch>,
  more: Partial<ExperimentOptions> = {},
): Promise<Experiment> =>
  runExperiment({
    ...SIM_EXPERIMENT,
    sessions,
    candidates: Object.entries(patches).map(([variant, patch]) => ({ variant, patches: [patch] })),
    ...more,
  });
const waits = ({ replayed }: Experiment, lane: Lane, variant: string): (number | undefined)[] =>
  summariesOf(replayed, lane, variant).map(({ e2eUs }) => e2eUs);

const common = await experiment({
  ...NULL_KNOBS,
  route: { llm: { route: { sort: 'latency' } } },
  whole: { pipeline: { chunking: 'reply' } },
});

test('under common draws a timeless knob gives the captured times to the µs, connections included; control: another chunking does not', () => {
  assert.deepEqual(Object.keys(NULL_KNOBS).sort(), knobsWith('timeless').sort());
  const before = waits(common, 'baseline', 'baseline');
  for (const knob of Object.keys(NULL_KNOBS)) assert.deepEqual(waits(common, 'candidate', knob), before, knob);
  assert.notDeepEqual(waits(common, 'candidate', 'whole'), before);
});

test('a knob whose effect no capture shows has no captured time; control: in other stages it has', () => {
  const shares = (lane: Lane, variant: string): number => basisShares(common.replayed, lane, variant).captured ?? 0;
  const [before, after] = [shares('baseline', 'baseline'), shares('candidate', 'route')];
  assert.ok(before > 0.9 && after > 0.6 && after < before - 0.1, `${before} ${after}`);
});

test('the second baseline is drawn again, and the report says how far that is off; control: where it is not off, nothing is measured', async () => {
  assert.deepEqual(basisShares(common.replayed, 'baseline2', 'baseline'), { fitted: 1 });
  const { validity } = common.reports[0]!.report;
  assert.ok(
    Math.abs(validity.repetition?.deltaMs ?? 0) > 5,
    'the pool sets connections up that the capture found open',
  );
  assert.match(validity.notes?.join('\n') ?? '', /floor of the simulation: the baseline drawn again differs by \+\d/);
  const one = cold.slice(0, 1).map((session) => ({ ...session, turns: session.turns.slice(0, 2) }));
  const alike = (await experiment({ voice: { tts: { voice: 'ali' } } }, { sessions: one })).reports[0]!.report.validity;
  assert.equal(alike.repetition, undefined, 'not 0.0');
  assert.match(alike.notes?.join('\n') ?? '', /floor of the simulation: not measured/);
});

test('independent draws are drawn in every lane: a null knob is not compared with the capture', async () => {
  const run = await experiment({ voice: { tts: { voice: 'ali' } } }, { draws: 'independent' });
  for (const [lane, variant] of [
    ['baseline', 'baseline'],
    ['baseline2', 'baseline'],
    ['candidate', 'voice'],
  ] as const)
    // prettier-ignore
    assert.deepEqual(basisShares(run.replayed, lane, variant), { fitted: 1 });
  assert.notDeepEqual(waits(run, 'baseline', 'baseline'), waits(run, 'baseline2', 'baseline'));
});
