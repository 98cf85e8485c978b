import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDoorkeeper, isOverloadedAfter } from './doorkeeper.ts';
import { LIMITS } from './limits.ts';
import { ProblemError } from './problem.ts';

const LATE_MS = LIMITS.loopDelay.value + 1;

test('an overload is two late windows in a row, and over with the first that is half as late', () => {
  const seen = (delaysMs: number[]): boolean[] => {
    let overloaded = false;
    return delaysMs.map(
      (nowMs, index) => (overloaded = isOverloadedAfter(overloaded, delaysMs[index - 1] ?? 0, nowMs)),
    );
  };
  assert.deepEqual(seen([LATE_MS, 5, LATE_MS, 5]), [false, false, false, false], 'hiccups');
  assert.deepEqual(seen([5, 2 * LATE_MS, 5]), [false, true, false], 'twice as late');
  assert.deepEqual(seen([LATE_MS, LATE_MS, LATE_MS * 0.6, LATE_MS * 0.4, 5]), [false, true, true, false, false]);
});

test('in an overload new work gets 503 with Retry-After and is counted by its door; afterwards it is admitted', async () => {
  const delaysMs = [LATE_MS, LATE_MS, 5];
  const read = Array.from({ length: 4 }, () => Promise.withResolvers<undefined>());
  let reads = 0;
  const doorkeeper = createDoorkeeper({
    clock: {
      nowUs: () => 0,
      epochUs: () => 0,
      // a window passes when the test lets it
      sleep: () => read[reads]?.promise ?? new Promise(() => undefined),
    },
    source: { readMs: () => delaysMs[reads++] ?? 0, close: () => undefined },
  });
  const pass = async (): Promise<void> => {
    read[reads]?.resolve(undefined);
    await new Promise(setImmediate);
  };
  await pass();
  doorkeeper.admit('session');
  await pass();
  assert.ok(doorkeeper.overloaded);
  assert.throws(
    () => doorkeeper.admit('session'),
    (error) =>
      error instanceof ProblemError && error.problem.status === 503 && error.problem.headers?.['retry-after'] === '2',
  );
  assert.throws(() => doorkeeper.admit('turn'), ProblemError);
  await pass();
  doorkeeper.admit('session');
  assert.deepEqual(doorkeeper.refused(), { session: 1, turn: 1, connection: 0 });
  doorkeeper.close();
});

test("the real event loop's delay is seen, and none where there is none", async () => {
  const { createRealClock } = await import('../base/clock.ts');
  const real = createRealClock();
  const doorkeeper = createDoorkeeper({ clock: { ...real, sleep: (ms, signal) => real.sleep(ms / 10, signal) } });
  const worstMs = async (): Promise<number> => {
    let worst = 0;
    for (let left = 40; left > 0; left--) {
      await real.sleep(3);
      worst = Math.max(worst, doorkeeper.delayMs());
    }
    return worst;
  };
  const quietMs = await worstMs();
  const untilMs = performance.now() + 400 + quietMs;
  while (performance.now() < untilMs); // the loop stands still
  const lateMs = await worstMs();
  assert.ok(lateMs > quietMs + 100, `${quietMs} ms, then ${lateMs} ms`);
  doorkeeper.close();
});
