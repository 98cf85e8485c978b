import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate } from './gate.ts';
import { ProblemError } from './problem.ts';

test('so many work at once, so many wait, one more is refused; a failure hands its place on', async () => {
  const gate = createGate({ atOnce: 2, waitingLimit: 3, what: 'read' });
  const ends: ((error?: Error) => void)[] = [];
  let most = 0;
  let working = 0;
  const work = async (): Promise<number> => {
    most = Math.max(most, ++working);
    try {
      await new Promise<void>((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())));
    } finally {
      working--;
    }
    return working;
  };
  const passed = Array.from({ length: 5 }, () => gate.pass(work).catch(() => undefined));
  await assert.rejects(gate.pass(work), (error: unknown) => {
    assert.ok(error instanceof ProblemError);
    const { status, detail, headers } = error.problem;
    assert.deepEqual([status, headers], [503, { 'retry-after': '1' }]);
    assert.equal(detail, '5 requests read already; try again in a second');
    return true;
  });
  for (let ended = 0; ended < 5; ended++) {
    assert.equal(ends.length, Math.min(5, ended + 2));
    ends[ended]?.(ended === 1 ? new Error('broken disk') : undefined);
    await new Promise(setImmediate);
  }
  await Promise.all(passed);
  assert.deepEqual([most, working], [2, 0]);
  const free = gate.pass(work);
  ends[5]?.();
  assert.equal(await free, 0, 'control: an empty gate is passed at once');
});
