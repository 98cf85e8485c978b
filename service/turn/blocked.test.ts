import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { stallsIn, type Stall } from '../turn-log/blocked.ts';
import type { FinishedTurn } from './observe.ts';

let watching = 0;
const turn = (stalls?: (fromUs: number, toUs: number) => Stall[]): Promise<FinishedTurn> =>
  turnByHand({
    profile: flatProfile({ stt: 300, llm: 400, tts: 200 }),
    tones: tones(3000, [[300, 1500]]),
    stalls: stalls && { between: stalls, watch: () => (watching++, () => void watching--) },
  });

test('stalls of the process are in the log of the turn that they overlap, and in its ledger', async () => {
  const asked: number[] = [];
  const free = await turn();
  const wait = free.log.events.find(({ kind, stage }) => kind === 'http.headers' && stage === 'llm');
  const stall = { fromUs: (wait?.atUs ?? 0) - 70_000, toUs: (wait?.atUs ?? 0) + 500, gcUs: 10, cpuUs: 20 };
  const { log, summary } = await turn((fromUs, toUs) => {
    asked.push(fromUs, toUs);
    assert.equal(watching, 1);
    return [stall];
  });
  assert.deepEqual(stallsIn(log.events), [stall]);
  assert.equal(watching, 0, 'nobody looks out any more');
  // asked once, for the whole turn
  assert.deepEqual(asked, [log.events[0]?.atUs, log.events.find(({ kind }) => kind === 'loop.blocked')?.atUs]);
  assert.equal(summary.e2eUs, free.summary.e2eUs);
  const us = (ledger: FinishedTurn['summary']['ledger'], stage: string): number =>
    ledger.reduce((sum, row) => sum + (row.stage === stage ? row.us : 0), 0);
  assert.equal(us(summary.ledger, 'our code'), 70_000);
  assert.equal(us(summary.ledger, 'llm'), us(free.summary.ledger, 'llm') - 70_000);
  assert.equal(us(free.summary.ledger, 'our code'), 0);
});

test('a process that never stood still leaves no word of it', async () => {
  assert.deepEqual((await turn(() => [])).log, (await turn()).log);
});
