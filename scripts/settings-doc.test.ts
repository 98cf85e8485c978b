import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configFrom } from '../service/config.ts';
import { SETTINGS } from '../service/settings.ts';
import { SETTINGS_PAGE, settingsPage } from './settings-doc.ts';

const names = SETTINGS.map(({ name }): string => name).sort();

test('docs/settings.md is made of the rows', async () => {
  const found = readFileSync(SETTINGS_PAGE, 'utf8');
  assert.equal(found, await settingsPage(), 'out of date: run "npm run docs -- settings" and commit it');
});

test('the configuration reads every row and nothing else', () => {
  const read = new Set<string>();
  const env = new Proxy<Record<string, string>>(
    {},
    {
      get: (_, name) => void read.add(String(name)),
      ownKeys: () => [],
    },
  );
  configFrom(env);
  assert.deepEqual([...read].sort(), names);
});

test('.env.example has every row, once', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
  assert.deepEqual([...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name).sort(), names);
});
