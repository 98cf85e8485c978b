import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { allowedKeys, withAllowList } from './allow-list.ts';
import { CONFIGS } from './run.ts';

const config = readFileSync(CONFIGS.collector, 'utf8');

test("the Collector lets through the registry's names, and nothing else", () => {
  assert.equal(config, withAllowList(config, allowedKeys()), 'run: npm run docs -- allow-list');
});

test('control: a key too many and a key too few are seen', () => {
  assert.notEqual(config, withAllowList(config, [...allowedKeys(), 'transcript']));
  assert.notEqual(config, withAllowList(config, allowedKeys().slice(1)));
  assert.equal(withAllowList(withAllowList(config, ['x']), allowedKeys()), config);
});
