/** Refits in an experiment: run where times rest on the model, shared by all lanes, the same at every run, and told in every report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { htmlReport } from '../report/html.ts';
import { markdownReport } from '../report/markdown.ts';
import { terminalReport } from '../report/terminal.ts';
import { runExperiment, type Experiment } from './experiment.ts';

const sessions = await uploadSessions({ sessions: 3, turns: 1 });
const COLD: StrategyPatch = { network: { keepAlive: false } };
const VOICE: StrategyPatch = { tts: { voice: 'zeynep' } };
const REFITS = 3;

const experiment = (patch: StrategyPatch, more: Partial<ExperimentOptions> = {}): Promise<Experiment> =>
  runExperiment({
    ...SIM_EXPERIMENT,
    sessions,
    candidates: [{ variant: 'b', patches: [patch] }],
    refits: REFITS,
    ...more,
  });
/** The only report, and how many refits were run for it. */
async function reported(patch: StrategyPatch, more: Partial<ExperimentOptions> = {}) {
  let ran = 0;
  const { reports } = await experiment(patch, { ...more, onRefit: () => void ran++ });
  const [first] = reports;
  assert.ok(first !== undefined);
  return { report: first.report, ran };
}

const { report: whole, ran } = await reported(COLD);

test('a candidate with fitted times has the model in its interval, the same at every run; its estimate stays', async () => {
  const bare = (await reported(COLD, { refits: 0 })).report;
  assert.deepEqual([ran, whole.validity.model?.refits, bare.validity.model], [REFITS, REFITS, undefined]);
  assert.equal(whole.primary?.deltaMs, bare.primary?.deltaMs);
  const width = ({ primary }: typeof whole): number => (primary?.highMs ?? 0) - (primary?.lowMs ?? 0);
  assert.ok(width(whole) > width(bare) && (whole.validity.model?.variancePct ?? 0) > 0);
  assert.deepEqual((await reported(COLD)).report, whole);
});

test('a knob that does nothing has exact zeros and costs no refit; control: under independent draws its times are of the model', async () => {
  const { report, ran: none } = await reported(VOICE);
  assert.deepEqual([none, report.validity.model], [0, undefined]);
  assert.deepEqual([report.primary?.deltaMs, report.primary?.lowMs, report.primary?.highMs], [0, 0, 0]);
  assert.equal((await reported(VOICE, { draws: 'independent' })).ran, REFITS);
});

test('every format says the refits and their share; the interval is no longer over sessions only', async () => {
  const said = /model uncertainty included: 3 refits,\s+\d+ % of the\s+variance/;
  assert.match(terminalReport(whole, { columns: 1000, color: false }), said);
  assert.match(markdownReport(whole, { marker: 'x' }), said);
  assert.match(await htmlReport(whole, {}), said);
  assert.doesNotMatch(terminalReport(whole, { columns: 1000, color: false }), /over sessions only/);
});

test('one captured session shows no uncertainty of its model, and the report says so', async () => {
  const { report, ran: none } = await reported(COLD, { sessions: sessions.slice(0, 1) });
  assert.deepEqual([none, report.validity.model], [0, undefined]);
  assert.match(report.validity.notes?.join('\n') ?? '', /model uncertainty not included/);
});
