import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, editsBetween } from './edits.ts';

test('edits: insert, delete, replace; none between equal lists', () => {
  const edits = (a: string, b: string): number => editsBetween([...a], [...b]);
  assert.deepEqual([edits('kitten', 'sitting'), edits('', 'abc'), edits('abc', ''), edits('abc', 'abc')], [3, 3, 3, 0]);
});

const KNOWN = ['model', 'maxTokens', 'route', 'sse'];
for (const [typed, meant] of [
  ['modle', 'model'],
  ['maxtoken', 'maxTokens'],
  ['sss', 'sse'],
  ['rout', 'route'],
  ['voice', undefined],
  ['x', undefined],
  ['', undefined],
  ['__proto__', undefined],
  ['model'.repeat(50_000), undefined],
] as const)
  test(`"${typed.slice(0, 20)}" ${meant === undefined ? 'is near no known name' : `was meant to be ${meant}`}`, () => {
    assert.equal(didYouMean(typed, KNOWN), meant === undefined ? '' : ` (did you mean "${meant}"?)`);
  });

test('the nearest name is the one that is named', () => {
  assert.equal(didYouMean('stt-24khz', ['stt-16khz', 'stt-24kHz']), ' (did you mean "stt-24kHz"?)');
});
