import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRealClock } from './clock.ts';

const { giveWay } = createRealClock();

/** Does so many pieces of work, and notes whose piece it was. */
async function work(name: string, pieces: number, done: string[], begunWith = 0): Promise<void> {
  for (let piece = begunWith; piece < begunWith + pieces; piece++) {
    done.push(name);
    await giveWay(piece);
  }
}

test('whoever has done the fewest pieces goes on: short work does not wait for the end of long work', async () => {
  const done: string[] = [];
  await Promise.all([work('long', 4, done, 10), work('short', 3, done)]);
  assert.equal(done.join(' '), 'long short short short long long long');
});

test('one piece is done in each round of the event loop, however many wait', async () => {
  const rounds: number[] = [];
  let round = 0;
  const count = (): void => {
    round++;
    again = setImmediate(count);
  };
  let again = setImmediate(count);
  await Promise.all([0, 0, 0].map(async (done) => void rounds.push(await giveWay(done).then(() => round))));
  clearImmediate(again);
  assert.equal(new Set(rounds).size, 3, rounds.join());
});

test('work whose signal has aborted does not go on', async () => {
  const gone = new AbortController();
  const waiting = giveWay(0, gone.signal);
  gone.abort(new Error('the client went away'));
  await assert.rejects(waiting, /went away/);
});
