import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definedOnly, parsedJson } from './json.ts';

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
