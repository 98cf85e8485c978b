import assert from 'node:assert/strict';
import { test } from 'node:test';
import { servedFrom } from './served-from.ts';

test('the region that an answer names; nothing where it names none, and nothing but letters, digits and dashes', () => {
  assert.equal(servedFrom(new Headers({ 'cf-ray': '8f0c1d2e3f4a5b6c-IST' })), 'IST');
  assert.equal(servedFrom(new Headers({ 'x-fal-region': 'eu-west', 'cf-ray': '8f0c-IST' })), 'eu-west');
  assert.equal(servedFrom(new Headers({ 'cf-ray': '8f0c1d2e' })), undefined);
  assert.equal(servedFrom(new Headers({ 'x-region': '' })), undefined);
  assert.equal(servedFrom(new Headers({ server: 'x' })), undefined);
  assert.equal(servedFrom(new Headers({ 'x-region': `<b>${'a'.repeat(100)}` }))?.length, 40);
});
