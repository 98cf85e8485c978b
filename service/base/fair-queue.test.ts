import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFairQueue, type FairQueue } from './fair-queue.ts';

const refusal = (): Error => new Error('busy');

/** Asks for work in this order while a first piece is in work; then in which order it was done, or refused. */
async function outcomes(queue: FairQueue, owners: readonly string[]): Promise<{ done: string[]; refused: string[] }> {
  const gate = Promise.withResolvers<undefined>();
  const done: string[] = [];
  const refused: string[] = [];
  const first = queue.run('first', () => gate.promise);
  const all = owners.map((owner, index) =>
    queue
      .run(owner, () => {
        done.push(`${owner}${index}`);
        return Promise.resolve();
      })
      .catch(() => void refused.push(`${owner}${index}`)),
  );
  gate.resolve(undefined);
  await Promise.all([first, ...all]);
  return { done, refused };
}

test('owners take turns: one with much waiting does not go before the others', async () => {
  const { done, refused } = await outcomes(createFairQueue(10, refusal), ['a', 'a', 'a', 'b', 'c', 'b']);
  assert.deepEqual(done, ['a0', 'b3', 'c4', 'a1', 'b5', 'a2']);
  assert.deepEqual(refused, []);
});

test('when too much waits, a newcomer takes the place of who has the most; who has the most is refused', async () => {
  const { done, refused } = await outcomes(createFairQueue(4, refusal), ['a', 'a', 'a', 'a', 'a', 'b', 'b', 'b']);
  assert.deepEqual(refused.sort(), ['a2', 'a3', 'a4', 'b7']);
  assert.deepEqual(done, ['a0', 'b5', 'a1', 'b6']);
});

test('a failure is its own: the next piece is done', async () => {
  const queue = createFairQueue(4, refusal);
  const failing = queue.run('a', () => Promise.reject(new Error('mine')));
  const fine = queue.run('a', () => Promise.resolve(7));
  await assert.rejects(failing, /mine/);
  assert.equal(await fine, 7);
});
