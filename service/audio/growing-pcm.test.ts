import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { joinSamples } from './pcm.ts';
import { createGrowingPcm } from './growing-pcm.ts';

test('any frames: all their samples in order, and samples taken early stay as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.int16Array({ maxLength: 40_000 }), { maxLength: 5 }), (frames) => {
      const pcm = createGrowingPcm();
      const taken = frames.map((frame) => {
        pcm.push(frame);
        return pcm.samples();
      });
      frames.forEach((_, index) => assert.deepEqual(taken[index], joinSamples(frames.slice(0, index + 1))));
      assert.equal(pcm.length, joinSamples(frames).length);
    }),
    { numRuns: 30 },
  );
});

test('a frame is copied: its sender may use its memory again', () => {
  const pcm = createGrowingPcm();
  const frame = Int16Array.of(1, 2);
  pcm.push(frame);
  frame.fill(9);
  assert.deepEqual(pcm.samples(), Int16Array.of(1, 2));
});
