/** `--spacing-ms`: the least time between two turns' starts, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../sim/world/clock.ts';
import { planExperiment } from '../plan/plan.ts';
import { runReplay } from './schedule.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';

const sessions = await uploadSessions({ sessions: 2, turns: 2 });

/** When each turn of the plan began, in ms, if one takes so long. */
async function startsMs(spacingMs: number | undefined, tookMs: number): Promise<number[]> {
  const clock = createVirtualClock();
  const { lanes, runs: plan } = planExperiment({
    ...{ sessions, ...SIM_EXPERIMENT },
    candidates: [{ variant: 'clause', patches: [] }],
  });
  const startsUs: number[] = [];
  const arm = {
    async turn(session: (typeof sessions)[number], { planned }: { planned: (typeof plan)[number] }) {
      startsUs.push(clock.nowUs());
      await clock.sleep(tookMs);
      const log = session.turns.find(({ identity }) => identity.turnIndex === planned.turnIndex) ?? assert.fail();
      return { log, transcript: '', replyText: '' };
    },
    close: () => Promise.resolve(),
  };
  await clock.run(() =>
    runReplay({
      ...{ sessions, lanes, plan, clock, runId: 'r', pace: 'fast', withText: false, resumeWholeSessions: false },
      ...{ cooldownMs: 0, budget: { priceUsd: () => undefined }, armFor: () => Promise.resolve(arm) },
      ...(spacingMs === undefined ? {} : { spacingMs }),
    }),
  );
  assert.equal(startsUs.length, plan.length);
  return startsUs.map((us) => (us - (startsUs[0] ?? 0)) / 1000);
}

const every = (ms: number): number[] => Array.from({ length: 12 }, (_, index) => index * ms);

test('turns that are quicker wait, from start to start', async () => {
  assert.deepEqual(await startsMs(1000, 300), every(1000));
});

test('turns that take longer do not wait at all; nor does any without a spacing', async () => {
  assert.deepEqual(await startsMs(1000, 1700), every(1700));
  assert.deepEqual(await startsMs(undefined, 300), every(300), 'control');
});
