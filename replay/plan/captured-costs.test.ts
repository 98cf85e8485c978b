/** Costs of captured answers against the table of prices, both ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pricesOf } from './budget.ts';
import { estimateLines, estimateOf } from './estimate.ts';
import { planExperiment } from './plan.ts';
import { runExperiment } from '../run/experiment.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';

const MODEL = 'google/gemini-2.5-flash';
const captured = await uploadSessions({ sessions: 2, turns: 1 });
/** Every answer said this cost; undefined: none said any. */
function costing(usd: number | undefined): CapturedSession[] {
  return captured.map((session) => ({
    ...session,
    turns: session.turns.map((log) => ({
      ...log,
      events: log.events.map((event) => {
        if (event.kind !== 'llm.done') return event;
        const { costUsd: _, ...attrs } = event.attrs ?? {};
        return { ...event, attrs: usd === undefined ? attrs : { ...attrs, costUsd: usd } };
      }),
    })),
  }));
}
const optionsOf = (usd: number | undefined) => ({
  ...SIM_EXPERIMENT,
  sessions: costing(usd),
  candidates: [{ variant: 'clause', patches: [{ pipeline: { chunking: 'clause' } }] }],
});
async function pricesWith(usd: number | undefined) {
  const options = optionsOf(usd);
  const plan = planExperiment(options);
  const { fromTable, usdOf } = pricesOf(options, plan);
  const live = { ...options, world: 'live' as const };
  const lines = estimateLines(live, plan, await estimateOf(live, plan));
  const { replayed } = await runExperiment(options);
  return {
    fromTable,
    planned: plan.runs.map((run) => usdOf(run)),
    simulated: replayed.map(({ summary }) => summary.costUsd),
    line: lines.find((line) => line.startsWith('price:')),
  };
}

test('answers that said 0 cost 0, in the plan and in a simulation, whatever the table says', async () => {
  const { fromTable, planned, simulated, line } = await pricesWith(0);
  assert.deepEqual([fromTable, new Set(planned), new Set(simulated)], [[], new Set([0]), new Set([0])]);
  assert.match(line ?? '', /^price: about \$0\.0000 for replies; unpriced/);
});

test('answers that said a cost cost as much again', async () => {
  const { planned, simulated } = await pricesWith(0.01);
  const mean = (values: readonly (number | undefined)[]): number =>
    values.reduce<number>((sum, each) => sum + (each ?? Number.NaN), 0) / values.length;
  assert.ok(Math.abs(mean(planned) - 0.01) < 1e-9 && Math.abs(mean(simulated) - 0.01) < 1e-3, `${mean(simulated)}`);
});

test('control: answers without a cost are priced by the table, and the plan says so', async () => {
  const { fromTable, planned, line } = await pricesWith(undefined);
  assert.deepEqual(fromTable, [MODEL]);
  assert.ok(planned.every((usd) => usd !== undefined && usd > 0));
  assert.match(
    line ?? '',
    /for replies \(by the price table of \d{4}-\d\d-\d\d: google\/gemini-2\.5-flash\); unpriced/,
  );
});
