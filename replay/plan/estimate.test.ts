/** The plan before it is paid for: how long it will run, who is sent what, and which prices are unknown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnLog } from '../../service/base/events.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { durationUs } from './duration.ts';
import { estimateLines, estimateOf } from './estimate.ts';
import { planExperiment, type ExperimentOptions } from './plan.ts';

/** The service's clock ran for so long before the session. */
const UP_US = 3 * 3600 * 1e6;
const GAP_US = 300 * 1e6;
const [captured = assert.fail()] = await uploadSessions({ sessions: 1, turns: 3 });
/** Turns of one session, five minutes apart, on one clock. */
const turns = captured.turns.map((log, index): TurnLog => {
  const base = log.events.reduce((least, { atUs }) => Math.min(least, atUs), Infinity);
  const events = log.events.map((event) => ({ ...event, atUs: event.atUs - base + UP_US + index * GAP_US }));
  return { ...log, anchorUs: 1e15, events };
});
const options: ExperimentOptions = {
  ...SIM_EXPERIMENT,
  world: 'live',
  sessions: [{ ...captured, turns }],
  candidates: [{ variant: 'tried', patches: [] }],
};
const lengthsUs = turns.map(({ events }) => Math.max(...events.map(({ atUs }) => atUs - (events[0]?.atUs ?? 0))));
const linesOf = async (more: Partial<ExperimentOptions>): Promise<string[]> => {
  const asked = { ...options, ...more };
  const plan = planExperiment(asked);
  return estimateLines(asked, plan, await estimateOf(asked, plan));
};

test('turns count from their own first event, lanes one after another; the captured pace keeps the gaps, once for all lanes', () => {
  const { runs } = planExperiment(options);
  const allUs = 3 * lengthsUs.reduce((sum, each) => sum + each, 0);
  assert.ok(allUs < GAP_US, `control: ${allUs} µs of turns fit between two gaps`);
  assert.equal(durationUs({ ...options, runs, pace: 'fast' }), allUs);
  const keptUs = durationUs({ ...options, runs, pace: 'captured' });
  // the last lane waits until its own first turn is two gaps old
  assert.ok(keptUs > 2 * GAP_US && keptUs < 2 * GAP_US + allUs, String(keptUs));
  assert.equal(
    durationUs({ ...options, runs, pace: 'fast', spacingMs: 60_000 }),
    8 * 60_000_000 + (lengthsUs[2] ?? 0),
    'nine turns, a minute apart',
  );
});

test('the plan prints these minutes', async () => {
  const [, calls = ''] = await linesOf({ pace: 'captured' });
  assert.match(calls, /; about 1[0-2] min; pace captured/);
});

test('recipients are the hosts that are asked: of a set-up on loopback, loopback; control: by default the providers', async () => {
  const loopback = {
    falRunUrl: 'http://127.0.0.1:9001',
    falQueueUrl: 'http://127.0.0.1:9001',
    falRestUrl: 'http://127.0.0.1:9001',
    openRouterUrl: 'http://127.0.0.1:9002/api/v1',
  };
  const sentTo = async (more: Partial<ExperimentOptions>): Promise<string | undefined> =>
    (await linesOf(more)).find((line) => line.startsWith('speech and text go to'));
  assert.equal(
    await sentTo({ endpoints: loopback }),
    'speech and text go to: 127.0.0.1:9001 (user audio, reply text); 127.0.0.1:9002 (transcripts, history, prompt)',
  );
  assert.match((await sentTo({})) ?? '', /fal\.run.*openrouter\.ai and whom it routes to/);
});

test('without a known price of any model the plan names none; control: with one it does', async () => {
  const priceOf = async (model: string): Promise<string | undefined> =>
    (
      await linesOf({
        baseline: [{ llm: { model } }],
        candidates: [{ variant: 'tried', patches: [{ llm: { model } }] }],
      })
    ).find((line) => line.startsWith('price'));
  assert.match((await priceOf('who/knows')) ?? '', /^price: unpriced: replies of who\/knows, /);
  assert.match(
    (await priceOf('openai/gpt-4o-mini')) ?? '',
    /^price: about \$0\.\d{4} for replies \(by the price table of [\d-]+: openai\/gpt-4o-mini\); unpriced: /,
  );
});
