import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDoorkeeper, isOverloadedAfter, loopDelay } from './doorkeeper.ts';
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

test('a stall of the real event loop is seen, wherever in a window it falls', async (t) => {
  const { createRealClock } = await import('../base/clock.ts');
  const real = createRealClock();
  const doorkeeper = createDoorkeeper({ clock: real });
  t.after(() => doorkeeper.close());
  const untilMs = performance.now() + 700;
  while (performance.now() < untilMs); // longer than a window, so that the window's own timer is late too
  const seenBy = performance.now() + 10_000;
  while (doorkeeper.delayMs() < 100 && performance.now() < seenBy) await real.sleep(5);
  assert.ok(doorkeeper.delayMs() >= 100, `${doorkeeper.delayMs()} ms`);
});

test('a window that is late itself counts, though the histogram saw nothing; one in time does not', () => {
  let nowUs = 0;
  const source = loopDelay(
    { nowUs: () => nowUs },
    { enable: () => true, disable: () => true, reset: () => undefined, percentile: () => 10e6 },
  );
  const seenMs = [500, 800, 500].map((windowMs) => {
    nowUs += windowMs * 1000;
    return source.readMs();
  });
  assert.deepEqual(seenMs, [0, 300, 0]);
});
