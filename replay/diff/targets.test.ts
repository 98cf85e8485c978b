import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { p95Text, targetRows } from './targets.ts';

test('too few turns have no 95th percentile, nor has a lane in which more than one turn in twenty fails', () => {
  const lane = (count: number, failed: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...BARE_SUMMARY,
      turnIndex: index,
      e2eUs: index < failed ? undefined : 1_000_000,
    }));
  const text = (count: number, failed: number): string => {
    const row = targetRows([], lane(count, failed)).find(({ name }) => name.startsWith('first audible'));
    return p95Text(row?.b);
  };
  assert.deepEqual([text(80, 0), text(80, 3)], ['1000', '1000'], 'control');
  assert.deepEqual([text(20, 0), text(100, 20)], ['n too small', '–']);
  assert.equal(p95Text(undefined), 'n too small');
});
