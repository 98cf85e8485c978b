import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definedOnly, jsonStart, parsedJson } from './json.ts';

test('text that is not JSON is undefined; control: null is a value', () => {
  assert.equal(parsedJson('{"a":'), undefined);
  assert.equal(parsedJson(''), undefined);
  assert.equal(parsedJson('null'), null);
});

test('an undefined key is absent; the object itself and its other empty values stay', () => {
  const given = { a: undefined, b: null, c: 0, d: '' };
  assert.deepEqual(Object.keys(definedOnly(given)), ['b', 'c', 'd']);
  assert.deepEqual(Object.keys(given), ['a', 'b', 'c', 'd']);
});

test('a value of any depth is quoted by its start', () => {
  const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
  assert.throws(() => JSON.stringify(deep), RangeError, 'control');
  assert.equal(jsonStart(deep), 'a value that is nested too deep');
  assert.deepEqual([jsonStart({ a: 'x'.repeat(99) }, 8), jsonStart(undefined)], ['{"a":"xx', 'undefined']);
});
