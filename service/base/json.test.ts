import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definedOnly, isTooMuchJson, jsonStart, parsedJson, VALUES_LIMIT } from './json.ts';

test('text that is not JSON is undefined; control: null is a value', () => {
  assert.equal(parsedJson('{"a":'), undefined);
  assert.equal(parsedJson(''), undefined);
  assert.equal(parsedJson('null'), null);
});

test('a text of more values than fit into memory is not parsed; control: as long a text of few values is', () => {
  const many = `[${'0,'.repeat(VALUES_LIMIT)}0]`;
  assert.deepEqual([isTooMuchJson(many), parsedJson(many)], [true, undefined]);
  const long = `["${'0.'.repeat(VALUES_LIMIT)}"]`;
  assert.equal(isTooMuchJson(long), false);
  assert.equal(Array.isArray(parsedJson(long)), true);
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
