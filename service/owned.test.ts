import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRealClock } from './base/clock.ts';
import { describeError } from './base/errors.ts';
import { createOwned } from './owned.ts';

const clock = createRealClock();

test('resources are closed once, the latest first, one after another; an error leaves none open', async () => {
  const closed: string[] = [];
  const errors: string[] = [];
  const onError = (error: unknown): void => void errors.push(describeError(error));
  const { own, giveBack } = createOwned({ clock, limitMs: 10_000, onError });
  for (const [name, delayMs] of [
    ['port', 0],
    ['world', 20],
    ['spool', 5],
  ] as const) {
    const close = async (resource: string): Promise<void> => {
      await clock.sleep(delayMs);
      closed.push(resource);
    };
    assert.equal(own(name, close), name);
  }
  own('registry', () => {
    throw new Error('thrown at once');
  });
  own('server', () => Promise.reject(new Error('rejected')));
  const first = giveBack();
  await giveBack(); // a second caller waits for the first call
  assert.deepEqual(closed, ['spool', 'world', 'port']);
  await first;
  assert.deepEqual(errors, ['rejected', 'thrown at once']);
});

test('at the limit nothing is waited for, and the rest is closed all the same', { timeout: 10_000 }, async () => {
  const closed: string[] = [];
  const { own, giveBack } = createOwned({ clock, limitMs: 30, onError: (error) => assert.fail(String(error)) });
  own('port', (name) => void closed.push(name));
  own('a turn that never ends', () => new Promise(() => undefined));
  own('server', (name) => void closed.push(name));
  await giveBack();
  assert.deepEqual(closed, ['server', 'port']);
});
