import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatnessOf, grows, sampleMemory, type Sample } from './soak-memory.ts';

/** 20 samples, 1,000 turns apart: the heap warms up over the first five, then grows by `kbPer1000`. */
function run(kbPer1000: number, msPerTurn: (turns: number) => number): Sample[] {
  let cpuS = 0;
  return Array.from({ length: 20 }, (_, index) => {
    const turns = (index + 1) * 1000;
    cpuS += msPerTurn(turns);
    const noiseMb = index % 2 === 0 ? 0.3 : -0.3;
    return { turns, heapMb: 50 + Math.min(index, 5) * 4 + (kbPer1000 * turns) / 1e6 + noiseMb, cpuS };
  });
}

test('a heap that has warmed up and stays is flat; a turn that costs the same is linear', () => {
  const flatness = flatnessOf(run(0, () => 7));
  assert.ok(flatness !== undefined && Math.abs(flatness.heapKbPer1000Turns) < 30);
  assert.equal(flatness.flat, true);
  assert.equal(flatness.linear, true);
  assert.deepEqual(flatness.cpuMsPerTurn.map(Math.round), [7, 7]);
});

test('control: 1 kB a turn that stays behind, and a turn that gets dearer, are both seen', () => {
  const leaking = flatnessOf(run(1000, () => 7));
  assert.ok(leaking !== undefined && Math.abs(leaking.heapKbPer1000Turns - 1000) < 30);
  assert.equal(leaking.flat, false);
  const dearer = flatnessOf(run(0, (turns) => 7 + turns / 5000));
  assert.equal(dearer?.linear, false);
  assert.deepEqual([leaking, dearer, flatnessOf(run(0, () => 7)), undefined].map(grows), [true, true, false, false]);
  const short = run(0, (turns) => 7 + turns / 5000).map((each) => ({ ...each, turns: each.turns / 10 }));
  assert.equal(flatnessOf(short)?.linear, undefined, 'quarters of 400 turns differ by their sessions');
  assert.equal(flatnessOf(run(0, () => 7).slice(0, 7)), undefined, 'too few samples say nothing');
});

test('a sample is of this process', () => {
  const { heapMb, cpuS } = sampleMemory(1);
  const kept = Array.from({ length: 200_000 }, (_, index) => ({ index }));
  const more = sampleMemory(2);
  assert.ok(more.heapMb - heapMb > 2, `${more.heapMb - heapMb} MB for ${kept.length} objects`);
  assert.ok(more.cpuS >= cpuS);
});
